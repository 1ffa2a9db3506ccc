"""A record names the commit of the code; where git does not tell it, a run says so beforehand."""

import pytest

import hnet_bench
from hnet_bench.runs import provenance
from hnet_bench.runs.provenance import uncommitted_code, unnamed_commit


@pytest.fixture
def checkout(tmp_path, monkeypatch):
    """A folder that holds this package as far as the package knows, and is a git checkout."""
    (tmp_path / ".git").mkdir()
    monkeypatch.setattr(hnet_bench, "__file__", str(tmp_path / "hnet_bench" / "__init__.py"))
    return tmp_path


def answer(checkout, monkeypatch, script):
    """Puts a git in the path that does this."""
    (programs := checkout / "bin").mkdir()
    (programs / "git").write_text(f"#!/bin/sh\n{script}\n")
    (programs / "git").chmod(0o755)
    monkeypatch.setenv("PATH", f"{programs}:/usr/bin:/bin")


def test_a_checkout_that_git_refuses_is_said_with_gits_own_words(checkout, monkeypatch):
    answer(checkout, monkeypatch, "echo 'fatal: detected dubious ownership in repository' >&2; exit 128")
    assert unnamed_commit() == (
        "Records will not name the commit of this checkout, only the checksum of its code: git says: fatal: detected "
        "dubious ownership in repository."
    )


def test_a_machine_without_git_is_said(checkout, monkeypatch):
    monkeypatch.setenv("PATH", str(checkout))
    assert str(unnamed_commit()).endswith("its code: there is no git here.")


def test_nothing_is_said_of_a_commit_that_is_known_nor_of_an_installed_package(checkout, monkeypatch):
    answer(checkout, monkeypatch, "echo 0123456789")
    assert unnamed_commit() is None
    (checkout / ".git").rmdir()
    monkeypatch.setenv("PATH", "")
    assert unnamed_commit() is None


@pytest.fixture
def fresh_git(monkeypatch):
    """git is asked again, as in another process."""
    monkeypatch.setattr(provenance, "_git", provenance._git.__wrapped__)


@pytest.mark.parametrize(
    ("status", "named"),
    [
        ("?? hnet_bench/papers/mine.chosen.json", "hnet_bench/papers/mine.chosen.json"),
        (" M baselines/er.py\n M hnet_bench/api.py\n M hnet_bench/cli.py", "baselines/er.py (and 2 more)"),
    ],
)
def test_code_without_a_commit_is_said_before_a_sweep(checkout, monkeypatch, fresh_git, status, named):
    """As after `tune`, which writes the choices of a shipped table into the package."""
    answer(checkout, monkeypatch, f"printf '{status}\n'")
    assert uncommitted_code(checkout / "results") == (
        f"Records will say that their code has changes, which nobody else has: no commit holds {named} as it is. "
        "Commit before a sweep whose records you will share."
    )
    assert uncommitted_code(checkout.parent / "elsewhere") is None


def test_nothing_is_said_of_code_that_is_committed_nor_of_an_installed_package(checkout, monkeypatch, fresh_git):
    answer(checkout, monkeypatch, "exit 0")
    assert uncommitted_code(checkout / "results") is None
    (checkout / ".git").rmdir()
    assert uncommitted_code(checkout / "results") is None
