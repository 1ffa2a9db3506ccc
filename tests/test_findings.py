"""Every measured number in docs/findings.md is what the committed records say."""

import json
import re
import statistics
from pathlib import Path

import pytest

from hnet_bench.interfaces import Scenario
from hnet_bench.metrics import average_accuracy, during_accuracy, summarise
from hnet_bench.papers.table import load_table
from hnet_bench.reporting.text import percent
from hnet_bench.runs.spec import cell_spec, resolve_cell
from hnet_bench.runs.store import Store

ROOT = Path(__file__).parent.parent
PAGE = (ROOT / "docs" / "findings.md").read_text()
ABLATION = load_table("split_hnet_ent_ablation")
TABLE_1 = load_table("von_oswald_2020_table_1")
TABLE_2019 = load_table("van_de_ven_2019_split_mnist")
TABLE_2022 = load_table("van_de_ven_2022_split_mnist")
EWC_STRENGTH = load_table("van_de_ven_2019_ewc_strength")
DISTILLATION = load_table("van_de_ven_2019_distillation_ablation")
REGRESSION = load_table("von_oswald_2020_figure_2")
EWC_ON_REGRESSION = load_table("regression_ewc_strength")
MANY_TASKS = load_table("von_oswald_2020_figure_3a_reduced")
COMPRESSION = load_table("von_oswald_2020_figure_3b_reduced")
EMBEDDINGS = load_table("von_oswald_2020_figure_4")
CIFAR = load_table("von_oswald_2020_figure_5_reduced")


def records_of(row, scenario=Scenario.CLASS, table=ABLATION):
    (cell,) = [cell for cell in table.cells if cell.row == row and cell.scenario is scenario]
    return {record.spec["seed"]: record for record in Store(ROOT / "results").records(resolve_cell(cell, seed=0))}


def accuracies(row, seeds, scenario=Scenario.CLASS, table=ABLATION):
    return [average_accuracy(records_of(row, scenario, table)[seed].score) for seed in seeds]


def with_sem(values):
    summary = summarise(values)
    return f"{percent(summary.mean)} ± {percent(summary.sem)}"


THREE, FIVE, SIX, SEVEN, NINE, TEN = (range(1, count + 1) for count in (3, 5, 6, 7, 9, 10))


def said():
    """Every bold number of the page, in the order in which this computes them."""
    yield with_sem(accuracies("as_published", TEN))
    yield with_sem(accuracies("no_lookahead", TEN))
    yield with_sem(accuracies("naive_entropy", FIVE))
    yield with_sem(accuracies("fewer_iterations", FIVE))
    for seeds in (TEN, FIVE):
        yield gain("no_lookahead", "as_published", seeds, Scenario.CLASS, ABLATION)
    without = accuracies("no_lookahead", TEN)
    yield f"{100 * min(without):.1f}"
    yield f"{100 * max(without):.1f}"
    yield str(sum(record.diagnostics["nan_entropies"] for record in records_of("naive_entropy").values()))
    yield with_sem(accuracies("as_published", FIVE, Scenario.TASK))
    for task in (4, 0):
        finals = [records_of("as_published")[seed].score[-1][task] for seed in TEN]
        yield f"{100 * sum(finals) / len(finals):.0f}"
    yield with_sem(durings("as_published", TEN, ABLATION, Scenario.CLASS))
    yield with_sem(durings("split_hnet_ent", TEN, TABLE_1, Scenario.DOMAIN))
    replay = records_of("split_hnet_r", table=TABLE_1)
    yield with_sem(accuracies("split_hnet_r", SIX, table=TABLE_1))
    yield f"{100 * average_accuracy(replay[2].score):.2f}"
    others = [average_accuracy(replay[seed].score) for seed in SIX if seed != 2]
    yield f"{100 * min(others):.2f}"
    yield f"{100 * max(others):.2f}"
    yield f"{100 * min(replay[seed].score[task][task] for seed in SIX for task in range(5)):.1f}"
    yield f"{100 * sum(replay[seed].score[-1][2] for seed in SIX) / 6:.0f}"
    for row, scenario, seeds in (
        ("split_hnet_r", Scenario.TASK, FIVE),
        ("split_hnet_tir", Scenario.DOMAIN, THREE),
        ("split_hnet_tir", Scenario.CLASS, THREE),
        ("split_hnet_r", Scenario.DOMAIN, SEVEN),
    ):
        yield with_sem(accuracies(row, seeds, scenario, TABLE_1))
    for row in ("permuted_online_ewc", "permuted_si", "permuted_hnet_ent"):
        for scenario in (Scenario.TASK, Scenario.DOMAIN, Scenario.CLASS):
            yield percent(accuracies(row, [1], scenario, TABLE_1)[0])
    yield from said_of_baselines()
    yield from said_of_figures()


