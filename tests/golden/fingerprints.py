"""What the code of one source tree computes, in fingerprints: fingerprints.py ROOT [STRATEGY...] prints them as JSON.

Each is a SHA-256 over the parameters, the scores, the answers and the inferred tasks of one short run with a fixed
seed, with the sizes of its training batches beside it: of every strategy in every scenario that it declares, and with
every choice of a shipped table that is not the default, on the synthetic benchmark; and of a plain run on every
benchmark, with some of its samples. They compare two trees on one machine with one set of versions (`compare.py`), and
mean nothing beyond that: none is ever stored.

Only the product's public words are used, so that this file can measure an older tree that has none of its own.
"""

from __future__ import annotations

import gc
import hashlib
import io
import json
import sys
from collections import Counter
from collections.abc import Iterable, Iterator
from contextlib import redirect_stdout
from pathlib import Path
from typing import Any

PROTOCOL = {"iterations": 20, "batch_size": 16, "learning_rate": 1e-2, "hidden_units": [16, 16]}
# More test samples than one batch of an evaluation holds.
STREAM = {"name": "synthetic", "experiences": 3, "test_per_class": 200}
# Convolutional networks need images; deep ones take long.
IMAGES = {"name": "synthetic", "experiences": 2, "train_per_class": 20, "test_per_class": 10, "image_side": 12}
# Which part of a table's protocol is another way to compute, rather than another size.
WAYS = ("activation", "active_classes", "initialisation", "network", "beta1", "evaluation")
SAMPLES = 50  # of each experience of a benchmark


def strategy_cases() -> Iterator[tuple[str, dict[str, Any]]]:
    """A name and the arguments of `resolve` for every run on the synthetic benchmark."""
    from hnet_bench import catalog

    for name in catalog.names("strategies"):
        for scenario in catalog.strategy_class(name).scenarios:
            yield f"{name} {scenario.label}", _arguments(name, scenario)
    for (name, scenario, hyperparameters, ways), cell in _variants().items():
        yield f"{name} {scenario} {hyperparameters} {ways}", _arguments(name, cell.scenario, cell)


def _variants() -> dict[tuple[str, ...], Any]:
    """Of all cells of shipped tables one for each set of hyperparameters that are set and each way of training, unless
    another, or the defaults, choose the same."""
    from hnet_bench.papers.table import load_table, table_names

    found: dict[tuple[str, ...], Any] = {}
    tables = [load_table(name) for name in table_names()]
    # What a search tries comes last, so that the settings of papers are measured where both set the same.
    tables.sort(key=lambda table: any(getattr(cell, "search", None) for cell in table.cells))
    for table in tables:
        for cell in table.cells:
            # Of numbers and sizes the first will do, a choice is a way of its own.
            options = {
                key: value if isinstance(value, (bool, str)) else "set" for key, value in cell.hyperparameters.items()
            }
            ways = {key: value for key, value in cell.protocol.items() if key in WAYS}
            if ways.get("active_classes") == "seen":
                del ways["active_classes"]  # the default
            key = (cell.strategy, cell.scenario.label, json.dumps(options, sort_keys=True), json.dumps(ways))
            found.setdefault(key, cell)
    chosen: dict[str, tuple[str, ...]] = {}
    for key, cell in found.items():
        if what := _chosen(cell):
            chosen.setdefault(what, key)
    return {key: found[key] for key in chosen.values()}


def _chosen(cell: Any) -> str:
    """In what a cell computes in another way than the defaults of its strategy, whatever the sizes and numbers are."""
    from hnet_bench import catalog

    default = catalog.build("strategies", cell.strategy, {}, where="golden")
    options = {
        key: _kind(value) for key, value in cell.hyperparameters.items() if _kind(value) != _kind(getattr(default, key))
    }
    # When a run is evaluated is the same for all strategies; those on images are evaluated at all these times.
    ways = {key: value for key, value in cell.protocol.items() if key in WAYS and key != "evaluation"}
    if ways.get("active_classes") == "seen":
        del ways["active_classes"]
    if cell.strategy == "hnet_conv" and ways.get("network") == "resnet32":
        del ways["network"]
    return json.dumps([cell.strategy, cell.scenario.label, options, ways], sort_keys=True) if options or ways else ""


