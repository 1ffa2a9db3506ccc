"""Writes the lower bounds of all dependencies as pip's constraints: lowest_versions.py FILE"""

import re
import sys
from pathlib import Path

try:
    import tomllib
except ModuleNotFoundError:  # Python 3.10
    from pip._vendor import tomli as tomllib

project = tomllib.loads((Path(__file__).parent.parent / "pyproject.toml").read_text())["project"]
declared = [*project["dependencies"], *project["optional-dependencies"]["train"]]
bounds = [re.match(r"([\w.-]+)(?:\[\w+\])?>=([\d.]+)", line) for line in declared]
Path(sys.argv[1]).write_text("".join(f"{bound[1]}=={bound[2]}\n" for bound in bounds if bound))
