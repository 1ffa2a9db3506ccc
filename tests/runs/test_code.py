"""Which code is behind a run, and whether it has changed."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from hnet_bench import catalog
from hnet_bench.runs.code import belongs_to_harness, code_of, syntax_hash
from hnet_bench.runs.record import Record
from hnet_bench.runs.spec import RunSpec
from hnet_bench.runs.staleness import Judge

SpecOf = Callable[..., RunSpec]
RecordOf = Callable[..., Record]
ROOT = Path(__file__).parents[2]

MINE = """
from dataclasses import dataclass
from typing import TYPE_CHECKING

from hnet_bench.interfaces import Scenario

if TYPE_CHECKING:
    from only_for_types import Thing


@dataclass(frozen=True, kw_only=True)
class Mine:
    name = "mine"
    scenarios = tuple(Scenario)

    def build(self, setup):
        from helper import scale

        from hnet_bench.nets.vae import Vae
"""
HELPER = '''
"""What this is for."""
import json
from deeper.below import value


def scale(x):  # a remark
    """What this does."""
    return x * 2
'''


@pytest.fixture
def mine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with a user's own strategy, mine.py:Mine, and what it imports."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "mine.py").write_text(MINE)
    (tmp_path / "helper.py").write_text(HELPER)
    (tmp_path / "deeper").mkdir()
    (tmp_path / "deeper" / "__init__.py").write_text("unused = 1")
    (tmp_path / "deeper" / "below.py").write_text("from . import beside\nvalue = 3")
    (tmp_path / "deeper" / "beside.py").write_text("from ..helper import scale\nfrom .below import value")
    (tmp_path / "only_for_types.py").write_text("class Thing: ...")
    (tmp_path / "stranger.py").write_text("")
    return tmp_path


def test_the_code_of_a_users_file_is_all_that_it_imports_of_its_own_and_of_ours(mine: Path) -> None:
    found = set(code_of("mine.py:Mine", "synthetic").modules())
    own = {name for name in found if not name.startswith("hnet_bench.")}
    assert own == {"mine", "helper", "deeper.below", "deeper.beside"}
    assert {"hnet_bench.nets.vae", "hnet_bench.benchmarks.synthetic", "hnet_bench.interfaces"} <= found
    assert not {"hnet_bench.nets.regulariser", "hnet_bench.cli", "hnet_bench.runs.run"} & found


LOADED = """
import json, sys
from hnet_bench import catalog
from hnet_bench.interfaces import Scenario, Setup, TrainingProtocol
benchmark = catalog.benchmark_class("synthetic")()
found = {}
for name in sys.argv[1:]:
    before = set(sys.modules)
    strategy = catalog.strategy_class(name)()
    protocol = TrainingProtocol(iterations=1, hidden_units=(4,))
    setup = Setup(scenario=strategy.scenarios[0], facts=benchmark.facts, protocol=protocol, seed=1)
    strategy.build(setup)
    found[name] = sorted(set(sys.modules) - before)
