"""On what a strategy learns. A new benchmark is one file and one line here."""

BENCHMARKS = {
    "split_mnist": "hnet_bench.benchmarks.split_mnist:SplitMnist",
    "permuted_mnist": "hnet_bench.benchmarks.permuted_mnist:PermutedMnist",
    "split_cifar": "hnet_bench.benchmarks.split_cifar:SplitCifar",
    "regression_1d": "hnet_bench.benchmarks.regression_1d:Regression1d",
    "synthetic": "hnet_bench.benchmarks.synthetic:Synthetic",
}
