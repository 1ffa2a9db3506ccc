"""What the tests of several hypernetwork strategies need: the paper's training step, written out; inferred tasks."""

import pytest
import torch


@pytest.fixture(scope="session")
def papers_step():
    """Asserts that a recorded second step on the third task, the last that the template took, went where plain autograd
    and an Adam written out lead, in float64, and that it left the embeddings of earlier tasks.

    `loss` is the task loss before the step, of its model in float64, and `regulariser` a function of theta.
    """

    def check(template, step, loss, regulariser, *, lookahead, learning_rate=1e-2, beta1=0.9):
        old, new = step.model.hypernetwork, template.classifier.hypernetwork
        (*others, embedding), (*same, moved) = old.task_embeddings, new.task_embeddings
        assert all(torch.equal(one, other.double()) for one, other in zip(others, same, strict=True))
        before, found = [*old.theta, embedding], [*new.theta, moved]

        def adam(parameter, gradient, index):
            first = beta1 * step.adam[index]["exp_avg"].double() + (1 - beta1) * gradient
            second = 0.999 * step.adam[index]["exp_avg_sq"].double() + 0.001 * gradient**2
            corrected = first / (1 - beta1**2), second / (1 - 0.999**2)
            return parameter - learning_rate * corrected[0] / (corrected[1].sqrt() + 1e-8)

        gradients = torch.autograd.grad(loss, before)
        theta = before[:-1]
        at = [adam(p, g, i) for i, (p, g) in enumerate(zip(theta, gradients[:-1], strict=True))] if lookahead else theta
        at = [tensor.detach().requires_grad_() for tensor in at]
        extra = torch.autograd.grad(regulariser(at), at)
        assert max(tensor.abs().max() for tensor in extra) > 0
        totals = [g + e for g, e in zip(gradients[:-1], extra, strict=True)] + [gradients[-1]]
        expected = [adam(p, g, i) for i, (p, g) in enumerate(zip(before, totals, strict=True))]
        way = sum((e - p).square().sum() for e, p in zip(expected, before, strict=True)).sqrt()
        apart = sum((f.double() - e).square().sum() for f, e in zip(found, expected, strict=True)).sqrt()
        assert apart < 1e-3 * way

    return check


@pytest.fixture(scope="session")
def inferred():
    """Evaluates a template on a stream: the tasks that it infers, and its outputs."""

    def evaluate(template, stream):
        class Listens:
            def after_eval_forward(self, strategy, **kwargs):
                tasks.extend(strategy.mb_inferred_task.tolist())
                outputs.append(strategy.mb_output)

        tasks, outputs, listens = [], [], Listens()
        template.plugins.append(listens)
        template.eval(stream)
        template.plugins.remove(listens)
        return tasks, torch.cat(outputs)

    return evaluate
