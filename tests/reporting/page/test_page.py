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
from hnet_bench.reporting.html_page import anchor, commands, data_uri, facts, page, runs, settings, size_of
from hnet_bench.reporting.statistics import INTERVAL

SVG = b"""<?xml version="1.0" encoding="utf-8"?>
<!DOCTYPE svg PUBLIC "-//W3C//DTD SVG 1.1//EN"
  "http://www.w3.org/Graphics/SVG/1.1/DTD/svg11.dtd">
<svg height="36pt" width="72.3pt" xmlns="http://www.w3.org/2000/svg">
 <!-- 100 % & <more> -->
 <path id="a" d="M 0 0
L 1 1" style="fill: #ff0000"/>
 <text>50 %22 &amp; it's</text>
</svg>
"""


@pytest.fixture
def text(rich_report: Report) -> str:
    return page([rich_report], {"rich": {"A picture": SVG}}, sections([rich_report]))


def test_a_link_names_a_row_in_the_letters_of_its_id(rich_report: Report) -> None:
    found = anchor(rich_report, "lr 10%, a/CL1")
    assert found == urllib.parse.quote(found) == "rich/lr_20_10_25__2c__20_a/CL1"
    assert anchor(rich_report, "lr 10_, a/CL1") != found


def test_nothing_is_fetched_and_only_the_own_style_and_script_may_act(text: str) -> None:
    addresses = re.findall(r'(?:src|href|action|srcset)="([^"]*)"', text)
    assert addresses
    assert all(address.startswith(("#", "data:")) for address in addresses)
    assert "@import" not in text
    assert "url(" not in text
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
    assert known["Reported"] == "90.00 ± 0.20† over 20 seeds; recalled. Nobody et al. 2020."
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


def test_a_picture_within_the_page_is_the_same_picture() -> None:
    uri = data_uri(SVG)
    assert '"' not in uri
    assert "\n" not in uri
    # What a browser makes of the attribute, then of the URI.
    decoded = urllib.parse.unquote(uri.replace("&amp;", "&").removeprefix("data:image/svg+xml,"))
    kept, given = ElementTree.fromstring(decoded), ElementTree.fromstring(SVG)
    assert kept.attrib == given.attrib
    for one, other in zip(kept, given, strict=True):
        assert one.tag == other.tag
        assert {key: value.split() for key, value in one.attrib.items()} == {
            key: value.split() for key, value in other.attrib.items()
        }
        assert (one.text or "").strip() == (other.text or "").strip()
    assert size_of(SVG) == (96, 48)


def test_an_svg_without_a_size_is_refused() -> None:
    with pytest.raises(ValueError, match="declares no size"):
        size_of(b"<svg/>")
