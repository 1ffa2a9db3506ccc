"""Documents whose numbers are rendered from records."""

from __future__ import annotations

from pathlib import Path

import pytest

from hnet_bench.interfaces import UserError
from hnet_bench.reporting.cells import Report
from hnet_bench.reporting.documents import Numbers, documents, rendered

# Final accuracies of `low` are 0.20, 0.21, 0.20, 0.21, 0.20; of `good` 0.70, 0.71, 0.69, 0.70, 0.70.


def test_numbers_are_those_of_the_seeds_that_are_asked_for(rich_report: Report) -> None:
    numbers = Numbers(rich_report)
    assert numbers.mean("low", "CL3", "1-2") == "20.50 ± 0.50"
    assert numbers.mean("low", "CL3", "4") == "21.00"
    assert numbers.mean("low", "CL3", "1", during=True) == "55.25"  # 0.9 right after the first, 0.205 after the second
    assert numbers.scores("low", "CL3", "2,1") == pytest.approx([0.21, 0.20])
    assert numbers.experiences("low", "CL3", "1-2") == [pytest.approx([0.195, 0.205]), pytest.approx([0.205, 0.215])]
    assert numbers.experiences("low", "CL3", "1-2", during=True)[0] == [0.9, 0.9]


def test_gains_are_paired_by_seed_and_have_a_sign(rich_report: Report) -> None:
    # 50, 50 and 49 points: the mean of the pairs has a third of a point of error, each mean more.
    assert Numbers(rich_report).gain("good", "low", "CL3", "1-3") == "+49.67 ± 0.33"
    assert Numbers(rich_report).gain("low", "good", "CL3", "1-3") == "-49.67 ± 0.33"


def test_findings_and_readme_beside_the_reports_are_rendered(rich_report: Report, tmp_path: Path) -> None:
    (tmp_path / "docs").mkdir()
    (tmp_path / "README.md").write_text("Before\n<!-- results: rich -->\nold\n<!-- end of results -->\nafter\n")
    template = 'It is {{ table("rich").mean("low", "CL3", "1-2") }}, {{ 0.123 | percent(1) }} %.\n'
    (tmp_path / "docs" / "findings.md.j2").write_text(template)
    found = documents([rich_report], tmp_path / "reports", records=tmp_path)
    assert found[tmp_path / "docs" / "findings.md"] == b"It is 20.50 \xc2\xb1 0.50, 12.3 %.\n"
    readme = found[tmp_path / "README.md"].decode()
    assert readme.startswith("Before\n<!-- results: rich -->\n\n|  | CL1 | CL3 | reported |")
    assert "| 20.40 ± 0.24 (5) ▼ | 90.00 ± 0.20† |" in readme
    assert readme.endswith("<!-- end of results -->\nafter\n")


def test_without_marks_and_template_there_is_nothing_to_render(rich_report: Report, tmp_path: Path) -> None:
    (tmp_path / "README.md").write_text("No results here.")
    assert documents([rich_report], tmp_path / "reports", records=tmp_path) == {}


@pytest.mark.parametrize(
    ("template", "words"),
    [
        ('{{ table("rich").mean("low", "CL3", "1-9") }}', r"row 'low' \(CL3\) of table 'rich' with seed 6"),
        ('{{ table("rich").mean("other", "CL3", "1") }}', "row 'other'"),
        ('{{ table("poor") }}', "asks for table 'poor', which has no record"),
        ("{{ tabel }}", "no sound template: 'tabel' is undefined"),
        ("{{ 1 +", "no sound template"),
        ('{{ "".__class__.__mro__ }}', "no sound template"),
    ],
)
def test_what_cannot_be_rendered_is_a_sentence(rich_report: Report, template: str, words: str) -> None:
    with pytest.raises(UserError, match=words):
        rendered(template, {"rich": rich_report})
