"""Names to classes."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from importlib.metadata import EntryPoint
from pathlib import Path
from typing import Any, get_args

import pytest

from hnet_bench import catalog
from hnet_bench.interfaces import TrainingProtocol, UserError


@pytest.fixture
def plug_in(monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    """Announces entry points to `hnet_bench.strategies` in place of the installed ones."""

    def announce(*points: tuple[str, str]) -> None:
        catalog.names.cache_clear()
        made = [EntryPoint(name, value, "hnet_bench.strategies") for name, value in points]
        monkeypatch.setattr(catalog, "entry_points", lambda group: made if group == "hnet_bench.strategies" else [])

    yield announce
    catalog.names.cache_clear()


@pytest.mark.parametrize("kind", ["strategies", "benchmarks"])
def test_every_name_leads_to_a_frozen_dataclass_of_that_name(kind: Any) -> None:
    load = {"strategies": catalog.strategy_class, "benchmarks": catalog.benchmark_class}[kind]
    for name in catalog.names(kind):
        found: Any = load(name)
        assert found.name == name
        assert dataclasses.is_dataclass(found)
        assert found.__dataclass_params__.frozen
        assert found.__doc__


def test_the_baselines_come_in_by_their_entry_point() -> None:
    assert {"finetune", "joint", "hnet", "hnet_ent"} <= set(catalog.names("strategies"))


def test_an_unknown_name_is_an_error_that_lists_the_known_ones() -> None:
    with pytest.raises(
        UserError,
        match=r"Unknown strategy 'hnets': known are .*hnet, hnet_conv, .*hnet_ent.*path\.py:Class",
    ):
        catalog.strategy_class("hnets")
    with pytest.raises(
        UserError, match="Unknown benchmark 'mnist': known are permuted_mnist, regression_1d, split_cifar, split_mnist"
    ):
        catalog.benchmark_class("mnist")


def test_settings_have_the_comments_of_the_source(tmp_path: Path) -> None:
    (tmp_path / "my.py").write_text(
        "from dataclasses import dataclass, field\n"
        "@dataclass\n"
        "class Base:\n"
        "    strength: float  # of the base\n"
        "    depth: int = 1  # layers\n"
        "@dataclass\n"
        "class Mine(Base):\n"
        "    scenarios = ()\n"
        "    # Of each layer,\n"
        "    # from below.\n"
        "    widths: tuple[int, ...] = (5, 5)\n"
        "    bare: int | None = None\n"
        "    strength: float = 1.0\n"
        "    depth: int = field(\n"
        "        default=2,\n"
        "    )  # other layers\n"
        "    def build(self): ...\n"
    )
    found = catalog.strategy_class(f"{tmp_path}/my.py:Mine")
    assert [(one.name, one.type, one.default, one.comment) for one in catalog.settings_of(found)] == [
        ("strength", "float", "1.0", "of the base"),
        ("depth", "int", "2", "other layers"),
        ("widths", "tuple[int, ...]", "[5, 5]", "Of each layer, from below."),
        ("bare", "int | None", "None", ""),
    ]
    assert catalog.documentation(found) == ""
    (tmp_path / "lost.py").write_text(
        "from __future__ import annotations\nfrom dataclasses import dataclass\n"
        "@dataclass\nclass Mine:\n    sizes: Absent = ()\n    scenarios = ()\n    def build(self): ...\n"
    )
    with pytest.raises(UserError, match="types of the fields of Mine cannot be found"):
        catalog.settings_of(catalog.strategy_class(f"{tmp_path}/lost.py:Mine"))


@pytest.mark.parametrize("kind", get_args(catalog.Kind))
def test_what_ships_says_what_it_is_and_what_each_setting_means(kind: catalog.Kind) -> None:
    summaries = list(catalog.summaries(kind).values())
    assert all(summaries)
    assert len(set(summaries)) == len(summaries)
    build = catalog.strategy_class if kind == "strategies" else catalog.benchmark_class
    found = {(name, one.name): one.comment for name in catalog.names(kind) for one in catalog.settings_of(build(name))}
    assert [setting for setting, comment in found.items() if not comment] == []


def test_the_protocol_says_what_each_setting_means() -> None:
    assert [one.name for one in catalog.settings_of(TrainingProtocol) if not one.comment] == []


def test_the_summary_of_a_broken_plug_in_says_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, plug_in: Any) -> None:
    (tmp_path / "hnet_bench_test_broken.py").write_text("TABLE = {'broken': 'absent_module:Mine'}\n")
    monkeypatch.syspath_prepend(tmp_path)
    plug_in(("mine", "hnet_bench_test_broken:TABLE"))
    assert "could not be loaded from absent_module:Mine" in catalog.summaries("strategies")["broken"]


def test_a_class_is_loaded_from_a_users_file(tmp_path: Path) -> None:
    path = tmp_path / "my.py"
    path.write_text(
        "from dataclasses import dataclass\n@dataclass\nclass Mine:\n    scenarios = ()\n    def build(self): ...\n"
    )
    assert catalog.strategy_class(f"{path}:Mine").__name__ == "Mine"
    with pytest.raises(UserError, match=r"names no class: .*my\.py has Mine"):
        catalog.strategy_class(f"{path}:Other")


@pytest.mark.parametrize(
    ("code", "problem"),
    [
        ("class Mine: ...", "must be a dataclass"),
        ("Mine = 3", "must be a dataclass"),
        (
            "from dataclasses import dataclass\n@dataclass\nclass Mine: ...",
            "has no 'scenarios': it needs scenarios, build",
        ),
    ],
)
def test_a_class_that_is_no_strategy_is_refused_by_what_it_lacks(tmp_path: Path, code: str, problem: str) -> None:
    (tmp_path / "my.py").write_text(code)
    with pytest.raises(UserError, match=problem):
        catalog.strategy_class(f"{tmp_path}/my.py:Mine")


def test_a_users_file_without_a_class_is_told_which_it_has(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    Path("my.py").write_text("class Mine: ...\nclass Other: ...\n")
    for ask in (catalog.kind_of, catalog.strategy_class):
        with pytest.raises(UserError, match=r"'my\.py' names no class: write my\.py:Mine\. It has Mine, Other\."):
            ask("my.py")


def test_a_users_file_that_may_not_be_read_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def forbidden(path: Path) -> bytes:
        raise PermissionError(13, "Permission denied")

    (tmp_path / "my.py").touch()
    monkeypatch.setattr(Path, "read_bytes", forbidden)
    with pytest.raises(UserError, match=r"my\.py could not be read: Permission denied\."):
        catalog.strategy_class(f"{tmp_path}/my.py:Mine")


def test_a_users_file_that_is_absent_or_broken_is_named(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"no file .*absent\.py"):
        catalog.strategy_class(f"{tmp_path}/absent.py:Mine")
    (tmp_path / "broken.py").write_text("import hnet_bench_absent\n")
    with pytest.raises(UserError, match=r"broken\.py could not be imported: ModuleNotFoundError"):
        catalog.strategy_class(f"{tmp_path}/broken.py:Mine")


def test_whatever_a_users_class_raises_for_its_settings_is_a_sentence(tmp_path: Path) -> None:
    (tmp_path / "my.py").write_text(
        "from dataclasses import dataclass\n"
        "@dataclass(frozen=True, kw_only=True)\n"
        "class Mine:\n"
        "    strength: float = 1.0\n"
        "    scenarios = ()\n"
        "    def __post_init__(self):\n"
        "        if self.strength < 0:\n"
        "            raise ValueError('strength must be positive')\n"
        "    def build(self): ...\n"
    )
    words = r"my\.py:Mine' refuses its settings \(row 'a'\): ValueError: strength must be positive\."
    with pytest.raises(UserError, match=words):
        catalog.build("strategies", f"{tmp_path}/my.py:Mine", {"strength": -1.0}, where="row 'a'")


def test_a_plug_in_adds_its_names(plug_in: Any) -> None:
    plug_in(("baselines", "baselines:STRATEGIES"))
    assert "finetune" in catalog.names("strategies")
    plug_in()
    assert "finetune" not in catalog.names("strategies")


def test_the_same_table_announced_twice_is_fine_but_two_classes_of_one_name_are_not(
    plug_in: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    plug_in(("one", "baselines:STRATEGIES"), ("two", "baselines:STRATEGIES"))
    assert "finetune" in catalog.names("strategies")
    (tmp_path / "hnet_bench_test_clash.py").write_text("TABLE = {'finetune': 'other:Finetune'}\n")
    monkeypatch.syspath_prepend(tmp_path)
    plug_in(("one", "baselines:STRATEGIES"), ("two", "hnet_bench_test_clash:TABLE"))
    with pytest.raises(UserError, match="'finetune' is announced twice"):
        catalog.names("strategies")


def test_a_broken_plug_in_is_named(plug_in: Any) -> None:
    plug_in(("theirs", "hnet_bench_absent:TABLE"))
    with pytest.raises(UserError, match=r"plug-in 'theirs'.*could not be loaded"):
        catalog.names("strategies")
    plug_in(("theirs", "json:dumps"))
    with pytest.raises(UserError, match="must be a dict of names, found function"):
        catalog.names("strategies")


def test_whatever_a_plug_in_does_while_it_is_imported_is_a_sentence(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, plug_in: Any
) -> None:
    (tmp_path / "hnet_bench_test_raises.py").write_text("raise KeyError('a')\n")
    (tmp_path / "hnet_bench_test_leaves.py").write_text("import sys\nsys.exit('so')\n")
    (tmp_path / "hnet_bench_test_class.py").write_text("class Mine: ...\nTABLE = {'mine': Mine}\n")
    (tmp_path / "hnet_bench_test_typo.py").write_text("class Mine\n")
    (tmp_path / "hnet_bench_test_table.py").write_text("TABLE = {'mine': 'hnet_bench_test_typo:Mine'}\n")
    monkeypatch.syspath_prepend(tmp_path)
    plug_in(("theirs", "hnet_bench_test_raises:TABLE"))
    with pytest.raises(UserError, match=r"plug-in 'theirs'.*could not be loaded: KeyError: 'a'\."):
        catalog.names("strategies")
    plug_in(("theirs", "hnet_bench_test_leaves:TABLE"))
    with pytest.raises(UserError, match=r"plug-in 'theirs'.*could not be loaded: SystemExit: so\."):
        catalog.names("strategies")
    plug_in(("theirs", "hnet_bench_test_class:TABLE"))
    with pytest.raises(UserError, match=r'texts such as "package.module:Class", found <class .*Mine'):
        catalog.names("strategies")
    plug_in(("theirs", "hnet_bench_test_table:TABLE"))
    with pytest.raises(UserError, match="'mine' could not be loaded from hnet_bench_test_typo:Mine: SyntaxError: "):
        catalog.strategy_class("mine")


def test_another_package_named_baselines_is_explained(plug_in: Any) -> None:
    plug_in(("baselines", "baselines:NOT_OURS"))
    with pytest.raises(UserError, match="pip uninstall baselines"):
        catalog.names("strategies")


@pytest.mark.parametrize("kind", ["strategies", "benchmarks"])
def test_a_name_that_is_a_setting_is_refused(tmp_path, kind):
    """Records would be those of the strategy that it names."""
    (tmp_path / "my.py").write_text(
        "from dataclasses import dataclass\n"
        "@dataclass(frozen=True, kw_only=True)\n"
        "class Mine:\n"
        "    name: str = 'finetune'\n"
        "    scenarios, datasets, facts = (), (), None\n"
        "    def build(self, *_, **__): ...\n"
    )
    with pytest.raises(UserError, match="has its name as a setting, by which records would be those of another"):
        catalog.build(kind, "my.py:Mine", {}, where="a test", file=tmp_path / "my.py")


@pytest.mark.parametrize(
    ("facts", "words"), [("1 / 0", "ZeroDivisionError: division by zero"), ("None", "found NoneType")]
)
def test_a_benchmark_whose_facts_are_none_is_refused_in_a_sentence(tmp_path, facts, words):
    (tmp_path / "mine.py").write_text(
        "from dataclasses import dataclass\n"
        "@dataclass(frozen=True, kw_only=True)\n"
        "class Mine:\n"
        "    name, datasets = 'mine', ()\n"
        f"    facts = property(lambda self: {facts})\n"
        "    def build(self, **_): ...\n"
    )
    with pytest.raises(UserError, match=words):
        catalog.build("benchmarks", "mine.py:Mine", {}, where="a test", file=tmp_path / "mine.py")
