"""The methods that the hypernetwork methods are compared with. A new baseline is one file and one line here."""

STRATEGIES = {
    "finetune": "baselines.finetune:Finetune",
    "joint": "baselines.joint:Joint",
    "ewc": "baselines.ewc:Ewc",
    "online_ewc": "baselines.online_ewc:OnlineEwc",
    "si": "baselines.si:Si",
    "mas": "baselines.mas:Mas",
}
