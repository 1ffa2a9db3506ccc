"""Loaded once by the server that processes of runs are forked from: what takes seconds to import, and the code."""

import gc

# Half a million objects that stay: looking for garbage among them meanwhile takes a seventh of the time of loading.
gc.disable()

from hnet_bench.runs import run, worker  # noqa: E402
from hnet_bench.runs.provenance import remember_code  # noqa: E402

__all__ = ["run", "worker"]

# What is loaded here is what runs will execute, whatever becomes of the files.
remember_code()
# No run looks for garbage among them either, which would write to each, and so give the run 130 MB of its own.
gc.freeze()
gc.enable()
