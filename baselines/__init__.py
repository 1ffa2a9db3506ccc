"""The methods that the hypernetwork methods are compared with. A new baseline is one file and one line here."""

STRATEGIES = {
    "finetune": "baselines.finetune:Finetune",
    "joint": "baselines.joint:Joint",
    "from_scratch": "baselines.from_scratch:FromScratch",
    "xdg": "baselines.xdg:Xdg",
    "er": "baselines.er:Er",
    "agem": "baselines.agem:Agem",
    "icarl": "baselines.icarl:Icarl",
}
