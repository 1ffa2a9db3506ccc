"""Matched designs and looks: error rates by simulation, what verdicts rest on, what a table may declare of them."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from hnet_bench.interfaces import UserError
from hnet_bench.papers.table import Table, parse_table
from hnet_bench.reporting import markdown
from hnet_bench.reporting.cells import Report, build_report, verdict_on
from hnet_bench.reporting.statistics import (
    EXACT,
    LEVEL,
    ErrorOfMean,
    SharedDraws,
    errors_of_difference,
    half_width,
    level_at,
    seeds_to_reproduce,
)
from hnet_bench.reporting.verdict_tables import verdicts_table
from hnet_bench.runs.budget import fitting
from hnet_bench.runs.cost import BASES, Estimate
from hnet_bench.runs.plan import runs_to_do, table_state, with_repeats
from hnet_bench.runs.record import Record
from hnet_bench.runs.spec import resolve_cell
from hnet_bench.runs.store import Store

REPETITIONS = 8_000
ALLOWED = 0.05 + 3 * math.sqrt(0.05 * 0.95 / REPETITIONS)  # three standard errors of a simulated rate of 5 %
DRAWS, REPEATS, LOOKS = 20, 10, (5, 10, 20)


def outcomes(scores: Any, theirs: Any, reported: Any, *, margin: float, level: float = LEVEL) -> tuple[Any, Any]:
    """Whether measured scores (repetitions, seeds) are called reproduced, and whether off, by the interval."""
    errors = errors_of_difference(scores.var(axis=1, ddof=1), scores.shape[1], reported)
    difference, half = scores.mean(axis=1) - theirs, half_width(errors, level)
    return abs(difference) + half < margin, abs(difference) - half > margin


def matched(off: float, *, between: float, within: float, interaction: float = 0.0) -> tuple[Any, Any, Any]:
    """Scores of all draws of a paper, the mean that it reports, and the variance within draws that repeats tell.

    `interaction` is how much the difference of the two codes depends on the draw, 0 on average over the paper's draws.
    """
    random = np.random.default_rng(2)
    effects = random.normal(0, between, (REPETITIONS, DRAWS))
    theirs = (effects + random.normal(0, within, effects.shape)).mean(axis=1)
    of_ours = random.normal(0, interaction, effects.shape)
    ours = effects + off + of_ours - of_ours.mean(axis=1, keepdims=True)
    scores = ours + random.normal(0, within, ours.shape)
    again = ours[:, :REPEATS] + random.normal(0, within, (REPETITIONS, REPEATS))
    return scores, theirs, ((scores[:, :REPEATS] - again) ** 2).mean(axis=1) / 2


@pytest.mark.parametrize("seeds", [5, 10, 20])
@pytest.mark.parametrize(
    "spread",
    [
        {"between": 8.0, "within": 3.0},
        {"between": 8.0, "within": 0.5},
        {"between": 2.0, "within": 4.0},
        {"between": 0.0, "within": 3.0},
        {"between": 8.0, "within": 2.0, "interaction": 3.0},
    ],
)
def test_matched_verdicts_err_in_at_most_five_per_cent(seeds: int, spread: dict[str, float]) -> None:
    for off in (-5.0, 0.0):
        scores, theirs, within = matched(off, **spread)
        reported = SharedDraws(draws=DRAWS, common=seeds, within=within, df=REPEATS)
        reproduced, beyond = outcomes(scores[:, :seeds], theirs, reported, margin=5.0)
        assert beyond.mean() <= ALLOWED
        assert off == 0 or reproduced.mean() <= ALLOWED


def test_the_more_draws_are_repeated_the_less_it_matters_that_some_of_them_spread_more_than_others() -> None:
    random, rates = np.random.default_rng(3), []
    for repeats in (5, 10, 20):
        spread = np.sqrt(random.exponential(9.0, (REPETITIONS, DRAWS)))
        effects = random.normal(0, 8.0, spread.shape)
        theirs = (effects + spread * random.normal(size=spread.shape)).mean(axis=1)
        scores, again = (effects - 5.0 + spread * random.normal(size=spread.shape) for _ in range(2))
        within = ((scores - again)[:, :repeats] ** 2).mean(axis=1) / 2
        reported = SharedDraws(draws=DRAWS, common=DRAWS, within=within, df=repeats)
        rates.append(outcomes(scores, theirs, reported, margin=5.0)[0].mean())
    assert rates == sorted(rates, reverse=True)
    assert rates[1] <= 0.07
    assert rates[2] <= ALLOWED


def test_with_all_draws_in_common_a_number_is_decided_that_no_number_of_other_seeds_would_decide() -> None:
    assert seeds_to_reproduce(ErrorOfMean(1.9**2, 19), spread=8.5, margin=5.0, least=5) == "no number"
    known = SharedDraws(draws=DRAWS, common=0, within=9.0, df=REPEATS)
    needed = seeds_to_reproduce(known, spread=8.5, margin=5.0, least=5)
    assert isinstance(needed, int)
    scores, theirs, within = matched(0.0, between=math.sqrt(8.5**2 - 9.0), within=3.0)
    for seeds, enough in ((needed, True), (needed - 2, False)):
        reported = SharedDraws(draws=DRAWS, common=seeds, within=within, df=REPEATS)
        assert (outcomes(scores[:, :seeds], theirs, reported, margin=5.0)[0].mean() > 0.78) == enough
    # Draws may be known, and runs of one draw spread too much all the same.
    hopeless = SharedDraws(draws=DRAWS, common=0, within=12.0**2, df=REPEATS)
    assert seeds_to_reproduce(hopeless, spread=15.0, margin=5.0, least=5) == "no number"


def test_the_parts_of_a_matched_error_by_hand() -> None:
    # Variance 4 over five seeds, four of which are among the ten of the paper; 0.5 within a draw.
    shared = SharedDraws(draws=10, common=4, within=0.5, df=5)
    assert errors_of_difference(4.0, 5, shared) == [
        ErrorOfMean(pytest.approx(4 * (1 / 5 + 1 / 10 - 8 / 50)), 4),
        ErrorOfMean(pytest.approx(0.5 * 8 / 50), 5),
    ]
    # With all draws in common what is left is the chance of both sides within draws.
    whole = errors_of_difference(4.0, 10, SharedDraws(draws=10, common=10, within=0.5, df=5))
    assert [part.squared for part in whole] == pytest.approx([0.0, 2 * 0.5 / 10])


def test_the_levels_of_looks_add_up() -> None:
    assert [level_at(LOOKS, look) for look in LOOKS] == pytest.approx([0.9875, 0.9875, 0.975])
    assert level_at((10,), 10) == LEVEL


def over_all_looks(scores: Any, theirs: Any, reported: list[Any], margin: float) -> tuple[float, float, float]:
    """How often a number is called reproduced, and off, at the first look that decides, and the seeds that it took;
    `reported` is what is known of the reported mean at each look."""
    undecided, called, used = np.ones(len(scores), bool), np.zeros(2), np.zeros(len(scores))
    for look, known in zip(LOOKS, reported, strict=True):
        found = outcomes(scores[:, :look], theirs, known, margin=margin, level=level_at(LOOKS, look))
        called += [(undecided & one).mean() for one in found]
        used[undecided] = look
        undecided &= ~(found[0] | found[1])
    return called[0], called[1], used.mean()


@pytest.mark.parametrize(("sem", "margin"), [(0.0, 0.6), (0.0, 1.0), (0.25, 1.0), (0.25, 2.0)])
def test_seeds_until_decided_err_in_at_most_five_per_cent_over_all_looks(sem: float, margin: float) -> None:
    for off in (-margin, 0.0):
        random = np.random.default_rng(4)
        scores = random.normal(off, 1.0, (REPETITIONS, LOOKS[-1]))
        theirs = random.normal(0, sem, REPETITIONS)
        known = ErrorOfMean(sem**2 * random.chisquare(19, REPETITIONS) / 19, 19 if sem else EXACT)
        reproduced, beyond, used = over_all_looks(scores, theirs, [known] * len(LOOKS), margin)
        assert beyond <= ALLOWED
        assert off == 0 or reproduced <= ALLOWED
    if margin == 2.0:  # four of our standard deviations beside the paper's: an early look does
        assert reproduced > 0.99
        assert used < 10


@pytest.mark.parametrize("within", [1.0, 3.0])
def test_so_they_do_with_matched_designs(within: float) -> None:
    for off in (-5.0, 0.0):
        scores, theirs, variance = matched(off, between=8.0, within=within)
        known = [SharedDraws(draws=DRAWS, common=look, within=variance, df=REPEATS) for look in LOOKS]
        reproduced, beyond, _ = over_all_looks(scores, theirs, known, 5.0)
        assert beyond <= ALLOWED
        assert off == 0 or reproduced <= ALLOWED


# Of a table


def table_of(reported: dict[str, Any], seeds: str = "1-10", *, spread: bool = True) -> Table:
    own = {"mean": 60.0, "n": 10, "margin": 5.0, "known": "recalled", **reported}
    if spread:
        own = {"spread": 2.0, "spread_kind": "sem", **own}
    content: dict[str, Any] = {
        "title": "Draws",
        "seeds": seeds,
        "settings": {"split": {"benchmark": {"name": "split_mnist", "class_order": "per_seed"}, "protocol": {}}},
        "rows": [{"name": "none", "settings": "split", "CL2": {"strategy": "finetune", "reported": own}}],
    }
    content["settings"]["split"]["protocol"] = {"iterations": 5}
    return parse_table("draws", content)


MATCHED = {"seeds": "1-10", "repeats": 10}


@pytest.mark.parametrize(
    ("reported", "sentence"),
    [
        ({"seeds": "1-9"}, "'seeds' in .* are 9, and 'n' is 10: expected all those that the mean is over"),
        ({"repeats": 10}, "'repeats' in .* are of draws that the paper has, too: write its 'seeds' beside it"),
        ({"seeds": "1-10", "repeats": 9}, "must be at least 10, and at most the 10 seeds that .*, found 9"),
        ({"seeds": "8-17", "repeats": 10}, "must be at least 10, and at most the 3 seeds that .*, found 10"),
        ({"looks": [5, 5, 10]}, r"must be ascending numbers of seeds, .* found \[5, 5, 10\]"),
        ({"looks": [5, 20]}, r"at least 3 and at most the 10 of the table, found \[5, 20\]"),
        ({"looks": [2, 5]}, r"at least 3 .* found \[2, 5\]"),
    ],
)
def test_what_cannot_be_a_design_is_refused_with_a_sentence(reported: dict[str, Any], sentence: str) -> None:
    with pytest.raises(UserError, match=sentence):
        table_of(reported)


@pytest.fixture
def reported_on(tmp_path: Path, record_of: Callable[..., Record]) -> Callable[..., Report]:
    """The report on a table of one cell, with these scores by seed, and by draw those of a second run."""

    def make(table: Table, scores: dict[int, float], again: dict[int, float] | None = None) -> Report:
        store = Store(tmp_path / "results")
        (cell,) = table.cells
        for seed, score in scores.items():
            spec = resolve_cell(cell, seed)
            store.write(spec, record_of(spec, score=[[score]]))
        for state in with_repeats(table_state(table, store))[1:]:
            draw = state.cell.benchmark["draw_seed"]
            if again and draw in again:
                spec = resolve_cell(state.cell, state.planned_seeds[0])
                store.write(spec, record_of(spec, score=[[again[draw]]]))
        return build_report(table, table_state(table, store), command="draws.toml")

    return make


SCORES = {seed: 0.6 + 0.08 * (-1) ** seed for seed in range(1, 11)}


def test_a_matched_verdict_leaves_out_what_draws_do_to_both_means(reported_on: Callable[..., Report]) -> None:
    (plain,) = reported_on(table_of({}), SCORES).cells
    assert plain.verdict is not None
    assert (plain.verdict.outcome, plain.verdict.matched) == ("inconclusive", None)
    again = {seed: SCORES[seed] + 0.02 for seed in SCORES}
    report = reported_on(table_of(MATCHED), SCORES, again)
    (cell,) = report.cells
    found = cell.verdict
    assert found is not None
    assert (found.outcome, found.matched, found.seeds) == ("reproduced", 10, 10)
    # A variance of 0.02 ** 2 / 2 with ten degrees of freedom (t 1.8125), twice over ten draws.
    assert found.within == pytest.approx(0.02 / math.sqrt(2))
    assert found.interval_high == pytest.approx(1.8125 * math.sqrt(2 * 2e-4 / 10), rel=1e-4)
    shown = verdicts_table(report)
    assert shown is not None
    assert any("Standard deviation of runs of one draw: none CL2 (1.41; 10 draws in common)" in n for n in shown.notes)


def test_a_matched_verdict_needs_no_reported_spread(reported_on: Callable[..., Report]) -> None:
    report = reported_on(table_of(MATCHED, spread=False), SCORES, {seed: SCORES[seed] + 0.02 for seed in SCORES})
    (cell,) = report.cells
    assert cell.verdict
    assert (cell.verdict.outcome, cell.verdict.matched) == ("reproduced", 10)
    shown = verdicts_table(report)
    assert shown is not None
    assert not any("gives no spread" in note for note in shown.notes)


def test_without_enough_repeats_the_test_stays_what_it_was(reported_on: Callable[..., Report]) -> None:
    (plain,), (few,) = reported_on(table_of({}), SCORES).cells, reported_on(table_of(MATCHED), SCORES, {1: 0.5}).cells
    assert plain.verdict is not None
    # How many seeds it takes is not said before it is known by which test.
    assert replace(plain.verdict, seeds_if_equal=None) == few.verdict


def test_with_all_draws_of_the_paper_its_draws_alone_count(reported_on: Callable[..., Report]) -> None:
    """More seeds would widen the interval by draws that the paper has not, so none are asked for, or counted."""
    again = {seed: SCORES[seed] + 0.11 for seed in SCORES}  # runs of one draw spread too much
    (cell,) = reported_on(table_of(MATCHED, "1-12"), SCORES, again).cells
    assert cell.verdict
    assert (cell.verdict.outcome, cell.verdict.seeds_if_equal) == ("inconclusive", "no number")
    (more,) = reported_on(table_of(MATCHED, "1-12"), {**SCORES, 11: 0.9, 12: 0.9}, again).cells
    assert more.verdict == cell.verdict
    assert len(more.records) == 12


def test_barred_seeds_are_waited_for_by_no_look_and_no_repeat(reported_on: Callable[..., Report]) -> None:
    """As in a table that extends another, whose cells keep `tuned_on`, with other seeds."""

    def barred(reported: dict[str, Any], seeds: str) -> Table:
        table = table_of(reported, seeds)
        return replace(table, cells=tuple(replace(cell, tuned_on=(1,)) for cell in table.cells))

    scores = {seed: 0.6 + 0.001 * (-1) ** seed for seed in range(2, 7)}
    (cell,) = reported_on(barred({"looks": [5], "spread": 0.1}, "1-6"), scores).cells
    assert cell.verdict
    assert (cell.verdict.outcome, cell.verdict.seeds) == ("reproduced", 5)
    scores = {seed: 0.6 + 0.08 * (-1) ** seed for seed in range(2, 12)}
    matched = barred({"seeds": "1-11", "repeats": 10, "n": 11}, "1-11")
    (cell,) = reported_on(matched, scores, {seed: scores[seed] + 0.02 for seed in scores}).cells
    assert cell.verdict
    assert (len(cell.repeats), cell.verdict.matched) == (10, 10)


def test_tables_say_how_many_of_the_seeds_are_judged(reported_on: Callable[..., Report]) -> None:
    report = reported_on(table_of({"looks": [5, 10]}), {seed: 0.6 + 0.01 * (-1) ** seed for seed in range(1, 8)})
    shown = verdicts_table(report)
    assert shown is not None
    assert shown.rows[0][2].text == "5 of 7"


def test_repeats_are_run_after_all_others_and_count_in_no_cell(
    reported_on: Callable[..., Report], tmp_path: Path
) -> None:
    table, store = table_of(MATCHED), Store(tmp_path / "results")
    runs = runs_to_do(table_state(table, store), store)
    assert [run.seed for run in runs] == [*range(1, 11), *range(1001, 1011)]
    benchmarks: list[Any] = [run.build_benchmark() for run in runs]
    digits = [one.digits(run.seed) for one, run in zip(benchmarks, runs, strict=True)]
    assert digits[10:] == digits[:10]
    (cell,) = reported_on(table, SCORES, dict.fromkeys(range(1, 11), 0.5)).cells
    assert len(cell.records) == 10
    assert runs_to_do([cell], store) == []
    only = table_state(table, store, (3, 7))
    assert [state.planned_seeds for state in only[0].repeats] == [(1003,), (1007,)]


def test_a_budget_is_spent_on_repeats_after_all_seeds(tmp_path: Path) -> None:
    store = Store(tmp_path)
    states = table_state(table_of(MATCHED), store)
    second = Estimate(seconds=1.0, low=1.0, high=1.0, basis=BASES[0])
    found = fitting(runs_to_do(states, store), states, lambda spec: second, seconds=12, jobs=1)
    assert [run.seed for run in found.runs] == [*range(1, 11), 1001, 1002]


def test_reports_count_repeats_and_mark_a_number_whose_repeats_are_stale(
    reported_on: Callable[..., Report], tmp_path: Path
) -> None:
    some = reported_on(table_of(MATCHED), SCORES, dict.fromkeys(range(1, 5), 0.5))
    assert (some.done, len(some.planned), some.stale, some.beyond) == (14, 20, 0, 0)
    assert markdown.page(some).splitlines()[-1].startswith("To run what is missing")
    whole = reported_on(table_of(MATCHED), SCORES, dict.fromkeys(range(1, 11), 0.5))
    assert (whole.done, len(whole.runs)) == (20, 20)
    states = table_state(whole.table, Store(tmp_path / "results"))
    first, *others = states[0].repeats
    stale = replace(states[0], repeats=(replace(first, changed=(("strategy: revision 1, now revision 2",),)), *others))
    assert "(10)§" in markdown.page(build_report(whole.table, [stale], command="draws.toml"))
    assert "(10)§" not in markdown.page(whole)


def test_where_nothing_is_drawn_repeats_are_refused(tmp_path: Path) -> None:
    table = table_of(MATCHED)
    table.cells[0].benchmark["class_order"] = "fixed"
    words = r"row 'none' \(CL2\) of table 'draws' has 'repeats' of draws, .* without class_order = per_seed nothing is"
    with pytest.raises(UserError, match=words):
        table_state(table, Store(tmp_path))
    table.cells[0].benchmark.update(class_order="per_seed", draw_seed=3)
    with pytest.raises(UserError, match="has 'repeats' of its draws, and one draw for all its seeds, 'draw_seed'"):
        table_state(table, Store(tmp_path))


def test_repeats_are_done_whichever_seeds_trials_have(tmp_path: Path, record_of: Callable[..., Record]) -> None:
    table, store = table_of(MATCHED), Store(tmp_path / "results")
    table = replace(table, cells=tuple(replace(cell, trial_seeds=(1001,)) for cell in table.cells))
    for spec in runs_to_do(table_state(table, store), store):
        store.write(spec, record_of(spec))
    assert runs_to_do(table_state(table, store), store) == []


def test_verdicts_are_made_after_looks_alone(reported_on: Callable[..., Report]) -> None:
    table = table_of({"looks": [5, 10]})

    def verdict(scores: dict[int, float]) -> Any:
        return reported_on(table, scores).cells[0].verdict

    calm = {seed: 0.6 + 0.001 * (-1) ** seed for seed in range(1, 11)}
    first = verdict({seed: calm[seed] for seed in range(1, 5)})
    assert (first.outcome, first.interval_low) == ("inconclusive", None)
    # Two seeds more than the first look are not looked at; nor is one of which an earlier is absent.
    at_five = verdict({seed: calm[seed] for seed in range(1, 6)})
    at_seven = verdict({**{seed: calm[seed] for seed in range(1, 7)}, 8: 0.1})
    assert at_five == at_seven
    assert (at_five.seeds, at_five.level) == (5, pytest.approx(0.975))
    at_ten = verdict(calm)
    assert (at_ten.seeds, at_ten.level) == (10, pytest.approx(0.975))
    shown = verdicts_table(reported_on(table, calm))
    assert shown is not None
    assert any(
        "Judged after 5, 10 seeds, the first ones of the table, by tests at 2.5 %, 2.5 %" in n for n in shown.notes
    )
    assert any("(95 %)" in entry.text for entry in shown.rows[0])


def test_seeds_that_are_chosen_are_no_look(tmp_path: Path, record_of: Callable[..., Record]) -> None:
    """Unless they are the first ones of the table, as whoever renders the beginning of a sweep would choose them."""
    table, store = table_of({"looks": [5, 10]}), Store(tmp_path)
    for seed in range(1, 11):
        spec = resolve_cell(table.cells[0], seed)
        store.write(spec, record_of(spec, score=[[(0.7 if seed < 6 else 0.6) + 0.001 * (-1) ** seed]]))

    def verdict(seeds: range) -> Any:
        return verdict_on(table_state(table, store, tuple(seeds))[0])

    first = verdict(range(1, 6))
    assert (first.outcome, first.seeds) == ("above", 5)
    chosen = verdict(range(6, 11))
    assert (chosen.outcome, chosen.interval_low) == ("inconclusive", None)


def test_a_look_waits_for_the_runs_that_repeat_its_draws(reported_on: Callable[..., Report]) -> None:
    """So that it is not judged by one test before they are there, and by another after."""
    table = table_of({**MATCHED, "looks": [5, 10]})
    again = {seed: SCORES[seed] + 0.02 for seed in SCORES}

    def verdict(repeated: dict[int, float]) -> Any:
        return reported_on(table, SCORES, repeated).cells[0].verdict

    before = verdict({draw: again[draw] for draw in range(1, 10)})
    assert (before.seeds, before.matched) == (5, None)
    after = verdict(again)
    assert (after.outcome, after.seeds, after.matched) == ("reproduced", 10, 10)


def test_an_inconclusive_number_names_the_look_that_would_decide(reported_on: Callable[..., Report]) -> None:
    def needed(table: Table, spread: float) -> Any:
        verdict = reported_on(table, {seed: 0.6 + spread * (-1) ** seed for seed in range(1, 6)}).cells[0].verdict
        return verdict and verdict.seeds_if_equal

    assert needed(table_of({"looks": [5, 10], "spread": 0.1}), 0.035) == 10
    assert needed(table_of({"looks": [5, 10]}, "1-20"), 0.2) == "more than 10"
