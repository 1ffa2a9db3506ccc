"""The page in a real Chromium: no error, no request, and what a person can do with it, by mouse and by keyboard."""

from __future__ import annotations

import io
import re
from pathlib import Path
from typing import Any

import numpy
import pytest
from PIL import Image

from hnet_bench.papers.table import load_table
from hnet_bench.reporting.cells import Report, build_report
from hnet_bench.reporting.inline_svg import inline, style
from hnet_bench.reporting.report_files import render
from hnet_bench.runs.plan import table_state
from hnet_bench.runs.store import Store

Browser = Any  # of conftest.py: tests are no package that its class could be imported from

SHOWN = """[...document.querySelectorAll('table.results tbody tr')].filter(row => !row.hidden)
    .map(row => row.cells[0].textContent.split(' ')[0])"""
COLUMN = "[...document.querySelectorAll('table.{} tbody tr')].map(row => row.cells[{}].textContent.trim())"
HEADINGS = """[...document.querySelectorAll('section.table h3')].filter(heading => heading.checkVisibility())
    .map(heading => heading.textContent)"""
FOCUS = "document.activeElement.textContent.trim().split(/\\s+/)[0]"


@pytest.fixture(scope="session")
def written() -> list[str]:
    """The address of the page, once it is written."""
    return []


@pytest.fixture
def opened(
    browser: Browser, written: list[str], rich_report: Report, rich_store: Store, drawn: Any, tmp_path_factory: Any
) -> Browser:
    """The page of a made-up table, beside one without records, as on the first visit."""
    if not written:
        folder: Path = tmp_path_factory.mktemp("page")
        empty = load_table("quick")
        listed = [rich_report, build_report(empty, table_state(empty, Store(folder)), command="quick")]
        (folder / "index.html").write_bytes(render([rich_report], drawn(rich_report), listed=listed)["index.html"])
        written.append((folder / "index.html").as_uri())
    browser.resize(1000)
    browser.prefer("light")
    browser.open(written[0])
    browser.run("localStorage.clear()")
    return browser


def choose(browser: Browser, control: str, value: str) -> None:
    """Sets a control as a person would."""
    browser.run(
        f"(control => {{ control.value = '{value}'; control.dispatchEvent(new Event('input', {{bubbles: true}}));"
        f"control.dispatchEvent(new Event('change', {{bubbles: true}})); }})(document.getElementById('{control}'))"
    )
    browser.settle()


def heading(table: str, column: int) -> str:
    """The script for the button of a heading."""
    return f"[...document.querySelector('table.{table}').tHead.rows].at(-1).cells[{column}].querySelector('button')"


def test_it_opens_without_errors_and_without_asking_for_anything(opened: Browser, written: list[str]) -> None:
    opened.run("document.querySelectorAll('details').forEach(details => details.open = true)")
    opened.run("window.scrollTo(0, document.body.scrollHeight)")
    opened.settle()
    assert opened.problems == []
    assert [address for address in opened.requests if not address.startswith("data:")] == written
    wide = "[...document.querySelectorAll('.drawing')].map(figure => figure.getBBox().width > 100)"
    assert opened.run(wide) == [True] * 6


def test_the_overview_has_the_state_of_every_table(opened: Browser) -> None:
    assert opened.run(COLUMN.format("overview", 1)) == ["16 +8", "0"]
    assert opened.run(COLUMN.format("overview", 2)) == ["24", "9"]
    # Reproduced, close, above, below, inconclusive, not run.
    assert [opened.run(COLUMN.format("overview", column))[0] for column in range(4, 10)] == [
        "1",
        "",
        "1",
        "1",
        "2",
        "1",
    ]


