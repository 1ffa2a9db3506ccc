"""The tables that ship with the package: every one loads, and holds the numbers of its paper."""

from itertools import pairwise

import pytest

from hnet_bench.interfaces import Scenario
from hnet_bench.papers.cell import Cell
from hnet_bench.papers.table import Table, load_table, table_names
from hnet_bench.runs.spec import RunSpec, cell_spec, resolve, resolve_cell

TABLE_1 = load_table("von_oswald_2020_table_1")
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
    quick = load_table("quick")
    assert quick.seeds == (1,)
    assert [name for name in table_names() if load_table(name).trial] == ["quick"]
    assert quick.rows == ("finetune", "joint", "hnet_ent")
    assert {cell.protocol["iterations"] for cell in quick.cells} == {400}
    assert all(cell.reported is None for cell in quick.cells)


def test_table_1_has_twelve_rows_in_three_scenarios_and_twenty_seeds() -> None:
    assert TABLE_1.rows == tuple(f"{stream}_{method}" for stream in ("split", "permuted") for method in METHODS)
    assert len(TABLE_1.cells) == 36
    assert TABLE_1.seeds == tuple(range(1, 21))
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


def test_in_cl1_entropy_and_task_inference_rows_are_the_same_runs() -> None:
    for stream in ("split", "permuted"):
        ent, tir = (cell_of(TABLE_1, f"{stream}_{method}", "CL1") for method in ("hnet_ent", "hnet_tir"))
        assert ent.strategy == tir.strategy == "hnet"
        assert ent.hyperparameters == tir.hyperparameters


def test_hypernetwork_rows_keep_the_stream_fixed_and_the_others_draw_it_with_the_seed() -> None:
    for cell in TABLE_1.cells:
        drawn = "fixed" if "hnet" in cell.row else "per_seed"
        key = "class_order" if cell.row.startswith("split") else "permutations"
        assert cell.benchmark[key] == drawn


@pytest.mark.parametrize("stream", ["split", "permuted"])
def test_the_same_cells_of_both_papers_share_settings_and_numbers(stream: str) -> None:
    van_de_ven = load_table(f"van_de_ven_2019_{stream}_mnist")
    for method in ("online_ewc", "si", "dgr_distill"):
        for scenario in Scenario:
            one = cell_of(TABLE_1, f"{stream}_{method}", scenario.label)
            other = cell_of(van_de_ven, method, scenario.label)
            assert (one.benchmark, one.protocol) == (other.benchmark, other.protocol)
            assert (one.strategy, one.hyperparameters) == (other.strategy, other.hyperparameters)
            assert one.reported is not None
            assert other.reported is not None
            assert (one.reported.mean, one.reported.spread) == (other.reported.mean, other.reported.spread)
            assert one.reported.known == other.reported.known


def test_the_tables_of_2019_have_the_same_rows() -> None:
    split, permuted = (load_table(f"van_de_ven_2019_{stream}_mnist") for stream in ("split", "permuted"))
    assert [(cell.row, cell.scenario) for cell in split.cells] == [(cell.row, cell.scenario) for cell in permuted.cells]
    assert len(split.cells) == 26
    assert split.seeds == permuted.seeds == tuple(range(1, 21))


def test_the_table_of_2022_differs_from_that_of_2019_in_its_protocol_and_seeds() -> None:
    old, new = load_table("van_de_ven_2019_split_mnist"), load_table("van_de_ven_2022_split_mnist")
    assert new.seeds == tuple(range(2, 22))
    assert {cell.tuned_on for cell in new.cells} == {(1,)}
    before = cell_of(old, "none", "CL1")
    of_their_own = {"separate_networks": [100, 100], "generative_classifier": [85, 85]}
    for cell in new.cells:
        expected = {**before.protocol, "active_classes": "all"}
        if cell.row in of_their_own:
            expected["hidden_units"] = of_their_own[cell.row]
        assert (cell.benchmark, cell.protocol) == (before.benchmark, expected)
    assert cell_of(old, "offline", "CL3").hyperparameters == {"incremental": True}
    assert cell_of(new, "joint", "CL3").hyperparameters == {"incremental": False}


