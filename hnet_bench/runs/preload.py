"""Loaded once by the server that processes of runs are forked from: what takes seconds to import, and the code."""

from hnet_bench.runs import run, worker
from hnet_bench.runs.provenance import remember_code

__all__ = ["run", "worker"]

# What is loaded here is what runs will execute, whatever becomes of the files.
remember_code()