def said_of_baselines():
    """The numbers on distillation, and those of the 2019 protocol on seeds 1-3."""
    for row, scenario in (
        ("lwf", Scenario.CLASS),
        ("dgr_distill", Scenario.CLASS),
        ("icarl", Scenario.CLASS),
        ("lwf", Scenario.DOMAIN),
        ("lwf", Scenario.TASK),
    ):
        for reduction in ("sum", "mean"):
            yield with_sem(accuracies(f"{row}_{reduction}", THREE, scenario, DISTILLATION))
    for row, seeds in (("ewc", THREE), ("ewc", FIVE), ("none", FIVE)):
        yield with_sem(accuracies(row, seeds, Scenario.DOMAIN, TABLE_2019))
    all_none = accuracies("none", NINE, Scenario.DOMAIN, TABLE_2019)
    yield from (with_sem(all_none), f"{100 * min(all_none):.1f}", f"{100 * max(all_none):.1f}")
    held = [accuracies(row, TEN, Scenario.DOMAIN, TABLE_2019) for row in ("online_ewc", "si")]
    yield from map(with_sem, held)
    yield from (f"{100 * min(map(min, held)):.1f}", f"{100 * max(map(max, held)):.1f}")
    for row, seeds in (("ewc", FIVE), ("online_ewc", NINE), ("si", NINE)):
        yield gain(row, "none", seeds, Scenario.DOMAIN, TABLE_2019)
    yield with_sem(accuracies("none", FIVE, Scenario.DOMAIN, TABLE_2022))
    for row in ("ewc", "si", "lwf"):
        yield gain(row, "none", FIVE, Scenario.DOMAIN, TABLE_2022)
    for seed in (2, 3, 4):
        yield percent(accuracies("agem", [seed], Scenario.CLASS, TABLE_2022)[0])
    for row in ("ewc", "online_ewc", "si", "xdg"):
        yield percent(accuracies(row, [3], Scenario.TASK, TABLE_2019)[0])
    first, *others = accuracies("ewc", FIVE, Scenario.CLASS, TABLE_2019)
    yield from map(percent, (first, min(others), max(others)))
    for row in ("strength_5000", "none"):
        yield with_sem(accuracies(row, THREE, Scenario.TASK, EWC_STRENGTH))
    yield gain("strength_5000", "none", THREE, Scenario.DOMAIN, EWC_STRENGTH)


def said_of_figures():
    """The numbers on regression, compression, embeddings of two components and CIFAR."""
    for row in ("hnet", "from_scratch", "fine_tuning", "multi_task", "multi_task_fast", "ewc"):
        summary = summarise(accuracies(row, TEN, Scenario.TASK, REGRESSION))
        yield f"{summary.mean:.3g} ± {summary.sem:.2g}"
    yield f"{max(accuracies('hnet', TEN, Scenario.TASK, REGRESSION)):.3f}"
    for row in ("strength_100", "strength_10000"):
        summary = summarise(accuracies(row, FIVE, Scenario.TASK, EWC_ON_REGRESSION))
        yield f"{summary.mean:.3g} ± {summary.sem:.2g}"
    yield with_sem(accuracies("hnet_two_components", THREE, Scenario.TASK, EMBEDDINGS))
    for row in ("ratio_2_00", "ratio_0_95", "ratio_0_50", "ratio_0_20", "ratio_0_10", "ratio_0_05"):
        yield with_sem(durings(row, THREE, COMPRESSION))
        yield with_sem(accuracies(row, THREE, Scenario.TASK, COMPRESSION))
    hnet = [THREE, Scenario.TASK, CIFAR]
    yield with_sem(durings("hnet", THREE, CIFAR))
    for row in ("hnet", "from_scratch", "fine_tuned"):
        yield with_sem(accuracies(row, *hnet))
    yield gain("hnet", "from_scratch", *hnet)
    for row in ("hnet", "online_ewc", "si", "dgr_distill", "fine_tuning"):
        yield with_sem(durings(row, THREE, MANY_TASKS))
        yield with_sem(accuracies(row, THREE, Scenario.TASK, MANY_TASKS))


