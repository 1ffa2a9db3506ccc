"""The tables that ship with the package: every one loads, and holds the numbers of its paper."""

from itertools import pairwise

import pytest

from hnet_bench.interfaces import Scenario
from hnet_bench.papers.cell import Cell
from hnet_bench.papers.seeds import parse_seeds
from hnet_bench.papers.table import Table, load_table, table_names
from hnet_bench.runs.spec import cell_spec, resolve, resolve_cell

TABLE_1 = load_table("von_oswald_2020_table_1")
MANY_TASKS = [f"von_oswald_2020_{name}" for name in ("figure_3a", "ewc_strength", "permuted_250")]
METHODS = ("online_ewc", "si", "dgr_distill", "hnet_ent", "hnet_tir", "hnet_r")


def cell_of(table: Table, row: str, scenario: str) -> Cell:
    return next(cell for cell in table.cells if (cell.row, cell.scenario.label) == (row, scenario))


@pytest.mark.parametrize("name", table_names())
def test_every_cell_resolves_and_has_a_sound_protocol_even_without_its_strategy(name: str) -> None:
    table = load_table(name)
    assert any(cell_spec(cell) for cell in table.cells)
    assert table.title
    assert table.note.strip()
    for cell in table.cells:
        benchmark, rest = {"name": "synthetic"}, {"scenario": cell.scenario, "protocol": cell.protocol}
        resolve(benchmark=benchmark, strategy="finetune", hyperparameters={}, seed=1, where=cell.where, **rest)


@pytest.mark.parametrize("name", table_names())
def test_margins_follow_from_the_papers_own_spread_and_from_nothing_that_was_measured(name: str) -> None:
    for cell in load_table(name).cells:
        if cell.reported is not None and cell.reported.spread is None:
            # Of a single run, or of a spread of unknown kind, nobody can say what would count as the same.
            assert cell.reported.margin is None
            assert cell.reported.n == 1 or "little confidence" in cell.reported.note
        elif cell.reported is not None:
            assert cell.reported.spread_kind == "sem"
            sem = cell.reported.spread
            expected = 0.005 if sem <= 0.0005 else 0.01 if sem <= 0.0025 else 0.03 if sem <= 0.01 else 0.05
            assert cell.reported.margin == expected, cell.where


@pytest.mark.parametrize("name", table_names())
def test_bounds_do_not_compete(name: str) -> None:
    for cell in load_table(name).cells:
        bound = cell.strategy in ("finetune", "joint", "multi_task") or (
            # A hypernetwork that is not held to what it generated, or a new one for every task.
            cell.strategy in ("hnet_full", "hnet_conv", "hnet_ent")
            and cell.hyperparameters.get("regularisation_strength") == 0
        )
        assert cell.reference == bound, cell.where


def test_the_quick_table_comes_first_and_is_short() -> None:
    assert table_names()[0] == "quick"
    assert [name for name in table_names() if load_table(name).trial] == ["quick"]
    assert load_table("quick").rows == ("finetune", "joint", "hnet_ent")


@pytest.mark.parametrize(
    ("seeds", "names"),
    [
        ("1", ["quick"]),
        ("1-20", ["von_oswald_2020_table_1", "van_de_ven_2019_split_mnist", "van_de_ven_2019_permuted_mnist"]),
        ("2-21", ["van_de_ven_2022_split_mnist"]),  # its strengths were tuned on seed 1
        ("1-5", MANY_TASKS),
    ],
)
def test_seeds_are_those_of_the_papers(seeds: str, names: list[str]) -> None:
    assert {load_table(name).seeds for name in names} == {parse_seeds(seeds)}


def test_seed_1_by_which_van_de_ven_tuned_is_barred_in_2022() -> None:
    assert {cell.tuned_on for cell in load_table("van_de_ven_2022_split_mnist").cells} == {(1,)}


def test_where_a_paper_gives_no_number_nothing_is_reported() -> None:
    without = ["quick", *MANY_TASKS, *(f"von_oswald_2020_figure_{name}" for name in ("3a_reduced", "3b", "3b_reduced"))]
    assert [cell.where for name in without for cell in load_table(name).cells if cell.reported] == []
    for name in MANY_TASKS:
        assert "no number" in load_table(name).note.lower()


