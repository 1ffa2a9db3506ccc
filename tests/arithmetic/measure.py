"""How much arithmetic alone moves a score: the same seeds of three cells of Table 1, computed in other ways.

    python tests/arithmetic/measure.py                      does the runs that scores.csv lacks, then renders the page
    python tests/arithmetic/measure.py "split_si CL2"       those of some cells, so that each core can have its own
    python tests/arithmetic/measure.py --records            adds what is in results/ from other processors, and renders
    python tests/arithmetic/measure.py --render             only renders docs/arithmetic.md

Real MNIST at the full budget: hours, one run after the other, each in a process of its own. It can be stopped at any
time; every run that has ended is in scores.csv.
"""

from __future__ import annotations

import functools
import itertools
import json
import os
import subprocess
import sys
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

import pandas

from hnet_bench.metrics import average_accuracy
from hnet_bench.runs.record import Record

TABLE = "von_oswald_2020_table_1"
CELLS = {
    "split_si CL2": "SI in CL2",
    "split_hnet_ent CL3": "HNET+ENT in CL3",
    "split_hnet_r CL3": "HNET+R in CL3",
}
SEEDS = range(1, 6)
FOLDER = Path(__file__).parent
SCORES = FOLDER / "scores.csv"
PAGE = FOLDER.parents[1] / "docs" / "arithmetic.md"
AS_RELEASED = "as released"


@dataclass(frozen=True)
class Variant:
    """Another way to compute the same: what the environment says when torch is loaded, and what is patched then."""

    environment: Mapping[str, str] = field(default_factory=dict)
    patch: str = ""


VARIANTS = {
    AS_RELEASED: Variant(),
    "products by PyTorch's library alone": Variant(patch="products"),
    "products with AVX2 alone": Variant({"ONEDNN_MAX_CPU_ISA": "AVX2", "MKL_CBWR": "AVX2"}),
    "PyTorch without vector instructions": Variant({"ATEN_CPU_CAPABILITY": "default"}),
    # Threads that wait without spinning: beside another process on two cores, spinning takes ten times as long.
    "two threads": Variant({"OMP_NUM_THREADS": "2", "OMP_WAIT_POLICY": "PASSIVE"}, patch="threads"),
    "Adam not fused": Variant(patch="adam"),
}


def apply(patch: str) -> None:
    """Has this process compute in another way."""
    if patch == "products":
        from hnet_bench.nets import products

        products._times_transposed = None
    elif patch == "threads":
        from hnet_bench.runs import run

        run._THREADS = 2
    elif patch == "adam":
        import torch

        plain = torch.optim.Adam.__init__

        @functools.wraps(plain)
        def not_fused(self, *args, fused=None, **kwargs):
            plain(self, *args, fused=False, **kwargs)

        torch.optim.Adam.__init__ = not_fused


def measure_one(variant: str, cell: str, seed: int) -> dict[str, object]:
    """Does one run in this process; the line of scores.csv."""
    apply(VARIANTS[variant].patch)
    from hnet_bench.papers.table import load_table
    from hnet_bench.runs.run import run
    from hnet_bench.runs.spec import cell_spec

    found = {f"{one.row} {one.scenario.label}": one for one in load_table(TABLE).cells}[cell]
    spec = cell_spec(found)
    assert spec is not None
    return line_of(run(spec.with_seed(seed), command="python tests/arithmetic/measure.py"), variant, cell)


def line_of(record: Record, variant: str, cell: str) -> dict[str, object]:
    """The line of scores.csv that a record gives."""
    made = record.provenance
    return {
        "variant": variant,
        "cell": cell,
        "seed": record.spec["seed"],
        "score": round(100 * average_accuracy(record.score), 4),
        "by_experience": " ".join(f"{100 * one:.2f}" for one in record.score[-1] if one is not None),
        "cpu": made["cpu"],
        "torch": made["versions"]["torch"],
        "commit": made["commit"],
    }


def of_other_processors(scores: pandas.DataFrame) -> Iterator[dict[str, object]]:
    """Lines of the records in results/ that a processor made of which nothing is in `scores`: the same seeds, on a
    machine and with versions of its own."""
    from hnet_bench import api
    from hnet_bench.runs.store import read_record

    frame = api.records(TABLE, results=FOLDER.parents[1] / "results")
    for cell, seed in itertools.product(CELLS, SEEDS):
        row, scenario = cell.split()
        for file in frame[(frame.row == row) & (frame.scenario == scenario) & (frame.seed == seed)].file:
            made = (record := read_record(file)).provenance
            if made["cpu"] not in set(scores["cpu"]):
                yield line_of(record, f"our records: {made['cpu']}, PyTorch {made['versions']['torch']}", cell)


