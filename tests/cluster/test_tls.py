"""TLS as docs/clusters.md has it: with a key, which the page's commands make, sweeps go on; without, nobody gets in."""

import os
import re
import shutil
import subprocess
from pathlib import Path

import pytest

PAGE = (Path(__file__).parents[2] / "docs" / "clusters.md").read_text().partition("### TLS")[2]
COMMANDS, SETTINGS = (re.search(rf"```{kind}\n(.*?)```", PAGE, re.DOTALL)[1] for kind in ("sh", "yaml"))
ONE_RUN = ("--seeds", "1")

pytestmark = pytest.mark.skipif(shutil.which("openssl") is None, reason="openssl is not installed")


@pytest.fixture
def key(tmp_path, monkeypatch):
    """Does what the page says, with another home, for all that is started from here."""
    home = tmp_path / "home"
    home.mkdir()
    subprocess.run(["sh", "-ec", COMMANDS], env={**os.environ, "HOME": str(home)}, check=True, capture_output=True)
    (home / "config").mkdir()
    (home / "config" / "tls.yaml").write_text(SETTINGS.replace("/home/me", str(home)))
    monkeypatch.setenv("DASK_CONFIG", str(home / "config"))
    return home / "dask-tls" / "key.pem"


def test_only_its_owner_reads_the_key(key):
    assert key.stat().st_mode & 0o077 == 0
    assert key.parent.stat().st_mode & 0o077 == 0


def test_a_cluster_that_is_there_takes_a_sweep_with_the_key_and_none_without(key, cluster, begin, monkeypatch):
    address = cluster.address
    assert address.startswith("tls://")
    cluster.start_worker()
    assert len(begin("--scheduler", address, *ONE_RUN).records()) == 1
    monkeypatch.delenv("DASK_CONFIG")
    without = begin("--scheduler", address)
    assert without.ended() == 2
    assert f"'{address}' speaks TLS, and Dask's settings here name no certificates" in "".join(without.lines)
    plain = begin("--scheduler", address.replace("tls://", "tcp://"))
    assert plain.ended() == 2
    assert "Error: No Dask scheduler answers at 'tcp://" in "".join(plain.lines)
