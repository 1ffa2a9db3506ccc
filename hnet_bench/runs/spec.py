"""A spec: everything that determines the scores of a run, every default written out.

A user's own class is named by its file and the class, `my.py:Mine`. Where the file is stands beside the spec and not in
it, so that it has the same run ids in every folder and on every machine; records name its code by a hash.

`run_id` = "seed<k>-" and the first 12 hex digits of the SHA-256 of the spec's canonical JSON without the seed: all
seeds of one cell share the digits, and a changed default gives new ones.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path

from hnet_bench import catalog
from hnet_bench.config import check_recordable, from_settings, naming, to_settings
from hnet_bench.interfaces import Benchmark, Scenario, Settings, Strategy, TrainingProtocol, UserError
from hnet_bench.papers.cell import Cell
from hnet_bench.runs.canonical import folder_of, spec_digest


@dataclass(frozen=True, kw_only=True)
class RunSpec:
    """A strategy, a benchmark, a scenario, how it is trained, and the seed."""

    benchmark: str
    benchmark_settings: Settings
    scenario: Scenario
    protocol: TrainingProtocol
    strategy: str
    hyperparameters: Settings
    seed: int
    # Where the files of names such as "my.py:Mine" are here; no part of what is run.
    files: Mapping[str, Path] = field(default_factory=dict, compare=False)

    def to_json(self) -> Settings:
        """The spec as JSON, nested by what each part describes."""
        return {
            "benchmark": {"name": self.benchmark, **self.benchmark_settings},
            "scenario": self.scenario.value,
            "protocol": to_settings(self.protocol),
            "strategy": {"name": self.strategy, **self.hyperparameters},
            "seed": self.seed,
        }

    @classmethod
    def from_json(
        cls,
        content: Settings,
        files: Mapping[str, Path] | None = None,
        folders: Sequence[Path] = (),
        where: str = "a spec",
    ) -> RunSpec:
        """Inverse of `to_json`; files of a user's are found as `resolve` does. Raises UserError for keys that the
        present code does not know, and for a file that is nowhere."""
        benchmark, strategy = dict(content["benchmark"]), dict(content["strategy"])
        return resolve(
            benchmark=benchmark,
            scenario=Scenario(content["scenario"]),
            protocol=content["protocol"],
            strategy=strategy.pop("name"),
            hyperparameters=strategy,
            seed=content["seed"],
            where=where,
            folders=folders,
            files=files or {},
        )

    @cached_property
    def digest(self) -> str:
        """12 hex digits of everything but the seed."""
        return spec_digest(self.to_json())

    @property
    def run_id(self) -> str:
        """Name of the run, unique among runs of one strategy on one benchmark in one scenario."""
        return f"seed{self.seed}-{self.digest}"

    @cached_property
    def folder(self) -> str:
        """Where the record stands below the results folder."""
        return folder_of(self.to_json())

    @property
    def key(self) -> str:
        """Tells runs apart: the path of the record below the results folder, without its suffix."""
        return f"{self.folder}/{self.run_id}"

    @property
    def cell_key(self) -> str:
        """Tells cells apart: the same for all seeds."""
        return f"{self.folder}/{self.digest}"

    def with_seed(self, seed: int) -> RunSpec:
        """The same cell with another seed."""
        other = replace(self, seed=seed)
        other.__dict__.update(digest=self.digest, folder=self.folder)  # the seed is no part of them
        return other

    def build_benchmark(self) -> Benchmark:
        """The benchmark's instance with this spec's settings."""
        name, settings = self.benchmark, self.benchmark_settings
        built: Benchmark = catalog.build("benchmarks", name, settings, where="the spec", file=self._file(name))
        return built

    def build_strategy(self) -> Strategy:
        """The strategy's instance with this spec's hyperparameters."""
        name, settings = self.strategy, self.hyperparameters
        built: Strategy = catalog.build("strategies", name, settings, where="the spec", file=self._file(name))
        return built

    def _file(self, name: str) -> Path | None:
        return self.files.get(catalog.plain_name(name))


def resolve(
    *,
    benchmark: Settings,
    scenario: Scenario,
    protocol: Settings,
    strategy: str,
    hyperparameters: Settings,
    seed: int,
    where: str,
    folders: Sequence[Path] = (),
    files: Mapping[str, Path] | None = None,
) -> RunSpec:
    """Spec with every default of the named classes written out.

    `benchmark` holds its "name" beside its settings. The file of a name such as `path.py:Class` is where `files` says
    by its plain name, if it is there, else below the first of `folders` that has it, else below the current one. Raises
    UserError for unknown names, keys and values, for a file that is nowhere, and for a strategy that does not learn the
    scenario.
    """
    settings = dict(benchmark)
    name = settings.pop("name")
    found = {
        catalog.plain_name(one): file
        for one in (name, strategy)
        if (file := _file_of(one, folders, files or {}, where))
    }
    chosen_benchmark = catalog.build(
        "benchmarks", name, settings, where=f"the benchmark of {where}", file=found.get(catalog.plain_name(name))
    )
    chosen_strategy: Strategy = catalog.build(
        "strategies", strategy, hyperparameters, where=where, file=found.get(catalog.plain_name(strategy))
    )
    scenarios = catalog.scenarios_of(chosen_strategy, strategy)
    if scenario not in scenarios:
        able = ", ".join(known.label for known in scenarios)
        raise UserError(f"Strategy '{strategy}' does not learn {scenario.label} ({where}): it learns {able}.")
    check_benchmark(chosen_benchmark, scenario, seed, where)
    of_benchmark, of_strategy = to_settings(chosen_benchmark), to_settings(chosen_strategy)
    check_recordable(of_benchmark, where=f"the benchmark of {where}")
    check_recordable(of_strategy, where=where)
    return RunSpec(
        benchmark=catalog.plain_name(name),
        benchmark_settings=of_benchmark,
        scenario=scenario,
        protocol=from_settings(TrainingProtocol, protocol, where=f"the protocol of {where}"),
        strategy=catalog.plain_name(strategy),
        hyperparameters=of_strategy,
        seed=seed,
        files=found,
    )


def check_benchmark(benchmark: Benchmark, scenario: Scenario, seed: int, where: str) -> None:
    """Raises UserError if the benchmark says, without being built, that it is not for this scenario or seed."""
    check = getattr(benchmark, "check", None)
    if check is None:
        return
    name = type(benchmark).__name__
    with naming(where), catalog.in_a_sentence(type(benchmark), f"{name} could not be asked"):
        check(scenario=scenario, seed=seed)


def _file_of(name: str, folders: Sequence[Path], files: Mapping[str, Path], where: str) -> Path | None:
    known = files.get(catalog.plain_name(name))
    found = known if known and known.is_file() else catalog.user_file(name, folders)
    if found is None and ".py:" in name:
        path = Path(name.rpartition(":")[0])
        others = [f"in {folder}" for folder in folders if folder != Path()]
        place = "" if path.is_absolute() else f" {' or '.join([*others, 'in the current folder'])}"
        raise UserError(f"There is no file {path}{place}, which {where} names.")
    return found


def cell_spec(cell: Cell) -> RunSpec | None:
    """Spec of a cell of a table, or None if its hyperparameters are still to be chosen."""
    return None if cell.untuned else resolve_cell(cell)


def check_unit(cell: Cell) -> None:
    """Raises UserError if the scores of a cell are errors, of regression, and its table takes them for accuracies."""
    spec = cell_spec(cell)
    if spec is None or (benchmark := spec.build_benchmark()).facts.problem_type == "classification":
        return
    check_benchmark(benchmark, cell.scenario, spec.seed, cell.where)
    if cell.unit != "mse" or cell.better != "lower":
        raise UserError(
            f"The scores of the {cell.where} are mean squared errors, and the table takes them for accuracies: write "
            f'unit = "mse" and better = "lower" into it, found "{cell.unit}" and "{cell.better}".'
        )


def check_chosen(cell: Cell) -> None:
    """Raises UserError if the hyperparameters of a cell are still to be chosen."""
    if cell.search and cell.untuned:
        raise UserError(
            cell.search.problem
            or f"Nothing is chosen yet for the {cell.where}, which has a search: hnet-bench tune {cell.search.command} "
            "does its trials and chooses."
        )


def resolve_cell(cell: Cell, seed: int | None = None) -> RunSpec:
    """Spec of a cell of a table, with the table's first seed if none is given. Raises UserError as `resolve` does, and
    if its hyperparameters are to be chosen."""
    check_chosen(cell)
    return resolve(
        benchmark=cell.benchmark,
        scenario=cell.scenario,
        protocol=cell.protocol,
        strategy=cell.strategy,
        hyperparameters=cell.hyperparameters,
        seed=cell.seeds[0] if seed is None else seed,
        where=cell.where,
        folders=() if cell.folder is None else (cell.folder,),
    )
