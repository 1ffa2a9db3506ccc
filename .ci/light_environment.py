"""Installs into the running environment what reports need: the project with its dependencies, less those for training.

torch and what stands on it weigh 6.6 GB, and no report needs them. Versions are those that pyproject.toml asks for.
"""

import re
import subprocess
import sys
from pathlib import Path

try:
    import tomllib
except ModuleNotFoundError:  # Python 3.10
    from pip._vendor import tomli as tomllib

ROOT = Path(__file__).resolve().parent.parent
FOR_TRAINING = {"torch", "torchvision", "avalanche-lib", "setuptools", "dask"}


def main() -> None:
    """Does nothing slow if all is there already."""
    declared = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["dependencies"]
    needed = [line for line in declared if re.match(r"[\w-]+", line)[0] not in FOR_TRAINING]
    pip = [sys.executable, "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
    subprocess.run([*pip, *needed], check=True)
    # Its entry points say where the baselines are.
    subprocess.run([*pip, "--no-deps", "-e", ROOT], check=True)


if __name__ == "__main__":
    main()