def _kind(value: Any) -> str:
    """What a hyperparameter chooses; of numbers and sizes any will do, but for those that have no effect."""
    return str(value) if isinstance(value, (bool, str)) or value in (0, 1, None, [], ()) else "set"


def _arguments(name: str, scenario: Any, cell: Any = None) -> dict[str, Any]:
    ways = {key: value for key, value in cell.protocol.items() if key in WAYS} if cell else {}
    network = ways.get("network", "resnet32" if name == "hnet_conv" else "mlp")
    protocol = {**PROTOCOL, **ways}
    benchmark: dict[str, Any] = STREAM
    if network != "mlp":
        protocol.update(network=network, iterations=4, batch_size=8)
        benchmark = IMAGES
    elif (cell and cell.benchmark["name"] == "regression_1d") or name == "hnet_full":
        benchmark = {"name": "regression_1d"}
    return {
        "benchmark": benchmark,
        "scenario": scenario,
        "protocol": protocol,
        "strategy": name,
        "hyperparameters": dict(cell.hyperparameters) if cell else {},
    }


def benchmark_cases() -> Iterator[tuple[str, dict[str, Any]]]:
    """The same for a plain run on every benchmark, in every way that a shipped table asks for it."""
    from hnet_bench import catalog
    from hnet_bench.interfaces import Scenario
    from hnet_bench.papers.table import load_table, table_names

    few = {"permuted_mnist": {"experiences": 3}}
    settings = {json.dumps({"name": name, **few.get(name, {})}) for name in catalog.names("benchmarks")}
    for table in table_names():
        for cell in load_table(table).cells:
            fewer = {"experiences": 3} if "experiences" in cell.benchmark else {}
            settings.add(json.dumps({**cell.benchmark, **fewer}, sort_keys=True))
    built: dict[Any, str] = {}
    for text in sorted(settings):
        benchmark = json.loads(text)
        one = catalog.build("benchmarks", benchmark["name"], _without_name(benchmark), where="golden")
        built.setdefault(one, text)  # some tables write the defaults out
    for one, text in built.items():
        benchmark, facts = json.loads(text), one.facts
        problem = facts.problem_type if hasattr(facts, "problem_type") else facts.goal  # an older tree's word
        strategy = "multi_task" if problem == "regression" else "finetune"
        for scenario in [Scenario.TASK] if strategy == "multi_task" else list(Scenario):
            arguments = _arguments(strategy, scenario)
            protocol = {**arguments["protocol"], "iterations": 3}
            yield f"{text} {scenario.label}", {**arguments, "benchmark": benchmark, "protocol": protocol}