def test_reduced_tables_say_so_and_no_others() -> None:
    saying = {name for name in table_names() if load_table(name).reduced}
    named = {name for name in table_names() if name.endswith("_reduced")}
    assert saying == named | {"split_mnist_tuned", "von_oswald_2020_figure_5_baselines"}


def test_table_1_has_twelve_rows_of_twenty_seeds() -> None:
    assert TABLE_1.rows == tuple(f"{stream}_{method}" for stream in ("split", "permuted") for method in METHODS)
    for cell in TABLE_1.cells:
        assert cell.reported is not None
        assert (cell.reported.spread_kind, cell.reported.n) == ("sem", 20)


@pytest.mark.parametrize("beginning", [("von_oswald_2020_table_1", "split_hnet_"), ("van_de_ven_2019_",)])
def test_a_number_of_a_paper_is_known_in_the_same_way_in_all_tables(beginning: tuple[str, ...]) -> None:
    ways: dict[tuple[object, ...], set[str]] = {}
    for name in table_names():
        for cell in load_table(name).cells if name.startswith(beginning) else ():
            if cell.reported is not None:
                number = (cell.benchmark["name"], cell.scenario, cell.reported.mean, cell.reported.spread)
                ways.setdefault(number, set()).add(cell.reported.known)
    assert {number: known for number, known in ways.items() if len(known) > 1} == {}


def test_no_number_of_a_hypernetwork_row_counts_as_verified() -> None:  # nobody could read that table
    verified = [
        cell.where
        for cell in TABLE_1.cells
        if "hnet" in cell.row and cell.reported is not None and cell.reported.known == "verified"
    ]
    assert verified == []


@pytest.mark.parametrize("stream", ["split", "permuted"])
def test_the_same_cells_of_both_papers_share_numbers(stream: str) -> None:
    van_de_ven = load_table(f"van_de_ven_2019_{stream}_mnist")
    for method in ("online_ewc", "si", "dgr_distill"):
        for scenario in Scenario:
            one = cell_of(TABLE_1, f"{stream}_{method}", scenario.label)
            other = cell_of(van_de_ven, method, scenario.label)
            assert one.reported is not None
            assert other.reported is not None
            assert (one.reported.mean, one.reported.spread) == (other.reported.mean, other.reported.spread)
            assert one.reported.known == other.reported.known


FIGURE_2 = load_table("von_oswald_2020_figure_2")


def test_figure_2_reports_the_means_of_the_authors_three_numbers() -> None:
    assert (FIGURE_2.unit, FIGURE_2.better) == ("mse", "lower")
    authors = {
        "hnet": (0.004187723621726036, 0.002387890825048089, 0.006071540527045727),
        "fine_tuning": (4.53, 5.12, 0.00118),
        "from_scratch": (0.000852, 0.000987, 0.001294),
        "multi_task": (0.000825, 0.001121, 0.001513),
        "multi_task_fast": (0.000825, 0.001121, 0.001513),
    }
    for cell in FIGURE_2.cells:
        if cell.row == "ewc":
            assert cell.reported is None
            continue
        assert cell.reported is not None
        assert cell.reported.known == "verified"
        assert cell.reported.mean == pytest.approx(sum(authors[cell.row]) / 3, rel=5e-4)


