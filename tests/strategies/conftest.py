"""What the tests of several hypernetwork strategies need: the paper's training step, written out."""

import pytest
import torch


@pytest.fixture(scope="session")
def papers_step():
    """Asserts that a recorded second step on a task went where plain autograd and an Adam written out lead, in float64.

    `before` are theta and the task embedding before it, `found` those after it, `loss` is the task loss at `before`,
    and `regulariser` a function of theta.
    """

    def check(step, before, found, loss, regulariser, *, lookahead, learning_rate=1e-2, beta1=0.9):
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
        moved = sum((e - p).square().sum() for e, p in zip(expected, before, strict=True)).sqrt()
        apart = sum((f.double() - e).square().sum() for f, e in zip(found, expected, strict=True)).sqrt()
        assert apart < 1e-3 * moved

    return check