def test_methods_stand_on_a_board_with_the_rules_that_it_follows(opened: Browser) -> None:
    names = COLUMN.format("leaderboard", 0)
    assert opened.run(names) == ["lwf", "er", "ewc", "mas", "si", "joint"]
    assert opened.run(COLUMN.format("leaderboard", 1))[1] == "70.00 ± 0.32 (5) ≈"
    # The best of which, how often; a mean rank takes two columns.
    assert opened.run(COLUMN.format("leaderboard", 2))[:2] == ["1 of 1", "1 of 1"]
    assert "No mean rank" in opened.run("document.querySelector('section.board').innerText")
    choose(opened, "scenario", "CL1")
    assert opened.run("document.querySelector('section.board').hidden")
    choose(opened, "scenario", "")
    choose(opened, "words", "good")
    assert opened.run("document.getElementById('boards').hidden")


def test_a_heading_sorts_up_then_down_then_back(opened: Browser) -> None:
    finals = COLUMN.format("details", 4)
    as_written = opened.run(finals)
    for expected, state in (
        (sorted(as_written, key=float), "ascending"),
        (sorted(as_written, key=float, reverse=True), "descending"),
        (as_written, None),
    ):
        opened.run(f"{heading('details', 4)}.click()")
        assert opened.run(finals) == expected
        assert opened.run(f"{heading('details', 4)}.parentElement.getAttribute('aria-sort')") == state


def test_times_sort_by_their_length_and_dates_and_commits_as_texts(opened: Browser) -> None:
    column = COLUMN.format("details", 4)
    number = len(opened.run(column))
    for texts in (
        ["45 s", "2 min 05 s", "37 min 28 s", "1 h 02 min", "21 h 19 min", "30 h 00 min"],
        ["2025-11-30", "2026-01-02", "2026-01-10", "2026-11-29", "2026-11-30", "2027-01-01"],
        ["0a12345", "1e45678", "2b12345", "9c00000", "a000000", "b000000"],
    ):
        expected = texts[:number]
        assert len(expected) > 3
        cells = "[...document.querySelectorAll('table.details tbody tr')].map(row => row.cells[4])"
        opened.run(f"{cells}.forEach((cell, at) => {{ cell.textContent = {expected[::-1]}[at]; }})")
        opened.run(f"{heading('details', 4)}.click()")
        assert opened.run(column) == expected
        for _ in range(2):
            opened.run(f"{heading('details', 4)}.click()")


def test_sorting_keeps_benchmarks_apart_and_what_was_not_run_last(opened: Browser) -> None:
    for _ in range(2):
        opened.run(f"{heading('results', 4)}.click()")
        measured = opened.run(COLUMN.format("results", 4))
        assert measured[-1] == "not run"  # of the other benchmark
        assert "not run" not in measured[:-1]


def test_a_heading_sorts_by_the_keyboard(opened: Browser) -> None:
    opened.run(f"{heading('details', 4)}.focus()")
    opened.press("Enter")
    assert opened.run(f"{heading('details', 4)}.parentElement.getAttribute('aria-sort')") == "ascending"


def test_words_scenarios_and_verdicts_filter_rows(opened: Browser) -> None:
    every = ["upper", "good", "high", "low", "open", "single", "elsewhere"]
    assert opened.run(SHOWN) == every
    choose(opened, "words", "W 100")
    assert opened.run(SHOWN) == ["low", "elsewhere"]
    choose(opened, "words", "")
    choose(opened, "scenario", "CL1")
    assert opened.run(SHOWN) == ["good"]
    shown = "[...document.querySelectorAll('table.results [data-scenario]')].filter(cell => !cell.hidden)"
    assert opened.run(f"{shown}.every(cell => cell.dataset.scenario === 'CL1')")
    choose(opened, "scenario", "")
    choose(opened, "verdict", "inconclusive")
    assert opened.run(SHOWN) == ["open", "single"]
    behind = "[...document.querySelectorAll('details.cell')].filter(cell => !cell.hidden).map(cell => cell.id)"
    assert opened.run(behind) == ["rich/open/CL3", "rich/single/CL3"]
    assert " of " in opened.run("document.getElementById('shown').textContent")
    # Tables of which no row is left are gone, with their headings.
    assert opened.run(f"{HEADINGS}.includes('Settings')") is False
    choose(opened, "words", "nothing like this")
    assert opened.run("document.querySelector('section.table').hidden")
    assert opened.run("document.getElementById('shown').textContent") == "no row fits"
    message = "document.getElementById('none')"
    assert opened.run(f"{message}.innerText") == "No row of any table fits “nothing like this”, inconclusive."
    opened.run("document.getElementById('all').click()")
    assert opened.run(SHOWN) == every
    assert opened.run("document.getElementById('shown').textContent") == ""
    assert opened.run(f"{message}.hidden && document.getElementById('all').hidden")
    assert opened.run("document.activeElement.id") == "words"


