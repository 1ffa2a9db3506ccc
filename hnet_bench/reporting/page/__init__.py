"""The web page of a report: one file that works from disk, with nothing fetched from anywhere."""
