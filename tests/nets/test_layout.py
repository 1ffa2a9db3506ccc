"""Parameters in a flat vector, and which of them belong to some of the outputs."""

import torch

from hnet_bench.nets.layout import Layout

LAYOUT = Layout(((2, 3), (2,), (4, 2), (4,)))


def test_views_lie_one_after_the_other_and_share_memory():
    flat = torch.arange(25.0)
    views = LAYOUT.views(flat)
    assert LAYOUT.parameters == 6 + 2 + 8 + 4
    assert [view.shape for view in views] == [(2, 3), (2,), (4, 2), (4,)]
    assert torch.cat([view.flatten() for view in views]).tolist() == list(range(20))
    views[1][0] = -1
    assert flat[6] == -1


def test_only_weights_and_biases_of_other_outputs_are_left_out():
    kept = LAYOUT.keeping_outputs(slice(1, 3))
    assert kept.tolist() == [1] * 8 + [0, 0, 1, 1, 1, 1, 0, 0] + [0, 1, 1, 0]
    weights, biases = LAYOUT.views(kept)[2:]
    assert weights.tolist() == [[0, 0], [1, 1], [1, 1], [0, 0]]
    assert biases.tolist() == [0, 1, 1, 0]
    assert LAYOUT.keeping_outputs(slice(0, 4)).all()
