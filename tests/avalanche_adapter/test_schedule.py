"""Steps and learning rates that change: who follows them, and at which step."""

from baselines.finetune import Finetune
from hnet_bench.interfaces import Scenario


class Rates:
    def __init__(self):
        self.seen = []

    def before_update(self, strategy, **kwargs):
        (group,) = strategy.optimizer.param_groups
        self.seen.append((strategy.task, group["lr"], group["betas"]))


def test_a_template_follows_the_schedule_anew_on_every_experience(built, stream_of):
    rates, schedule = Rates(), {"later_iterations": 2, "learning_rate_steps": ((0.4, 0.1),)}
    template = built(Finetune(), Scenario.TASK, iterations=5, learning_rate=1.0, beta1=0.5, **schedule)
    template.plugins.append(rates)
    for experience in stream_of(Scenario.TASK):
        template.train(experience, eval_streams=[])
    betas = (0.5, 0.999)
    first = [(0, 1.0, betas)] * 3 + [(0, 0.1, betas)] * 2
    # Of two steps none comes after round(0.4 * 2) = 1 but the one with number 2, which there is not.
    assert rates.seen == first + [(task, 1.0, betas) for task in (1, 1, 2, 2)]
    assert template.planned_steps == len(rates.seen)