def gain(row, other, seeds, scenario, table):
    """How much more accurate a row is than another with the same seeds, in points."""
    pairs = zip(accuracies(row, seeds, scenario, table), accuracies(other, seeds, scenario, table), strict=True)
    return "+" + with_sem([one - two for one, two in pairs])


def durings(row, seeds, table, scenario=Scenario.TASK):
    return [during_accuracy(records_of(row, scenario, table)[seed].score) for seed in seeds]


def test_bold_numbers_are_those_of_the_records():
    bold = re.findall(r"\*\*([+\d][^*]*)\*\*", " ".join(PAGE.split()))  # a number may go over the end of a line
    assert bold == list(said())


@pytest.mark.parametrize("seed", FIVE)
def test_nan_entropies_changed_no_score(seed):
    assert records_of("naive_entropy")[seed].score == records_of("as_published")[seed].score


def test_every_committed_record_is_sound_and_where_it_belongs():
    store = Store(ROOT / "results")
    files = list((ROOT / "results").rglob("*.json"))
    assert files
    for path in files:
        record = store.read(path)
        spec = record.spec
        assert path.parts[-4:-1] == (spec["benchmark"]["name"], spec["scenario"], spec["strategy"]["name"])
        assert record.provenance["dirty"] is False
        assert json.dumps(record.to_json())


WHOLE_RUNS = (ROOT / "docs" / "performance.md").read_text().partition("## Whole runs")[2]


def seconds_of(row, scenario):
    return [record.seconds["total"] for record in records_of(row, scenario, TABLE_1).values()]


@pytest.mark.parametrize(
    ("label", "row", "scenario"),
    [
        ("HNET, CL1", "split_hnet_ent", Scenario.TASK),
        ("HNET+ENT, CL3", "split_hnet_ent", Scenario.CLASS),
        ("HNET+TIR, CL3", "split_hnet_tir", Scenario.CLASS),
        ("HNET+R, CL3", "split_hnet_r", Scenario.CLASS),
    ],
)
def test_quickest_runs_are_those_of_the_records(label, row, scenario):
    quickest = min(seconds_of(row, scenario))
    ((theirs, ours, ratio),) = re.findall(rf"\| {re.escape(label)} \| (\d+) s \| (\d+) s \| ([\d.]+) \|", WHOLE_RUNS)
    assert (int(ours), float(ratio)) == (round(quickest), round(int(theirs) / quickest, 1))


@pytest.mark.parametrize(
    ("label", "table", "rows"),
    [
        ("Table 1 of von Oswald et al. 2020, split MNIST", TABLE_1, "split_"),
        ("van de Ven & Tolias 2019, split MNIST", TABLE_2019, ""),
        ("van de Ven et al. 2022, split MNIST, the strategies that are here", TABLE_2022, ""),
    ],
)
def test_hours_of_tables_are_those_of_the_records(label, table, rows):
    specs = [cell_spec(cell) for cell in table.cells if cell.row.startswith(rows)]
    store, seconds = Store(ROOT / "results"), {}
    for spec in filter(None, specs):
        seconds[spec.key] = statistics.mean(record.seconds["total"] for record in store.records(spec))
    expected = f"| {label} | {20 * len(seconds)} | {20 * sum(seconds.values()) / 3600:.1f} |"
    assert expected in WHOLE_RUNS.splitlines()


@pytest.mark.parametrize(
    ("label", "row", "theirs"),
    [
        ("HNET+ENT", "split_hnet_ent", 372),
        ("HNET+TIR", "split_hnet_tir", 727),
        ("HNET+R", "split_hnet_r", 499),
        ("SI", "split_si", 194),
        ("DGR+distill", "split_dgr_distill", 582),
    ],
)
def test_hours_of_cells_are_those_of_the_records(label, row, theirs):
    ours = statistics.mean(seconds_of(row, Scenario.CLASS))
    assert f"| {label} | {20 * theirs / 3600:.1f} | {20 * ours / 3600:.1f} |" in WHOLE_RUNS.splitlines()
