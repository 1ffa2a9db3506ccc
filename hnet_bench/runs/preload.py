"""Loaded once by the process that worker processes are forked from: what takes seconds to import, and what code it is.

A worker so starts in a moment, also after another has died, and shares the memory of the libraries.
"""

from hnet_bench.runs import run, work
from hnet_bench.runs.provenance import remember_code

__all__ = ["run", "work"]

# What is loaded here is what runs will execute, whatever becomes of the files.
remember_code()