def lacking(scores: pandas.DataFrame, cells: Iterable[str] = CELLS) -> Iterator[tuple[str, str, int]]:
    """The runs that are not done, the cheapest cells first."""
    done = set(zip(scores["variant"], scores["cell"], scores["seed"], strict=True))
    for cell, variant, seed in itertools.product(cells, VARIANTS, SEEDS):
        if (variant, cell, seed) not in done:
            yield variant, cell, seed


def differences(scores: pandas.DataFrame, cell: str) -> pandas.DataFrame:
    """A line for each variant of a cell with all seeds: mean and SEM, and of the differences from `AS_RELEASED` with
    the same seeds the mean, mean size and largest size. The last line has the sizes between the seeds as released."""
    mine = scores[scores["cell"] == cell].pivot(index="seed", columns="variant", values="score").reindex(list(SEEDS))
    mine = mine.dropna(axis="columns")
    if AS_RELEASED not in mine:
        return pandas.DataFrame()
    mine = mine[[*(name for name in VARIANTS if name in mine), *(name for name in mine if name not in VARIANTS)]]
    apart = mine.sub(mine[AS_RELEASED], axis="index").drop(columns=AS_RELEASED)
    lines = pandas.DataFrame({"mean": mine.mean(), "sem": mine.sem(), "difference": apart.mean()}, index=mine.columns)
    sizes = pandas.DataFrame({"size": apart.abs().mean(), "largest": apart.abs().max()})
    seeds = [abs(one - two) for one, two in itertools.combinations(mine[AS_RELEASED], 2)]
    sizes.loc["another seed"] = pandas.Series({"size": sum(seeds) / len(seeds), "largest": max(seeds)})
    return lines.join(sizes, how="outer").reindex([*lines.index, "another seed"])


def rendered(scores: pandas.DataFrame) -> str:
    """The page."""
    text = (FOLDER / "arithmetic.md").read_text(encoding="utf-8")
    for cell, name in CELLS.items():
        if (found := differences(scores, cell)).empty:
            continue
        shown = pandas.DataFrame(
            {
                "": found.index.to_series(),
                "accuracy, %": _texts(found["mean"], "{:.2f} ± ") + _texts(found["sem"], "{:.2f}"),
                "difference, points": _texts(found["difference"], "{:+.2f}"),
                "its size, mean": _texts(found["size"], "{:.2f}"),
                "at most": _texts(found["largest"], "{:.2f}"),
            }
        )
        lines = [list(shown), ["---"] * len(shown.columns), *shown.to_numpy().tolist()]
        text += f"\n## {name}\n\n" + "".join(f"| {' | '.join(line)} |\n" for line in lines)
    made = scores[["cpu", "torch"]].astype(str).drop_duplicates()
    where = "; ".join(f"{cpu}, PyTorch {torch}" for cpu, torch in made.itertuples(index=False))
    return f"{text}\nMeasured on: {where}. Every score is in [scores.csv](../tests/arithmetic/scores.csv).\n"


def _texts(numbers: pandas.Series, form: str) -> pandas.Series:
    return numbers.map(form.format, na_action="ignore").fillna("")


def main(arguments: list[str]) -> None:
    """Measures what is lacking, or does one run and prints it."""
    if arguments[:1] == ["--one"]:
        variant, cell, seed = arguments[1:]
        print(json.dumps(measure_one(variant, cell, int(seed))))
        return
    if arguments == ["--records"]:
        scores = pandas.read_csv(SCORES)
        pandas.DataFrame(of_other_processors(scores)).to_csv(SCORES, mode="a", header=False, index=False)
    elif arguments != ["--render"]:
        for variant, cell, seed in list(lacking(pandas.read_csv(SCORES), arguments or CELLS)):
            environment = {**os.environ, "OMP_NUM_THREADS": "1", **VARIANTS[variant].environment}
            command = [sys.executable, "-W", "ignore", __file__, "--one", variant, cell, str(seed)]
            said = subprocess.run(command, env=environment, stdout=subprocess.PIPE, text=True, check=True).stdout
            line = json.loads(said.splitlines()[-1])
            print(f"{cell} seed {seed}, {variant}: {line['score']:.2f}", flush=True)
            pandas.DataFrame([line]).to_csv(SCORES, mode="a", header=False, index=False)
    PAGE.write_text(rendered(pandas.read_csv(SCORES)), encoding="utf-8")


if __name__ == "__main__":
    main(sys.argv[1:])
