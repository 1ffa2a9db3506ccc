"""Makes the environment that tox's py, faults, cluster, type and bench share: shared_environment.py FOLDER

torch and its CUDA libraries weigh 6.6 GB and take minutes to install, and tox gives every environment its own folder.
Does nothing if the environment is there and neither pyproject.toml nor Python has changed.
"""

import hashlib
import os
import subprocess
import sys
import venv
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
PACKAGES = ["-e", f"{ROOT}[train,test,slurm,dashboard,tls]", "build", "mypy"]


def main(folder: Path) -> None:
    """Creates or updates the environment in this folder; its stamp says what it was made from."""
    stamp = folder / "made-from"
    made_from = hashlib.sha256(sys.version.encode() + (ROOT / "pyproject.toml").read_bytes()).hexdigest()
    if stamp.is_file() and stamp.read_text() == made_from:
        return
    stamp.unlink(missing_ok=True)
    venv.create(folder, with_pip=True)
    python = folder / ("Scripts" if os.name == "nt" else "bin") / "python"
    subprocess.run([python, "-m", "pip", "install", *PACKAGES], check=True)
    stamp.write_text(made_from)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