print(json.dumps(found))
"""


def test_reading_finds_every_module_that_python_imports_for_a_strategy() -> None:
    names = ["hnet_tir", "dgr_distill", "icarl"]  # in one process: only what the first ones have not loaded is seen
    done = subprocess.run([sys.executable, "-c", LOADED, *names], check=True, capture_output=True, text=True)
    for name, loaded in json.loads(done.stdout.splitlines()[-1]).items():
        ours = {module for module in loaded if module.split(".")[0] in ("hnet_bench", "baselines")}
        packages = {module for module in ours if (ROOT / module.replace(".", "/")).is_dir()}
        assert {module for module in ours - packages if not belongs_to_harness(module)} <= set(
            code_of(name, "synthetic").modules()
        )


@pytest.mark.parametrize("strategy", catalog.names("strategies"))
def test_every_strategy_has_code_of_its_own_and_no_table_of_strategies(strategy: str) -> None:
    found = set(code_of(strategy, "synthetic").modules())
    assert catalog.names("strategies")[strategy].partition(":")[0] in found
    assert not {"hnet_bench.strategies", "baselines"} & found  # these grow with every strategy


def test_one_strategy_is_not_another(spec_of: SpecOf) -> None:
    ewc, si = (set(code_of(name, "split_mnist").modules()) for name in ("ewc", "si"))
    assert "baselines.training.ewc" in ewc - si
    assert "baselines.training.si" in si - ewc
    assert "baselines.training.anchored" in ewc & si
    assert not any(name.startswith("hnet_bench.strategies") for name in ewc | si)


@pytest.mark.parametrize(
    ("old", "new", "same"),
    [
        ("return x * 2", "return x * 2  # twice", True),
        ("return x * 2", "return (x\n        * 2)", True),
        ("What this does", "What else this does", True),
        ("What this is for.", "", True),
        ('    """What this does."""\n', "", True),
        ("import json", "import json\nif TYPE_CHECKING:\n    import os", True),
        ("x * 2", "x * 3", False),
        ("x * 2", "2 * x", False),
        ("def scale(x)", "def scale(y)", False),
        ("x * 2", "x * 2.0", False),
        ("return x", "return -x", False),
    ],
)
def test_only_what_python_sees_changes_the_hash(old: str, new: str, same: bool) -> None:
    assert old in HELPER
    assert (syntax_hash(HELPER.encode()) == syntax_hash(HELPER.replace(old, new).encode())) is same


def test_the_hash_is_the_same_in_every_version_of_python() -> None:
    # Worked out with Python 3.10 to 3.13: one that disagreed would call every record stale.
    assert syntax_hash(b"def f(x, *y, z=f'{1}'):\n    return [x, None]") == "f32e040de7ef"


def test_a_file_that_is_no_python_has_a_hash_all_the_same() -> None:
    assert syntax_hash(b"def (") != syntax_hash(b"def [")


@pytest.fixture
def made_by_mine(mine: Path, spec_of: SpecOf, record_of: RecordOf) -> Record:
    """A record as a run of mine.py:Mine leaves it."""
    hashes = code_of("mine.py:Mine", "synthetic").hashes()
    return record_of(spec_of(strategy="mine.py:Mine"), provenance={"code": hashes})


def changed(path: Path, old: str, new: str) -> None:
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new))


def test_a_record_is_stale_once_any_of_its_code_has_changed(mine: Path, made_by_mine: Record) -> None:
    assert Judge().verdict(made_by_mine).state == "current"
    changed(mine / "helper.py", "# a remark", "# another")
    changed(mine / "stranger.py", "", "x = 1")
    changed(mine / "deeper" / "__init__.py", "1", "2")
    assert Judge().verdict(made_by_mine).state == "current"
    changed(mine / "helper.py", "x * 2", "x * 3")
    assert (Judge().verdict(made_by_mine).state, Judge().verdict(made_by_mine).strategy) == ("stale", ("helper",))
    changed(mine / "helper.py", "x * 3", "x * 2")
    assert Judge().verdict(made_by_mine).state == "current"
    (mine / "deeper" / "below.py").unlink()
    assert Judge().verdict(made_by_mine).strategy == ("deeper.below",)


def test_a_change_in_the_harness_is_told_but_makes_no_record_stale(made_by_mine: Record) -> None:
    code = {**made_by_mine.provenance["code"], "hnet_bench.interfaces": "0" * 12}
    verdict = Judge().verdict(replace(made_by_mine, provenance={"code": code}))
    assert (verdict.state, verdict.strategy, verdict.harness) == ("current", (), ("hnet_bench.interfaces",))


def test_of_a_strategy_that_is_gone_nothing_is_known(mine: Path, made_by_mine: Record) -> None:
    (mine / "mine.py").unlink()
    assert Judge().verdict(made_by_mine).state == "unknown"
    spec = {**made_by_mine.spec, "strategy": {"name": "never_heard_of"}}
    assert Judge().verdict(replace(made_by_mine, spec=spec)).state == "unknown"


def git(folder: Path, *arguments: str) -> str:
    settings = ["-c", "user.name=T", "-c", "user.email=t@example.org", "-c", "commit.gpgsign=false"]
    done = subprocess.run(["git", "-C", folder, *settings, *arguments], check=True, capture_output=True, text=True)
    return done.stdout.strip()


@pytest.fixture
def checkout(tmp_path: Path) -> tuple[Path, dict[str, str]]:
    """A repository of this package's files with three commits: as they are, with a remark more, with a change."""
    sources = {
        f"{name.replace('.', '/')}.py": text for name, text in code_of("finetune", "synthetic").modules().items()
    }
    place = tmp_path / "checkout"
    for name, text in sources.items():
        (place / name).parent.mkdir(parents=True, exist_ok=True)
        (place / name).write_bytes(text)
    git(tmp_path, "init", "-q", "checkout")
    commits = {}
    additions = {"same": "", "remark": "\n# a remark\n", "changed": "\nX = 1\n"}
    for label, addition in additions.items():
        with (place / "baselines" / "finetune.py").open("a") as file:
            file.write(addition)
        git(place, "add", "-A")
        git(place, "commit", "-q", "--allow-empty", "-m", label)
        commits[label] = git(place, "rev-parse", "HEAD")
    return place, commits


@pytest.mark.parametrize(
    ("label", "changes", "state"),
    [
        ("same", {}, "current"),
        ("remark", {}, "current"),
        ("changed", {}, "stale"),
        ("same", {"dirty": True}, "unknown"),
        ("same", {"dirty": None}, "unknown"),
        ("same", {"commit": None}, "unknown"),
        ("same", {"commit": "0" * 40}, "unknown"),
        ("same", {"commit": "HEAD"}, "unknown"),
    ],
)
def test_of_an_old_record_the_commit_is_asked(
    checkout: tuple[Path, dict[str, str]],
    spec_of: SpecOf,
    record_of: RecordOf,
    label: str,
    changes: dict[str, Any],
    state: str,
) -> None:
    place, commits = checkout
    made = record_of(spec_of(), provenance={"commit": commits[label], "dirty": False, **changes})
    assert Judge(place).verdict(made).state == state


def test_without_a_checkout_nothing_is_known_of_an_old_record(
    tmp_path: Path, spec_of: SpecOf, record_of: RecordOf
) -> None:
    made = record_of(spec_of(), provenance={"commit": "0" * 40, "dirty": False})
    assert Judge(tmp_path).verdict(made).state == "unknown"
