"""The methods that the hypernetwork methods are compared with. A new baseline is one file and one line here."""

STRATEGIES = {
    # Bounds.
    "finetune": "baselines.finetune:Finetune",
    "joint": "baselines.joint:Joint",
    "multi_task": "baselines.joint:MultiTask",
    "from_scratch": "baselines.from_scratch:FromScratch",
    # A part of the network for each task.
    "xdg": "baselines.xdg:Xdg",
    # Important parameters are held.
    "ewc": "baselines.ewc:Ewc",
    "online_ewc": "baselines.ewc:OnlineEwc",
    "empirical_ewc": "baselines.ewc:EmpiricalEwc",
    "si": "baselines.si:Si",
    "mas": "baselines.mas:Mas",
    # Distillation from the classifier as it was before: on new inputs, on generated ones.
    "lwf": "baselines.lwf:Lwf",
    "dgr": "baselines.dgr:Dgr",
    "dgr_distill": "baselines.dgr:DgrDistill",
    "bir": "baselines.bir:Bir",
    # Every class has a density of its own.
    "generative_classifier": "baselines.generative_classifier:GenerativeClassifier",
    # Samples are stored.
    "er": "baselines.er:Er",
    "agem": "baselines.agem:Agem",
    "fromp": "baselines.fromp:Fromp",
    "icarl": "baselines.icarl:Icarl",
}
