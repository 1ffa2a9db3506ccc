"""What the papers say: one TOML per printed table or figure, with its settings and the numbers that it reports."""
