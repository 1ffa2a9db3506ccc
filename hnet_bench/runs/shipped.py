"""Records that are shipped: those of a release, from a distribution of their own or from its archive.

`pip install hnet_bench[records]` installs a results folder, hnet_bench_records, and no code; `results/pyproject.toml`
makes it. One number, in records.sha256 of our package, says which records a release has: it is the sum of a list with
the sum of each file, which any shell computes:

    cd results && sha256sum */*/*/seed* | LC_ALL=C sort -k 2 | sha256sum
"""

from __future__ import annotations

import csv
import hashlib
import re
import zlib
from base64 import urlsafe_b64decode
from collections.abc import Mapping
from importlib.metadata import PackageNotFoundError, distribution
from pathlib import Path
from zipfile import BadZipFile, ZipFile

import hnet_bench
from hnet_bench.interfaces import UserError
from hnet_bench.runs.files import file_sum
from hnet_bench.runs.merge import belongs
from hnet_bench.runs.store import MOST_BYTES, MOST_BYTES_OF_ARRAYS, RUN_ID, Shipped

DISTRIBUTION = "hnet-bench-records"
FOLDER = "hnet_bench_records"
SUM_FILE = Path(hnet_bench.__file__).with_name("records.sha256")
CHECKOUT = Path(hnet_bench.__file__).parents[1] / "results" / "pyproject.toml"
_MOST_BYTES_OF_ARCHIVE = 2**32  # unpacked
# In an archive, below whatever folder. No part begins with a dot, so that none leads out of the folder it goes to.
_RUN = rf"(?:.*/)?((?:[^/\\.][^/\\]*/){{3}}{RUN_ID.pattern}\."
_FILE = re.compile(rf"{_RUN}(json|npz))")
_ANY_FILE = re.compile(rf"{_RUN}[\w.-]+)")


def sums_of(results: Path) -> dict[str, str]:
    """SHA-256 of the files below a results folder that a release has: records and arrays that count."""
    found = [path.relative_to(results).as_posix() for path in results.glob("*/*/*/seed*")]
    return {name: file_sum(results / name) for name in found if _FILE.fullmatch(name)}


def sum_of(sums: Mapping[str, str]) -> str:
    """The one number that stands for all these files: 64 hex digits."""
    lines = (f"{sums[name]}  {name}\n" for name in sorted(sums))
    return hashlib.sha256("".join(lines).encode()).hexdigest()


def installed_records() -> Shipped | None:
    """The records of this release, None where they are not installed, and in a checkout, which has them in results/.

    Nothing that is installed is imported. Raises UserError if they are those of another release.
    """
    try:
        found = None if CHECKOUT.is_file() else distribution(DISTRIBUTION)
    except PackageNotFoundError:
        found = None
    if found is None:
        return None
    sums = {}
    for name, noted, _ in csv.reader((found.read_text("RECORD") or "").splitlines()):
        if name.startswith(f"{FOLDER}/") and noted.startswith("sha256="):
            digest = urlsafe_b64decode(noted.removeprefix("sha256=") + "==").hex()
            sums[name.removeprefix(f"{FOLDER}/")] = digest
    if sum_of(sums) != _released():
        raise UserError(
            f"{DISTRIBUTION} {found.version} does not hold the records that hnet_bench {hnet_bench.__version__} was "
            f"released with, and is left out: pip install {DISTRIBUTION}=={hnet_bench.__version__}."
        )
    return Shipped(Path(str(found.locate_file(FOLDER))).resolve(), sums)


def unpack(archive: Path, into: Path, sha256: str | None = None) -> None:
    """Writes what merging takes of an archive, the wheel of a release or a zip of a results folder, to an empty folder.

    Raises UserError if it is no such archive, too large, holds different files for one place, has another SHA-256 than
    the one that is given, or, without one, anything but the records of this release.
    """
    try:
        if sha256 and (found := file_sum(archive)) != sha256.lower():
            raise UserError(f"{archive} is not the file that is meant: expected SHA-256 {sha256}, found {found}.")
        with ZipFile(archive) as opened:
            members = [
                (match[1], one)
                for one in opened.infolist()
                if (match := _ANY_FILE.fullmatch(one.filename)) and belongs(Path(match[1]))
            ]
            if not members:
                raise UserError(
                    f"{archive} holds no records: expected files as <benchmark>/<scenario>/<strategy>/seed*.json."
                )
            for name, one in members:
                most = MOST_BYTES_OF_ARRAYS if ".npz" in Path(name).name else MOST_BYTES
                if one.file_size > most:
                    raise UserError(
                        f"{one.filename} in {archive} has {one.file_size:,} bytes: expected at most {most:,}."
                    )
            if (size := sum(one.file_size for _, one in members)) > _MOST_BYTES_OF_ARCHIVE:
                raise UserError(f"{archive} holds {size:,} bytes: expected at most {_MOST_BYTES_OF_ARCHIVE:,}.")
            for name, one in members:
                path, content = into / name, opened.read(one)  # which reads no more than that, and checks its CRC
                if path.exists() and path.read_bytes() != content:
                    raise UserError(
                        f"{archive} holds different files for {name}: expected one results folder. Unpack it and merge "
                        "each of its folders."
                    )
                path.parent.mkdir(parents=True, exist_ok=True)
                path.write_bytes(content)
    except (OSError, BadZipFile, zlib.error, NotImplementedError, RuntimeError, EOFError) as error:
        raise UserError(f"{archive} cannot be unpacked: {error}.") from error
    if sha256:
        return
    # What is kept aside is in no release, and decides what counts, too.
    sums = sums_of(into)
    if len(sums) < len({name for name, _ in members}) or sum_of(sums) != _released():
        raise UserError(
            f"{archive} holds other records than hnet_bench {hnet_bench.__version__} was released with: give the "
            "SHA-256 of the file that you mean, --sha256, or unpack your own and merge the folder."
        )


def _released() -> str:
    return SUM_FILE.read_text(encoding="ascii").strip()
