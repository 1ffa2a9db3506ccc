"""Sentences on the standard streams, which are shown at once."""

from __future__ import annotations

import sys


def say(sentence: str) -> None:
    """Prints a sentence."""
    print(sentence, flush=True)


def warn(sentence: str) -> None:
    """Prints a sentence on stderr, beside what a command prints."""
    print(sentence, file=sys.stderr, flush=True)


def print_anything() -> None:
    """Has characters that the standard output cannot show, as with PYTHONIOENCODING=latin-1, printed as `\\u2020`."""
    reconfigure = getattr(sys.stdout, "reconfigure", None)  # notebooks have a stream of their own, which takes all
    if reconfigure is not None:
        reconfigure(errors="backslashreplace")