def _without_name(benchmark: dict[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in benchmark.items() if key != "name"}


def fingerprint(arguments: dict[str, Any], *, with_samples: bool) -> dict[str, Any]:
    """Learns, evaluates, and sums up all that came of it, as `PARTS` of compare.py."""
    import torch

    from hnet_bench.avalanche_adapter.evaluation import Evaluator
    from hnet_bench.runs.learning import Learning
    from hnet_bench.runs.spec import resolve

    spec = resolve(**arguments, seed=1, where="golden")
    options = {"folder": None, "observer": lambda event: None, "checkpoints": None, "loggers": None}
    learning = Learning(spec, device="cpu", **options)
    trained, evaluated = _batch_sizes(learning.template)
    learning.learn()
    template, progress = learning.template, learning.progress
    benchmark = spec.build_benchmark().build(scenario=spec.scenario, seed=spec.seed, folder=None)
    last = Evaluator(benchmark).evaluate(template)
    digest = hashlib.sha256()
    digest.update(json.dumps([progress.untrained, progress.score, progress.task_inference]).encode())
    digest.update(json.dumps(sorted(evaluated.items())).encode())
    _add(digest, last.predictions if hasattr(last, "predictions") else last.answers)  # an older tree's word
    # In any order: names of attributes are spelling.
    parameters = [parameter.detach() for parameter in template.model.parameters()]
    digest.update("".join(sorted(_sum(parameter) for parameter in parameters)).encode())
    if with_samples:
        torch.manual_seed(0)  # of augmentation
        for samples in (*benchmark.train, *benchmark.test):
            every = max(1, len(samples) // SAMPLES)
            _add(digest, samples.take(torch.arange(0, len(samples), every)))
    return {"fingerprint": digest.hexdigest(), "training_batches": dict(sorted(trained.items()))}


def _batch_sizes(template: Any) -> tuple[Counter[str], Counter[str]]:
    """Counts the batches that a template gets from now on, by their size, when it learns and when it is evaluated."""
    from avalanche.core import BaseSGDPlugin

    class Counting(BaseSGDPlugin):  # type: ignore[misc]
        def before_forward(self, strategy: Any, **kwargs: Any) -> None:
            trained[str(len(strategy.mb_x))] += 1

        def before_eval_forward(self, strategy: Any, **kwargs: Any) -> None:
            evaluated[f"eval {len(strategy.mb_x)}"] += 1

    trained: Counter[str] = Counter()
    evaluated: Counter[str] = Counter()
    template.plugins.append(Counting())
    return trained, evaluated


def _add(digest: Any, tensors: Iterable[Any]) -> None:
    for tensor in tensors:
        digest.update(_sum(tensor).encode())


def _sum(tensor: Any) -> str:
    content = tensor.detach().cpu().contiguous()
    return hashlib.sha256(f"{content.dtype} {tuple(content.shape)}".encode() + content.numpy().tobytes()).hexdigest()


def main(root: Path, only: list[str]) -> None:
    """Prints one JSON object. With `only` the runs of these strategies alone, and of no benchmark."""
    import torch

    import hnet_bench
    from hnet_bench import catalog
    from hnet_bench.data.load import data_folder
    from hnet_bench.interfaces import TrainingProtocol

    found = Path(hnet_bench.__file__).resolve().parents[1]
    if found != root.resolve():
        sys.exit(f"Expected the code of {root}, found that of {found}.")
    torch.set_num_threads(1)
    runs, skipped = [], []
    with redirect_stdout(io.StringIO()):
        for name, arguments in strategy_cases():
            if not only or arguments["strategy"] in only:
                runs.append(_run("strategy", name, arguments))
        for name, arguments in [] if only else benchmark_cases():
            wanted = catalog.benchmark_class(arguments["benchmark"]["name"]).datasets
            missing = [one for one in wanted if not list(data_folder().glob(f"{one}*.npz"))]
            if missing:
                skipped.append(f"{name}: {', '.join(missing)} not in {data_folder()}")
            else:
                runs.append(_run("benchmark", name, arguments))
    revisions = {
        "strategy": {name: _revision(catalog.strategy_class(name)) for name in catalog.names("strategies")},
        "benchmark": {name: _revision(catalog.benchmark_class(name)) for name in catalog.names("benchmarks")},
        "protocol": _revision(TrainingProtocol),
    }
    print(json.dumps({"revisions": revisions, "runs": runs, "skipped": skipped}))


def _run(of: str, name: str, arguments: dict[str, Any]) -> dict[str, Any]:
    from hnet_bench.interfaces import UserError

    try:
        found = fingerprint(arguments, with_samples=of == "benchmark")
    except UserError:  # a benchmark that is not for this scenario; in which words is spelling
        if of == "strategy":
            raise
        found = {"fingerprint": "refused"}
    gc.collect()  # Avalanche's strategies refer to themselves: each would keep its benchmark's images for a while
    return {
        "name": name,
        "of": of,
        "strategy": arguments["strategy"],
        "benchmark": arguments["benchmark"]["name"],
        "scenario": arguments["scenario"].label,
        "hyperparameters": arguments["hyperparameters"],
        **found,
    }


def _revision(found: Any) -> int:
    return int(getattr(found, "revision", 1))  # there were none before the first


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2:])