def test_each_row_of_the_ablation_changes_one_setting_of_table_1() -> None:
    ablation = load_table("split_hnet_ent_ablation")
    published = resolve_cell(cell_of(TABLE_1, "split_hnet_ent", "CL3"), seed=1)
    specs = {row: resolve_cell(cell_of(ablation, row, "CL3"), seed=1) for row in ablation.rows}
    assert specs.pop("as_published").run_id == published.run_id
    before = flat(published)
    for row, spec in specs.items():
        assert len([key for key, value in flat(spec).items() if before[key] != value]) == 1, row


def flat(spec: RunSpec) -> dict[tuple[str, str], object]:
    parts = {"benchmark": spec.benchmark_settings, "protocol": vars(spec.protocol), "strategy": spec.hyperparameters}
    return {(part, key): value for part, settings in parts.items() for key, value in settings.items()}


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


def test_figure_4_differs_from_table_1_in_the_size_of_the_embeddings_alone() -> None:
    figure = load_table("von_oswald_2020_figure_4")
    published = resolve_cell(cell_of(TABLE_1, "split_hnet_ent", "CL1"))
    assert resolve_cell(cell_of(figure, "hnet", "CL1")).run_id == published.run_id
    small = resolve_cell(cell_of(figure, "hnet_two_components", "CL1"))
    shared = {key: small.hyperparameters[key] for key in published.hyperparameters}
    assert shared == {**published.hyperparameters, "task_embedding_size": 2}
    assert (small.benchmark_settings, small.protocol) == (published.benchmark_settings, published.protocol)


def test_figure_3b_goes_from_twice_to_a_twentieth_of_the_target_network() -> None:
    from math import ceil

    figure = load_table("von_oswald_2020_figure_3b")
    target = 1025 * 1000 + 1001 * 1000 + 1001 * 100
    ratios = []
    for cell in figure.cells:
        chunk = cell.hyperparameters["chunk_size"]
        hidden = (24 + 8 + 1) * 25 + 26 * 25
        ratios.append((hidden + 26 * chunk + 8 * ceil(target / chunk) + 10 * 24) / target)
        assert cell.label == f"ratio {ratios[-1]:.2f}"
    assert len(ratios) >= 6
    assert ratios == sorted(ratios, reverse=True)
    assert [round(ratios[index], 2) for index in (0, -1)] == [1.99, 0.05]
    published = resolve_cell(cell_of(TABLE_1, "permuted_hnet_ent", "CL1"))
    assert resolve_cell(cell_of(figure, "ratio_0_95", "CL1")).run_id == published.run_id


def test_the_reduced_figure_3b_says_so_and_differs_in_iterations_alone() -> None:
    full, reduced = (load_table(f"von_oswald_2020_figure_3b{suffix}") for suffix in ("", "_reduced"))
    assert (full.reduced, bool(reduced.reduced)) == ("", True)
    for cell, other in zip(full.cells, reduced.cells, strict=True):
        assert other.protocol == {**cell.protocol, "iterations": 500}
        assert (other.row, other.hyperparameters) == (cell.row, cell.hyperparameters)
    for table in (full, reduced):
        assert all(cell.reported is None for cell in table.cells)


FIGURE_3A = load_table("von_oswald_2020_figure_3a")
MANY = [load_table(f"von_oswald_2020_{name}") for name in ("figure_3a", "ewc_strength", "permuted_250")]


def test_of_many_tasks_nothing_is_reported_and_the_diagonal_is_evaluated() -> None:
    for table in (*MANY, load_table("von_oswald_2020_figure_3a_reduced")):
        assert all(cell.reported is None for cell in table.cells)
        assert "no number" in table.note.lower() or table.reduced
        assert {cell.protocol["evaluation"] for cell in table.cells} == {"diagonal_and_final"}
    for table in MANY:
        assert table.seeds == (1, 2, 3, 4, 5)
        for cell in table.cells:
            protocol = {key: value for key, value in cell.protocol.items() if key != "evaluation"}
            assert protocol == cell_of(TABLE_1, "permuted_hnet_ent", "CL1").protocol
            drawn = "fixed" if cell.strategy.startswith("hnet") else "per_seed"
            assert cell.benchmark["permutations"] == drawn
            assert cell.benchmark["experiences"] == (250 if table.name.endswith("250") else 100)


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


