"""How the hypernetwork methods learn. The other methods stand in the package `baselines`."""

STRATEGIES = {
    "hnet": "hnet_bench.strategies.hnet:Hnet",
    "hnet_conv": "hnet_bench.strategies.hnet_conv:HnetConv",
    "hnet_full": "hnet_bench.strategies.hnet_full:HnetFull",
    "hnet_embedding_space": "hnet_bench.strategies.hnet_embedding_space:HnetEmbeddingSpace",
    "hnet_ent": "hnet_bench.strategies.hnet_ent:HnetEnt",
    "hnet_tir": "hnet_bench.strategies.hnet_tir:HnetTir",
    "hnet_r": "hnet_bench.strategies.hnet_r:HnetR",
    "hypermask": "hnet_bench.strategies.hypermask:HyperMask",
    "hint": "hnet_bench.strategies.hint:Hint",
    "posterior_replay": "hnet_bench.strategies.posterior_replay:PosteriorReplay",
    # Any strategy class of Avalanche's.
    "stock": "hnet_bench.strategies.stock:Stock",
}
