"""The lookahead is where the optimiser goes next, and looking changes nothing."""

import pytest
import torch

from hnet_bench.nets.lookahead import AdamLookahead


def parameters_and_optimiser(fused):
    torch.manual_seed(0)
    parameters = [torch.nn.Parameter(torch.randn(5, 3)), torch.nn.Parameter(torch.randn(7))]
    other = torch.nn.Parameter(torch.randn(2))
    return parameters, torch.optim.Adam([*parameters, other], lr=0.01, fused=fused)


@pytest.mark.parametrize("fused", [True, False])
def test_it_is_the_step_that_adam_then_takes_bit_for_bit(fused):
    parameters, optimiser = parameters_and_optimiser(fused)
    lookahead = AdamLookahead(optimiser, parameters)
    for _ in range(4):
        for parameter in optimiser.param_groups[0]["params"]:
            parameter.grad = torch.randn_like(parameter)
        seen = [tensor.clone() for tensor in lookahead.parameters()]
        again = [tensor.clone() for tensor in lookahead.parameters()]
        optimiser.step()
        for ahead, repeated, parameter in zip(seen, again, parameters, strict=True):
            assert torch.equal(ahead, parameter)
            assert torch.equal(ahead, repeated)


def test_looking_does_not_change_the_optimiser():
    results = []
    for look in (False, True):
        parameters, optimiser = parameters_and_optimiser(True)
        lookahead = AdamLookahead(optimiser, parameters)
        torch.manual_seed(1)
        for _ in range(3):
            for parameter in optimiser.param_groups[0]["params"]:
                parameter.grad = torch.randn_like(parameter)
            if look:
                lookahead.parameters()
            optimiser.step()
        results.append([parameter.detach().clone() for parameter in parameters])
    assert all(torch.equal(one, other) for one, other in zip(*results, strict=True))


def test_what_is_no_adam_that_holds_all_the_parameters_is_refused():
    parameters, optimiser = parameters_and_optimiser(True)
    for one, asked in ((optimiser, [torch.nn.Parameter(torch.zeros(1))]), (torch.optim.SGD(parameters), parameters)):
        with pytest.raises(ValueError, match="needs an Adam with one parameter group"):
            AdamLookahead(one, asked)
