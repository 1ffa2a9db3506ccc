"""Figures of an earlier report are taken only while they are what would be drawn."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

import numpy
import pytest

from hnet_bench.reporting.figures import parallel
from hnet_bench.reporting.figures.kept import NOTES, KeptFigures
from hnet_bench.reporting.figures.kinds import file_name
from hnet_bench.reporting.figures.subject import Subject

SCORES = [[[0.9, 0.1], [0.5, 0.7]], [[0.8, 0.2], [0.6, 0.8]]]
Drawn = dict[str, bytes]


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Names of the tables that were drawn, in order; each drawing differs from the one before."""
    drawn: list[str] = []

    class Drawing:
        def start(self, subject: Subject) -> None:
            drawn.append(subject.table.name)

        def of(self, subjects: Sequence[Subject]) -> list[Drawn]:
            return [{"comparison": b"<svg>%d</svg>\n" % len(drawn), "matrices": b"<svg/>\n"} for _ in subjects]

    monkeypatch.setattr(parallel, "Drawing", Drawing)
    return drawn


def report(folder: Path, *subjects: Subject) -> list[Drawn]:
    """What a report does with its figures."""
    kept = KeptFigures(folder)
    for subject in subjects:
        kept.start(subject)
    by_table = kept.by_table()
    figures = [by_table[subject.table.name] for subject in subjects]
    folder.mkdir(exist_ok=True)
    (folder / NOTES).write_bytes(kept.note())
    for subject, drawn in zip(subjects, figures, strict=True):
        for kind, content in drawn.items():
            (folder / file_name(subject.table.name, kind, "svg")).write_bytes(content)
    return figures


def other(subject: Subject) -> Subject:
    return replace(subject, table=replace(subject.table, name="other"))


def test_what_has_not_changed_is_taken(asked: list[str], subject_of: Callable[..., Subject], tmp_path: Path) -> None:
    subject = subject_of({"a": {"CL1": SCORES}})
    first = report(tmp_path / "reports", subject)
    assert report(tmp_path / "reports", subject) == first
    # The note of a table that is not asked for stays.
    report(tmp_path / "reports", other(subject))
    assert report(tmp_path / "reports", subject, other(subject))[0] == first[0]
    assert asked == ["made_up", "other"]


def test_a_new_record_has_its_table_drawn_again_and_no_other(
    asked: list[str], subject_of: Callable[..., Subject], tmp_path: Path
) -> None:
    before = subject_of({"a": {"CL1": SCORES[:1]}})
    report(tmp_path / "reports", before, other(before))
    after = subject_of({"a": {"CL1": SCORES}})
    report(tmp_path / "reports", after, other(before))
    assert asked == ["made_up", "other", "made_up"]


@pytest.mark.parametrize("change", [{"title": "Another title"}, {"reduced": "5 iterations"}])
def test_a_changed_table_is_drawn_again(
    asked: list[str], subject_of: Callable[..., Subject], tmp_path: Path, change: dict[str, object]
) -> None:
    subject = subject_of({"a": {"CL1": SCORES}})
    report(tmp_path / "reports", subject)
    report(tmp_path / "reports", replace(subject, table=replace(subject.table, **change)))
    assert asked == ["made_up"] * 2


def test_changed_arrays_are_drawn_again(asked: list[str], subject_of: Callable[..., Subject], tmp_path: Path) -> None:
    subject = subject_of({"a": {"CL1": SCORES}}, arrays={"x": numpy.arange(3)})
    report(tmp_path / "reports", subject)
    archive = subject.archive(subject.states[0])
    assert archive is not None
    numpy.savez_compressed(archive, x=numpy.arange(4))
    report(tmp_path / "reports", subject)
    assert asked == ["made_up"] * 2


@pytest.mark.parametrize("name", ["made_up.svg", "made_up.matrices.svg"])
@pytest.mark.parametrize("harm", [lambda path: path.unlink(), lambda path: path.write_bytes(b"<svg>mine</svg>\n")])
def test_a_picture_that_is_gone_or_edited_is_drawn_again(
    asked: list[str], subject_of: Callable[..., Subject], tmp_path: Path, name: str, harm: Callable[[Path], None]
) -> None:
    subject = subject_of({"a": {"CL1": SCORES}})
    report(tmp_path / "reports", subject)
    harm(tmp_path / "reports" / name)
    assert report(tmp_path / "reports", subject) == [{"comparison": b"<svg>2</svg>\n", "matrices": b"<svg/>\n"}]
    assert asked == ["made_up"] * 2


@pytest.mark.parametrize("notes", [b"", b"[]", b"{", b'{"made_up": 3}', b'{"made_up": {"from": ""}}', b"[" * 100_000])
def test_notes_that_cannot_be_read_are_as_if_there_were_none(
    asked: list[str], subject_of: Callable[..., Subject], tmp_path: Path, notes: bytes
) -> None:
    subject = subject_of({"a": {"CL1": SCORES}})
    report(tmp_path / "reports", subject)
    (tmp_path / "reports" / NOTES).write_bytes(notes)
    report(tmp_path / "reports", subject)
    assert asked == ["made_up"] * 2


def test_code_that_draws_otherwise_draws_again(
    asked: list[str], subject_of: Callable[..., Subject], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    subject = subject_of({"a": {"CL1": SCORES}})
    report(tmp_path / "reports", subject)
    monkeypatch.setattr("hnet_bench.reporting.figures.kept._drawn_by", lambda: b"other code")
    report(tmp_path / "reports", subject)
    assert asked == ["made_up"] * 2


def test_what_is_really_drawn_is_what_is_taken(subject_of: Callable[..., Subject], tmp_path: Path) -> None:
    subject = subject_of({"a": {"CL1": SCORES}})
    first = report(tmp_path / "reports", subject)
    assert first == parallel.figures_of([subject], processes=1)
    assert report(tmp_path / "reports", subject) == first
