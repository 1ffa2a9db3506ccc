"""What was measured beside what is reported: text, pages, tables for the terminal, progress of a sweep."""
