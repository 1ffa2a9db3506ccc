"""Figures drawn by several processes are those that one draws."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from hnet_bench.interfaces import UserError
from hnet_bench.reporting.figures.kinds import file_name
from hnet_bench.reporting.figures.parallel import figures_of
from hnet_bench.reporting.figures.render import render_all
from hnet_bench.reporting.figures.subject import Subject

SCORES = [[[0.9, 0.1], [0.5, 0.7]], [[0.8, 0.2], [0.6, 0.8]], [[0.85, 0.2], [0.4, 0.75]]]


def test_any_number_of_processes_gives_the_bytes_of_one(subject_of: Callable[..., Subject]) -> None:
    subjects = [subject_of({"a": {"CL1": SCORES}}), subject_of({"a": {"CL3": SCORES[:1]}, "b": {"CL3": SCORES}})]
    alone = figures_of(subjects, processes=1)
    assert figures_of(subjects, processes=2) == alone
    for subject, found in zip(subjects, alone, strict=True):
        assert {file_name("made_up", kind, "svg"): content for kind, content in found.items()} == render_all(subject)


@pytest.mark.parametrize("processes", [1, 2])
def test_what_the_user_can_mend_comes_back_from_other_processes(
    subject_of: Callable[..., Subject], processes: int
) -> None:
    subject = subject_of({"a": {"CL1": SCORES}}, on_table={"figures": ("pie",)})
    with pytest.raises(UserError, match="asks for figure 'pie'"):
        figures_of([subject], processes=processes)
