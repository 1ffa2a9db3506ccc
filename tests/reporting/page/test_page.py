"""The page as text: nothing is fetched, everything is there, links lead somewhere."""

from __future__ import annotations

import base64
import hashlib
import re
import urllib.parse
import xml.etree.ElementTree as ElementTree

import pytest

from hnet_bench.reporting.appendix import sections
from hnet_bench.reporting.cells import Report, ReportCell
from hnet_bench.reporting.html_page import anchor, commands, facts, page, runs, settings
from hnet_bench.reporting.inline_svg import inline, style
from hnet_bench.reporting.statistics import INTERVAL

SVG = b"""<?xml version="1.0" encoding="utf-8"?>
<!DOCTYPE svg PUBLIC "-//W3C//DTD SVG 1.1//EN"
  "http://www.w3.org/Graphics/SVG/1.1/DTD/svg11.dtd">
<svg height="36pt" width="72.3pt" xmlns="http://www.w3.org/2000/svg">
 <!-- 100 % & <more> -->
 <metadata>of no use here</metadata>
 <g id="axes_1"><g id="a"><path d="M 0 0
L 1.2345 0
L 1.2345 -2.0001
L 5 6" style="fill: #ff0000"/></g></g>
 <path d="M 1 2 L 3 2" style="fill: none; stroke: #ffffff"/>
 <g id="unused"><path d="M 1 3 L 3 3" style="fill: none; stroke: #ffffff"/><path/></g>
 <path id="far" d="M 0 0" />
 <path d="M 0 1 L 0 4" clip-path="url(#far)" style="fill: none; stroke: #000000"/>
 <path d="M 0 2 L 0 4" clip-path="url(#far)" style="stroke: #ffffff; fill-opacity: 0.5"/>
 <script>alert(1)</script>
 <text transform="rotate(-0 1 2)">50 %22 &amp; it's</text>
</svg>
"""


@pytest.fixture
def text(rich_report: Report) -> str:
    return page([rich_report], {"rich": {"A picture": inline(SVG, "A picture", "rich.one")}}, sections([rich_report]))


def test_a_link_names_a_row_in_the_letters_of_its_id() -> None:
    found = anchor("rich", "lr 10%, a/CL1")
    assert found == urllib.parse.quote(found) == "rich/lr_20_10_25__2c__20_a/CL1"
    assert anchor("rich", "lr 10_, a/CL1") != found


def test_nothing_is_fetched_and_only_the_own_style_and_script_may_act(text: str) -> None:
    addresses = re.findall(r'(?:src|href|action|srcset)="([^"]*)"', text)
    assert addresses
    assert all(address.startswith(("#", "data:")) for address in addresses)
    assert "@import" not in text
    assert all(address.startswith("#") for address in re.findall(r"url\(([^)]*)", text))
    (policy,) = re.findall(r'Content-Security-Policy" content="([^"]*)"', text)
    assert policy.startswith("default-src &#39;none&#39;")
    for tag in ("style", "script"):
        (content,) = re.findall(rf"<{tag}>(.*?)</{tag}>", text, re.DOTALL)
        sha = base64.b64encode(hashlib.sha256(content.encode()).digest()).decode()
        assert f"{tag}-src &#39;sha256-{sha}&#39;" in policy.replace("&#43;", "+")
    assert not re.search(r' (?:style|on\w+)="', text)


def test_what_a_table_says_is_text_and_never_markup(text: str) -> None:
    assert "<nothing>" not in text
    assert "&lt;nothing&gt;" in text


def test_every_link_leads_to_one_place(text: str) -> None:
    ids = re.findall(r' id="([^"]*)"', text)
    assert len(ids) == len(set(ids))
    targets = set(re.findall(r'href="#([^"]*)"', text))
    assert targets <= set(ids)
    assert {f"rich/{row}/CL3" for row in ("good", "high", "low", "open", "single", "elsewhere")} <= targets


def cell_of(report: Report, key: str) -> ReportCell:
    return next(cell for cell in report.cells if cell.key == key)


def test_behind_a_number_stand_its_runs_settings_commands_and_verdict(rich_report: Report) -> None:
    cell = cell_of(rich_report, "low/CL3")
    rows = [[field.text for field in row] for row in runs(cell).rows]
    assert [row[:2] for row in rows] == [["1", "20.00"], ["2", "21.00"], ["3", "20.00"], ["4", "21.00"], ["5", "20.00"]]
    assert rows[0][-1].startswith("synthetic/class/si/seed1-")
    known = dict(facts(rich_report, cell))
    assert known["Verdict"] == "below†"
    assert known["Difference"].startswith(f"-69.60 percentage points, {INTERVAL} -70.")
    assert known["Reported"] == "90.00 ± 0.20† over 20 seeds; recalled (Table 1). Nobody et al. 2020."
    assert dict(settings(cell))["protocol.iterations"] == "5"
    assert [command for _, command in commands(rich_report, cell)] == [
        "hnet-bench run rich.toml --rows low --scenarios CL3 --seeds 1-5 --results repeated",
        "hnet-bench trace rich.toml low CL3",
    ]


def test_a_cell_that_was_not_run_says_how_to_run_it(rich_report: Report) -> None:
    cell = cell_of(rich_report, "elsewhere/CL3")
    assert dict(facts(rich_report, cell))["Measured"] == "not run"
    assert [command for _, command in commands(rich_report, cell)] == [
        "hnet-bench run rich.toml --rows elsewhere --scenarios CL3 --seeds 1-3"
    ]


def test_a_figure_within_the_page_shows_the_same() -> None:
    root = ElementTree.fromstring(inline(SVG, 'A "picture"', "one").markup)
    assert root.attrib == {
        "class": "drawing",
        "role": "img",
        "aria-label": 'A "picture"; its numbers stand in the tables and records of this page',
        "width": "96",
        "height": "48",
        "viewBox": "0 0 72.3 36",
    }
    assert [child.tag for child in root] == ["path", "path", "path", "g", "text"]
    path, lines, alone, clipped, text = root
    assert (path.get("d"), text.text) == ("M0 0H1.2V-2L5 6", "50 %22 & it's")
    # Lines that look the same are one path, in their order, and what is clipped alike has one group.
    assert lines.get("d") == "M1 2H3M1 3H3"
    assert [child.get("d") for child in clipped] == ["M0 1V4", "M0 2V4"]
    assert clipped.get("clip-path") == f"url(#{alone.get('id')})"
    assert len({element.get("class") for element in (path, lines, *clipped)}) == 4


def test_a_figure_has_colours_for_dark_paper_but_for_those_of_a_scale() -> None:
    mesh = SVG.replace(b'id="a"', b'id="QuadMesh_1"')
    rules = style([inline(SVG, "", "one"), inline(mesh, "", "other")]).splitlines()
    # A third of the way to white; black and white change places.
    assert sum(rule.endswith(" { fill: light-dark(#ff0000, #ff5555); }") for rule in rules) == 1
    assert sum("stroke: light-dark(#000000, #e6edf3)" in rule for rule in rules) == 1
    assert sum("stroke: light-dark(#ffffff, #14181d)" in rule for rule in rules) == 2
    assert len(rules) == 1 + 4 + 1
    assert rules[-1].endswith(" { fill: #ff0000; }")


def test_an_svg_without_a_size_is_refused() -> None:
    with pytest.raises(ValueError, match="declares no size"):
        inline(b"<svg/>", "", "")
