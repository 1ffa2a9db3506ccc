"""Figures from records alone, without torch: one file for each kind, `render.py` for all of a table."""