@pytest.mark.parametrize(
    ("table", "row", "scenario", "outputs", "expected"),
    [
        ("figure_3a", "hnet", "CL1", 1000, (404, 2_798_800, 2_816_448)),
        ("figure_3a", "hnet_tir", "CL3", 1000, (404, 2_798_800, 2_816_448)),
        ("figure_3a", "hnet_tir", "CL2", 10, (272, 2_798_800, 2_814_864)),
        ("permuted_250", "hnet", "CL1", 2500, (378, 4_378_300, 4_414_836)),
    ],
)
def test_hypernetworks_of_many_tasks_have_the_sizes_of_the_authors_code(
    table: str, row: str, scenario: str, outputs: int, expected: tuple[int, int, int]
) -> None:
    cell = cell_of(load_table(f"von_oswald_2020_{table}"), row, scenario)
    assert hypernetwork_size(cell, target_size(1000, outputs)) == expected


def test_the_reduced_figure_3a_keeps_the_compression_ratio() -> None:
    reduced = load_table("von_oswald_2020_figure_3a_reduced")
    full = cell_of(FIGURE_3A, "hnet", "CL1")
    ratio = hypernetwork_size(full, target_size(1000, 1000))[2] / target_size(1000, 1000)
    small = hypernetwork_size(cell_of(reduced, "hnet", "CL1"), target_size(100, 1000))[2]
    assert (small, target_size(100, 1000)) == (199_485, 213_600)
    assert small / 213_600 == pytest.approx(ratio, abs=0.005)
    for row in ("online_ewc", "si", "dgr_distill"):
        assert cell_of(reduced, row, "CL1").hyperparameters == cell_of(FIGURE_3A, row, "CL1").hyperparameters


def test_old_tasks_are_drawn_where_the_authors_code_draws_them() -> None:
    drawn = {
        (cell.table, cell.row, cell.scenario.label): cell.hyperparameters.get("regularised_tasks")
        for table in MANY
        for cell in table.cells
        if cell.strategy.startswith("hnet")
    }
    prefix = "von_oswald_2020"
    assert drawn == {
        (f"{prefix}_figure_3a", "hnet", "CL1"): None,
        (f"{prefix}_figure_3a", "hnet_tir", "CL2"): 20,
        (f"{prefix}_figure_3a", "hnet_tir", "CL3"): None,
        (f"{prefix}_permuted_250", "hnet", "CL1"): 32,
    }


def test_a_strength_of_online_ewc_is_that_of_figure_3a() -> None:
    middle, other = cell_of(MANY[1], "strength_100", "CL1"), cell_of(FIGURE_3A, "online_ewc", "CL1")
    assert resolve_cell(middle).run_id == resolve_cell(other).run_id


def test_the_small_network_has_the_size_that_the_authors_code_has() -> None:
    cell = cell_of(load_table("von_oswald_2020_small_network"), "hnet", "CL1")
    sizes = cell.hyperparameters
    target = 1025 * 100 + 101 * 100 + 101 * 100
    chunks = -(-target // sizes["chunk_size"])
    hidden = (64 + 12 + 1) * 100 + 101 * 75 + 76 * 50
    assert (target, chunks, hidden + 51 * 2000) == (122_700, 62, 121_075)
    assert hidden + 51 * 2000 + 12 * chunks + 10 * 64 == 122_459


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


def test_the_reduced_figure_5_says_so_and_differs_in_the_schedule_alone() -> None:
    reduced = load_table("von_oswald_2020_figure_5_reduced")
    assert (FIGURE_5.reduced, bool(reduced.reduced)) == ("", True)
    for cell, other in zip(FIGURE_5.cells, reduced.cells, strict=True):
        schedule = {"iterations", "later_iterations", "learning_rate_steps"}
        assert {key for key, value in cell.protocol.items() if other.protocol[key] != value} == schedule
        assert (other.row, other.benchmark, other.hyperparameters) == (cell.row, cell.benchmark, cell.hyperparameters)


def test_the_authors_code_was_run_for_three_cells_of_table_1() -> None:
    cells = {f"{cell.row}/{cell.scenario.label}": cell for cell in load_table("von_oswald_2020_table_1").cells}
    found = {key: summary for key, cell in cells.items() if (summary := cell.by_authors_code)}
    assert {key: (round(100 * one.mean, 2), one.n) for key, one in found.items()} == {
        "split_hnet_ent/CL2": (85.75, 1),
        "split_hnet_ent/CL3": (62.91, 7),
        "split_hnet_r/CL3": (94.88, 2),
    }
    assert found["split_hnet_ent/CL3"].sem == pytest.approx(0.0144, abs=5e-5)
