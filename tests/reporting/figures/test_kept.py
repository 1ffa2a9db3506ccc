"""Figures of an earlier report are taken only while they show what they would show now."""

from __future__ import annotations

import json
import os
import signal
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy
import pytest

from hnet_bench.reporting.figures import kept, layout
from hnet_bench.reporting.figures.kept import NOTES, encode_all, figures_of
from hnet_bench.reporting.figures.kinds import file_name
from hnet_bench.reporting.figures.layout import encode
from hnet_bench.reporting.figures.page import Page, Subject, pages
from hnet_bench.runs.plan import table_state
from hnet_bench.runs.record import NO_ARRAYS
from hnet_bench.runs.store import Store, lost_arrays

SCORES = [[[0.9, 0.1], [0.5, 0.7]], [[0.8, 0.2], [0.6, 0.8]]]
SAMPLES = numpy.zeros((2, 3, 1, 4, 4), dtype=numpy.uint8)
KINDS = ["comparison", "learning-curves", "during-and-final", "matrices"]


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The kinds that were drawn, in order."""
    drawn: list[str] = []

    def quick(shown: Sequence[Page]) -> list[bytes]:
        drawn.extend(page.kind for page in shown)
        return [
            b'<svg width="1pt" height="1pt">hnet_bench data sha256:%s</svg>\n' % page.data_sum().encode()
            for page in shown
        ]

    monkeypatch.setattr(kept, "encode_all", quick)
    return drawn


def report(folder: Path, *subjects: Subject, check: bool = False) -> list[dict[str, bytes]]:
    """What a report does with its figures."""
    by_table, note = figures_of(subjects, folder, check=check)
    if not check:
        folder.mkdir(exist_ok=True)
        (folder / NOTES).write_bytes(note)
        for table, drawn in by_table.items():
            for kind, content in drawn.items():
                (folder / file_name(table, kind, "svg")).write_bytes(content)
    return [by_table[subject.table.name] for subject in subjects]


def other(subject: Subject) -> Subject:
    return replace(subject, table=replace(subject.table, name="other"))


def test_what_has_not_changed_is_taken(asked: list[str], subject_of: Callable[..., Subject], tmp_path: Path) -> None:
    subject = subject_of({"a": {"CL1": SCORES}})
    first = report(tmp_path / "reports", subject)
    assert list(first[0]) == KINDS
    assert report(tmp_path / "reports", subject) == first
    # The note of a table that is not asked for stays.
    report(tmp_path / "reports", other(subject))
    assert report(tmp_path / "reports", subject, other(subject))[0] == first[0]
    assert asked == KINDS * 2


def test_a_new_record_has_its_table_drawn_again_and_no_other(
    asked: list[str], subject_of: Callable[..., Subject], tmp_path: Path
) -> None:
    before = subject_of({"a": {"CL1": SCORES[:1]}})
    report(tmp_path / "reports", before, other(before))
    asked.clear()
    report(tmp_path / "reports", subject_of({"a": {"CL1": SCORES}}), other(before))
    assert asked == KINDS


@pytest.mark.parametrize("change", [{"title": "Another title"}, {"reduced": "5 iterations"}])
def test_a_changed_table_is_drawn_again(
    asked: list[str], subject_of: Callable[..., Subject], tmp_path: Path, change: dict[str, Any]
) -> None:
    subject = subject_of({"a": {"CL1": SCORES}})
    report(tmp_path / "reports", subject)
    report(tmp_path / "reports", replace(subject, table=replace(subject.table, **change)))
    assert asked == KINDS * 2


@pytest.mark.parametrize("checksum", [None, "0" * 64, NO_ARRAYS])
def test_arrays_that_are_not_those_of_their_record_are_not_drawn(
    checksum: str | None, asked: list[str], subject_of: Callable[..., Subject], tmp_path: Path
) -> None:
    """Early records hold no checksum of their arrays, which are drawn as they are, and again when they change."""
    subject = subject_of({"a": {"CL1": SCORES}}, arrays={"replay_samples": SAMPLES})
    report(tmp_path / "reports", subject)
    store = Store(tmp_path / "results")
    (archive,) = store.root.rglob("*.npz")
    numpy.savez_compressed(archive, replay_samples=SAMPLES + 9)
    (state,) = table_state(subject.table, store)
    records = tuple(replace(record, arrays=checksum) for record in state.records)
    lacking = lost_arrays(archive.with_suffix(".json"), records[0])
    asked.clear()
    report(tmp_path / "reports", replace(subject, states=[replace(state, records=records, lacking=tuple(lacking))]))
    assert ("replay-samples" in asked) == (checksum is None)


@pytest.mark.parametrize(
    "harm",
    [
        lambda path: path.unlink(),
        lambda path: path.write_bytes(b"<svg>mine</svg>\n"),
        lambda path: path.write_bytes(path.read_bytes()[:-3]),
        lambda path: path.write_bytes(path.read_bytes().replace(b"width", b'class="narrower" width')),
    ],
)
def test_a_picture_that_is_gone_cut_short_or_another_is_drawn_again(
    asked: list[str], subject_of: Callable[..., Subject], tmp_path: Path, harm: Callable[[Path], None]
) -> None:
    subject = subject_of({"a": {"CL1": SCORES}})
    first = report(tmp_path / "reports", subject)
    harm(tmp_path / "reports" / "made_up.matrices.svg")
    assert report(tmp_path / "reports", subject) == first
    assert asked == [*KINDS, "matrices"]


@pytest.mark.parametrize("notes", [b"", b"[]", b"{", b'{"made_up.svg": 3}', b"[" * 100_000])
def test_notes_that_cannot_be_read_are_as_if_there_were_none(
    asked: list[str], subject_of: Callable[..., Subject], tmp_path: Path, notes: bytes
) -> None:
    subject = subject_of({"a": {"CL1": SCORES}})
    report(tmp_path / "reports", subject)
    (tmp_path / "reports" / NOTES).write_bytes(notes)
    report(tmp_path / "reports", subject)
    assert asked == KINDS * 2


def test_what_was_noted_of_figures_that_are_gone_is_dropped(
    asked: list[str], subject_of: Callable[..., Subject], tmp_path: Path
) -> None:
    subject, folder = subject_of({"a": {"CL1": SCORES}}), tmp_path / "reports"
    report(folder, subject, other(subject))
    for path in folder.glob("other.*"):
        path.unlink()
    report(folder, subject)
    assert json.loads((folder / NOTES).read_text()).keys() == {path.name for path in folder.glob("*.svg")}


def test_code_that_draws_otherwise_draws_again_but_shows_the_same(
    asked: list[str], subject_of: Callable[..., Subject], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    subject = subject_of({"a": {"CL1": SCORES}})
    first = report(tmp_path / "reports", subject)
    monkeypatch.setattr(kept, "_code_sum", lambda: "another")
    assert report(tmp_path / "reports", subject, check=True) == first
    assert asked == KINDS
    report(tmp_path / "reports", subject)
    assert asked == KINDS * 2


def many_pages(subject_of: Callable[..., Subject]) -> list[Page]:
    rows = {f"row {index}": {"CL1": SCORES, "CL3": SCORES[:1]} for index in range(3)}
    return [*pages(subject_of(rows)).values()] * 2


def test_any_number_of_processes_gives_the_bytes_of_one(
    subject_of: Callable[..., Subject], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(os, "sched_getaffinity", lambda pid: {0, 1}, raising=False)
    shown = many_pages(subject_of)
    assert encode_all(shown) == [encode(page) for page in shown]


HERE = os.getpid()


def dies_elsewhere(page: Page) -> bytes:
    if os.getpid() != HERE:
        os.kill(os.getpid(), signal.SIGKILL)
    return encode(page)


def test_a_process_that_is_killed_costs_time_and_no_figure(
    subject_of: Callable[..., Subject], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(os, "sched_getaffinity", lambda pid: {0, 1}, raising=False)
    shown = many_pages(subject_of)
    expected = [encode(page) for page in shown]
    monkeypatch.setattr(layout, "encode", dies_elsewhere)
    assert encode_all(shown) == expected
