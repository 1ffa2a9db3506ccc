"""The methods that the hypernetwork methods are compared with. A new baseline is one file and one line here."""

STRATEGIES = {
    "dgr": "baselines.dgr:Dgr",
    "dgr_distill": "baselines.dgr_distill:DgrDistill",
    "finetune": "baselines.finetune:Finetune",
    "joint": "baselines.joint:Joint",
    "lwf": "baselines.lwf:Lwf",
}