def hypernetwork_size(cell: Cell, target: int) -> tuple[int, int, int]:
    """Chunks, weights, and all trained parameters of the classifier's hypernetwork."""
    sizes = {**cell.hyperparameters}
    widths = [sizes["task_embedding_size"] + sizes["chunk_embedding_size"], *sizes["hidden_units"], sizes["chunk_size"]]
    weights = sum((fan_in + 1) * fan_out for fan_in, fan_out in pairwise(widths))
    chunks = -(-target // sizes["chunk_size"])
    embeddings = chunks * sizes["chunk_embedding_size"] + cell.benchmark["experiences"] * sizes["task_embedding_size"]
    return chunks, weights, weights + embeddings


def target_size(hidden: int, outputs: int) -> int:
    return 1025 * hidden + (hidden + 1) * hidden + (hidden + 1) * outputs


def test_figure_3b_goes_from_twice_to_a_twentieth_of_the_target_network() -> None:
    ratios = []
    for cell in load_table("von_oswald_2020_figure_3b").cells:
        target = target_size(1000, 100)
        ratios.append(hypernetwork_size(cell, target)[2] / target)
        assert cell.label == f"ratio {ratios[-1]:.2f}"
    assert len(ratios) >= 6
    assert ratios == sorted(ratios, reverse=True)
    assert [round(ratios[index], 2) for index in (0, -1)] == [1.99, 0.05]


FIGURE_3A = load_table("von_oswald_2020_figure_3a")


@pytest.mark.parametrize(
    ("table", "row", "scenario", "target", "expected"),
    [
        ("figure_3a", "hnet", "CL1", (1000, 1000), (404, 2_798_800, 2_816_448)),
        ("figure_3a", "hnet_tir", "CL3", (1000, 1000), (404, 2_798_800, 2_816_448)),
        ("figure_3a", "hnet_tir", "CL2", (1000, 10), (272, 2_798_800, 2_814_864)),
        ("permuted_250", "hnet", "CL1", (1000, 2500), (378, 4_378_300, 4_414_836)),
        ("small_network", "hnet", "CL1", (100, 100), (62, 121_075, 122_459)),
    ],
)
def test_hypernetworks_have_the_sizes_of_the_authors_code(
    table: str, row: str, scenario: str, target: tuple[int, int], expected: tuple[int, int, int]
) -> None:
    cell = cell_of(load_table(f"von_oswald_2020_{table}"), row, scenario)
    assert hypernetwork_size(cell, target_size(*target)) == expected


def test_the_reduced_figure_3a_keeps_the_compression_ratio() -> None:
    reduced = load_table("von_oswald_2020_figure_3a_reduced")
    full = cell_of(FIGURE_3A, "hnet", "CL1")
    ratio = hypernetwork_size(full, target_size(1000, 1000))[2] / target_size(1000, 1000)
    small = hypernetwork_size(cell_of(reduced, "hnet", "CL1"), target_size(100, 1000))[2]
    assert (small, target_size(100, 1000)) == (199_485, 213_600)
    assert small / 213_600 == pytest.approx(ratio, abs=0.005)


def test_old_tasks_are_drawn_where_the_authors_code_draws_them() -> None:
    drawn = {
        (cell.table, cell.row, cell.scenario.label): cell.hyperparameters.get("regularised_tasks")
        for name in MANY_TASKS
        for cell in load_table(name).cells
        if cell.strategy.startswith("hnet")
    }
    prefix = "von_oswald_2020"
    assert drawn == {
        (f"{prefix}_figure_3a", "hnet", "CL1"): None,
        (f"{prefix}_figure_3a", "hnet_tir", "CL2"): 20,
        (f"{prefix}_figure_3a", "hnet_tir", "CL3"): None,
        (f"{prefix}_permuted_250", "hnet", "CL1"): 32,
    }


FIGURE_5 = load_table("von_oswald_2020_figure_5")


def test_figure_5_has_the_schedule_of_the_authors_code() -> None:
    """Epoch e of 200 has the factor of the first bound that it does not exceed; a new factor counts from the second
    step of an epoch on."""

    def factor(epoch: int) -> float:
        return 1 if epoch <= 80 else 0.1 if epoch <= 120 else 0.01 if epoch <= 160 else 1e-3 if epoch <= 180 else 5e-4

    protocol = resolve_cell(cell_of(FIGURE_5, "hnet", "CL1")).protocol
    for experience, samples in ((0, 50_000), (1, 5_000), (5, 5_000)):
        epoch = -(-samples // 32)
        steps = protocol.steps(experience)
        assert steps == 200 * epoch
        for step in (0, 1, epoch, *(bound * epoch + more for bound in (80, 120, 160, 180) for more in (-1, 0, 1, 2))):
            expected = 1e-3 * factor(-(-step // epoch))
            assert protocol.learning_rate_at(step, steps) == pytest.approx(expected), step


def test_the_authors_code_was_run_for_three_cells_of_table_1() -> None:
    cells = {f"{cell.row}/{cell.scenario.label}": cell for cell in load_table("von_oswald_2020_table_1").cells}
    found = {key: summary for key, cell in cells.items() if (summary := cell.by_authors_code)}
    assert {key: (round(100 * one.mean, 2), one.n) for key, one in found.items()} == {
        "split_hnet_ent/CL2": (85.75, 1),
        "split_hnet_ent/CL3": (63.41, 4),
        "split_hnet_r/CL3": (94.88, 2),
    }
    assert found["split_hnet_ent/CL3"].sem == pytest.approx(0.0146, abs=5e-5)
