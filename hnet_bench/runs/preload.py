"""Loaded once by the server that processes of runs are forked from: what takes seconds to import, and what code it is.

A run so starts in a moment, and shares the memory of the libraries.
"""

from hnet_bench.runs import run, work
from hnet_bench.runs.provenance import remember_code

__all__ = ["run", "work"]

# What is loaded here is what runs will execute, whatever becomes of the files.
remember_code()
