"""Prints the exact versions of hnet_bench[train] and of all that it needs in this environment, as pip's constraints."""

import sys
from importlib import metadata

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

found: dict[str, str] = {}
waiting = [Requirement("hnet_bench[train]")]
while waiting:
    wanted = waiting.pop()
    for needed in metadata.requires(wanted.name) or []:
        one = Requirement(needed)
        extras = [{"extra": extra} for extra in ("", *wanted.extras)]
        name = canonicalize_name(one.name)
        if name not in found and (one.marker is None or any(map(one.marker.evaluate, extras))):
            found[name] = metadata.version(name)
            waiting.append(one)
python = ".".join(map(str, sys.version_info[:3]))
print(f"# What the newest records in results/ were made with, by Python {python}: .ci/constraints.py prints it.")
print("\n".join(f"{name}=={version}" for name, version in sorted(found.items())))
