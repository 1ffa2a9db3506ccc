"""hnet_bench: benchmarks and reproducible comparisons for continual learning with hypernetworks.

Start with `hnet_bench.interfaces`. Importing this package loads neither torch nor Avalanche.
"""

__version__ = "0.1.0"

FAULT = 70  # exit code of a fault in the program, EX_SOFTWARE of sysexits.h
