"""Documents whose numbers are rendered from records."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from hnet_bench.interfaces import UserError
from hnet_bench.reporting.cells import Report, ReportCell
from hnet_bench.reporting.documents import Numbers, documents, rendered, with_results

# Final accuracies of `low` are 0.20, 0.21, 0.20, 0.21, 0.20; of `good` 0.70, 0.71, 0.69, 0.70, 0.70.


def test_numbers_are_those_of_the_seeds_that_are_asked_for(rich_report: Report) -> None:
    numbers = Numbers(rich_report)
    assert numbers.mean("low", "CL3", "1-2") == "20.50 ± 0.50"
    assert numbers.mean("low", "CL3", "4") == "21.00"
    assert numbers.mean("low", "CL3", "1", during=True) == "55.25"  # 0.9 right after the first, 0.205 after the second
    assert numbers.scores("low", "CL3", "2,1") == pytest.approx([0.21, 0.20])
    assert numbers.experiences("low", "CL3", "1-2") == [pytest.approx([0.195, 0.205]), pytest.approx([0.205, 0.215])]
    assert numbers.experiences("low", "CL3", "1-2", during=True)[0] == [0.9, 0.9]


def test_a_text_can_ask_what_was_run(rich_report: Report) -> None:
    numbers = Numbers(rich_report)
    assert numbers.has("good", "CL3", "1-3")
    assert not numbers.has("good", "CL3", "1-3,99")
    assert not numbers.has("nobody", "CL3", "1")


def test_gains_are_paired_by_seed_and_have_a_sign(rich_report: Report) -> None:
    # 50, 50 and 49 points: the mean of the pairs has a third of a point of error, each mean more.
    assert Numbers(rich_report).gain("good", "low", "CL3", "1-3") == "+49.67 ± 0.33"
    assert Numbers(rich_report).gain("low", "good", "CL3", "1-3") == "-49.67 ± 0.33"


def test_numbers_beside_the_authors_code(code_report: Report) -> None:
    numbers = Numbers(code_report)
    assert numbers.authors_code("good", "CL3") == "70.50 ± 0.29 (3)"
    # 70.00 from five seeds with a variance of 0.5 points squared, the code from three with 0.25: 0.1 with t(4) = 2.1318
    # and 0.08333 with t(2) = 2.9200 are 2.4901 in the mean, times 0.42817, the root of their sum.
    assert numbers.beside_code("good", "CL3", "1-5") == "-0.50, 90 % interval -1.57 to +0.57: reproduced"
    # Beside 70.00 ± 0.20 over 20 seeds, three of the code may not reproduce anything.
    assert numbers.code_beside_reported("good", "CL3") == "+0.50, 90 % interval -0.39 to +1.39: inconclusive"
    assert numbers.authors_code("low", "CL3") == "21.00 (1)"


def test_numbers_beside_the_authors_code_where_the_table_has_looks(code_report: Report) -> None:
    def with_looks(cell: ReportCell) -> ReportCell:
        reported = cell.reported and replace(cell.reported, looks=(3, 5))
        return replace(cell, cell=replace(cell.cell, reported=reported))

    numbers = Numbers(replace(code_report, cells=tuple(map(with_looks, code_report.cells))))
    # Two fifths of 5 % are spent by the second look: t(4) = 2.9985 and t(2) = 4.8487 in the place of those above.
    assert numbers.beside_code("good", "CL3", "1-5") == "-0.50, 96 % interval -2.14 to +1.14: reproduced"
    assert numbers.code_beside_reported("good", "CL3") == "+0.50, 90 % interval -0.39 to +1.39: inconclusive"
    with pytest.raises(UserError, match="a verdict in table 'rich' on too few seeds"):
        numbers.beside_code("good", "CL3", "1-4")  # which is no look


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
    # What is counted below the table and is not in it has its name there.
    assert "not run (1). Rows without a run are not shown: elsewhere & 100 % of" in readme
    assert "| elsewhere" not in readme
    assert readme.endswith("<!-- end of results -->\nafter\n")


@pytest.mark.parametrize(("here", "folder"), [(".", "reports"), ("reports", "."), ("reports/sub", "..")])
def test_what_is_written_beside_a_folder_is_what_was_read_there(
    here: str, folder: str, rich_report: Report, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "reports" / "sub").mkdir(parents=True)
    (tmp_path / "README.md").write_text("<!-- results: rich -->\n<!-- end of results -->\n")
    monkeypatch.chdir(tmp_path / here)
    ((path, content),) = documents([rich_report], Path(folder), records=tmp_path).items()
    assert path.resolve() == tmp_path / "README.md"
    assert b"](reports/rich.md" in content


def test_documents_stand_beside_a_link_and_not_beside_what_it_leads_to(rich_report: Report, tmp_path: Path) -> None:
    for project in ("one", "other"):
        (tmp_path / project).mkdir()
        (tmp_path / project / "README.md").write_text("<!-- results: rich -->\n<!-- end of results -->\n")
    (tmp_path / "other" / "out").mkdir()
    (tmp_path / "one" / "reports").symlink_to(tmp_path / "other" / "out")
    (path,) = documents([rich_report], tmp_path / "one" / "reports", records=tmp_path)
    assert path == tmp_path / "one" / "README.md"


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


@pytest.mark.parametrize(
    ("template", "words"),
    [
        ('{{ table("rich").authors_code("high", "CL3") }}', r"the authors' code of row 'high' \(CL3\) .* nobody ran"),
        ('{{ table("rich").beside_code("none", "CL3", "1") }}', "row 'none'"),
        ('{{ table("rich").beside_code("low", "CL3", "1-5") }}', "a verdict in table 'rich' on too few seeds"),
        ('{{ table("rich").beside_code("upper", "CL3", "1-3") }}', r"row 'upper' \(CL3\), which has no margin"),
    ],
)
def test_what_nobody_ran_is_a_sentence(code_report: Report, template: str, words: str) -> None:
    with pytest.raises(UserError, match=words):
        rendered(template, {"rich": code_report})


def test_a_readme_has_the_authors_code_where_somebody_ran_it(code_report: Report) -> None:
    text = with_results("<!-- results: rich -->\n<!-- end of results -->", {"rich": code_report}, folder="reports")
    assert "|  | CL1 | CL3 | reported | authors' code |" in text
    assert "| 70.00 ± 0.20 | 70.50 ± 0.29 (3) ✓ |" in text
    assert "| 90.00 ± 0.20† | 21.00 (1) |" in text
    assert text.count("Authors' code: runs of the public code") == 1
