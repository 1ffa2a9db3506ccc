"""On what a strategy learns. A new benchmark is one file and one line here."""

BENCHMARKS = {
    "split_mnist": "hnet_bench.benchmarks.split_mnist:SplitMnist",
    "synthetic": "hnet_bench.benchmarks.synthetic:Synthetic",
}
