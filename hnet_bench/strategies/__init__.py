"""How the hypernetwork methods learn. The other methods stand in the package `baselines`."""

STRATEGIES = {
    "hnet": "hnet_bench.strategies.hnet:Hnet",
    "hnet_ent": "hnet_bench.strategies.hnet_ent:HnetEnt",
    "hnet_tir": "hnet_bench.strategies.hnet_tir:HnetTir",
    "hnet_r": "hnet_bench.strategies.hnet_r:HnetR",
}