def test_a_link_to_what_filters_hide_shows_it(opened: Browser) -> None:
    choose(opened, "words", "nothing like this")
    opened.run("location.hash = '#rich/low/CL3'")
    opened.settle()
    assert opened.run("document.getElementById('rich/low/CL3').checkVisibility()")
    assert opened.run("document.getElementById('words').value") == ""


def test_a_number_opens_its_records_by_click_and_the_way_back_leads_to_it(opened: Browser) -> None:
    opened.run("document.querySelector('table.results a[href=\"#rich/low/CL3\"]').click()")
    opened.settle()
    cell = "document.getElementById('rich/low/CL3')"
    assert opened.run(f"{cell}.open")
    top = opened.run(f"{cell}.getBoundingClientRect().top")
    assert 0 < top < 150
    assert "seed1-" in opened.run(f"{cell}.innerText")
    opened.run(f"{cell}.open = false")
    opened.run("document.querySelector('table.results a[href=\"#rich/low/CL3\"]').click()")
    opened.settle()
    assert opened.run(f"{cell}.open")  # the same link again


def test_a_click_beside_a_number_opens_the_same_cell(opened: Browser) -> None:
    opened.run("document.querySelector('table.verdicts tbody tr').cells[5].click()")
    opened.settle()
    assert opened.run("document.querySelector('details.cell[open]').id") == "rich/good/CL3"


def test_a_number_opens_its_records_by_keyboard_alone(opened: Browser) -> None:
    opened.press("Tab")
    assert opened.run(FOCUS) == "To"  # the tables, past the controls
    opened.press("Enter")
    for _ in range(60):
        if opened.run("document.activeElement.hash") == "#rich/good/CL3":
            break
        opened.press("Tab")
    opened.press("Enter")
    assert opened.run("document.getElementById('rich/good/CL3').open")
    assert opened.run(FOCUS) == "good"
    opened.press(" ")
    assert not opened.run("document.getElementById('rich/good/CL3').open")


def test_an_address_with_a_cell_opens_it(opened: Browser, written: list[str]) -> None:
    opened.open(f"{written[0]}#rich/open/CL3")
    assert opened.run("document.getElementById('rich/open/CL3').open")


def test_the_overview_fits_into_a_usual_window(opened: Browser) -> None:
    opened.resize(1500)
    frame = "document.querySelector('table.overview').parentElement"
    assert opened.run(f"{frame}.scrollWidth <= {frame}.clientWidth")


@pytest.mark.parametrize("width", [360, 800, 1400])
def test_the_page_is_never_wider_than_the_window(opened: Browser, width: int) -> None:
    opened.run("document.querySelectorAll('details').forEach(details => details.open = true)")
    opened.resize(width)
    assert opened.run("document.documentElement.scrollWidth") == width
    assert opened.screenshot().startswith(b"\x89PNG")


def test_light_and_dark_follow_the_system_or_the_choice(opened: Browser, written: list[str]) -> None:
    colours = "[getComputedStyle(document.body).backgroundColor, getComputedStyle(document.body).color]"
    light = opened.run(colours)
    opened.prefer("dark")
    dark = opened.run(colours)
    assert light == ["rgb(255, 255, 255)", "rgb(27, 31, 36)"]
    assert dark == ["rgb(20, 24, 29)", "rgb(230, 237, 243)"]
    choose(opened, "look", "light")
    assert opened.run(colours) == light
    opened.open(written[0])
    assert opened.run(colours) == light  # remembered


def test_a_figure_looks_as_its_file_does(
    opened: Browser, rich_report: Report, rich_store: Store, drawn: Any, tmp_path: Path
) -> None:
    for kind, svg in drawn(rich_report)["rich"].items():
        figure = inline(svg, kind, kind)
        shown, markup = [], figure.markup
        assert len(markup) < len(svg) / 2
        size = re.findall(r' (width|height)="(\d+)"', markup)
        original = svg.decode().partition("<svg")[2]
        for side, pixels in size:
            original = re.sub(rf' {side}="[\d.]+pt"', f' {side}="{pixels}"', original, count=1)
        for text in (f"<style>{style([figure])}</style>{markup}", f"<svg{original}"):
            (tmp_path / "one.html").write_text(f"<!doctype html><meta charset=utf-8>{text}")
            opened.open((tmp_path / "one.html").as_uri())
            shown.append(numpy.asarray(Image.open(io.BytesIO(opened.screenshot())).convert("L"), float))
        # Letters may stand a pixel higher.
        assert numpy.mean(numpy.abs(shown[0] - shown[1]) > 64) < 0.005


def test_figures_are_dark_on_dark_paper(opened: Browser) -> None:
    colours = """(figure => [figure.querySelector('path'), figure.querySelector('text')]
        .map(element => getComputedStyle(element).fill))(document.querySelector('.drawing'))"""
    assert opened.run(colours) == ["rgb(255, 255, 255)", "rgb(0, 0, 0)"]
    choose(opened, "look", "dark")
    assert opened.run(colours) == ["rgb(20, 24, 29)", "rgb(230, 237, 243)"]


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_text_stands_out_from_what_is_behind_it(opened: Browser, scheme: str) -> None:
    opened.prefer(scheme)
    # Contrast as WCAG 2.1 defines it; 4.5 is its level AA.
    script = """(() => {
      const parts = colour => colour.match(/[\\d.]+/g).map(Number);
      const light = colour => parts(colour).slice(0, 3).map(part => part / 255)
        .map(part => part <= 0.03928 ? part / 12.92 : ((part + 0.055) / 1.055) ** 2.4)
        .reduce((sum, part, index) => sum + part * [0.2126, 0.7152, 0.0722][index], 0);
      const paper = light(getComputedStyle(document.body).backgroundColor);
      const classes = ['a', '.quiet', '.reproduced', '.above', '.below', '.inconclusive', '.notes', 'code'];
      return classes.map(name => light(getComputedStyle(document.querySelector('main ' + name)).color))
        .map(ink => (Math.max(ink, paper) + 0.05) / (Math.min(ink, paper) + 0.05));
    })()"""
    assert min(opened.run(script)) >= 4.5


def test_a_verdict_is_never_colour_alone(opened: Browser) -> None:
    script = """[...document.querySelectorAll('[data-outcome]')].filter(cell => cell.matches('td'))
        .every(cell => cell.textContent.trim() !== '' || cell.dataset.outcome === 'not run')"""
    assert opened.run(script)
    named = "[...document.querySelectorAll('table.results [role=img]')].map(sign => sign.getAttribute('aria-label'))"
    assert opened.run(named) == ["reproduced", "above", "below", "inconclusive", "inconclusive"]


def test_on_paper_figures_are_open_and_controls_are_gone(opened: Browser) -> None:
    opened.run("window.dispatchEvent(new Event('beforeprint'))")
    opened.send("Emulation.setEmulatedMedia", media="print")
    assert opened.run("[...document.querySelectorAll('details.figure')].every(figure => figure.open)")
    assert opened.run("getComputedStyle(document.getElementById('bar')).display") == "none"
    opened.send("Emulation.setEmulatedMedia", media="")
