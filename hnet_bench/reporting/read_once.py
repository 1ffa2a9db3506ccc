"""A store that reads each record once, however many tables show it."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

from hnet_bench.runs.record import Record
from hnet_bench.runs.store import Store


@dataclass(frozen=True)
class ReadOnce(Store):
    """For reports of many tables: records are written once and never edited, so what was read stays true."""

    _read: dict[Path, Record] = field(default_factory=dict, repr=False, compare=False)

    def read(self, path: Path) -> Record:
        if path not in self._read:
            self._read[path] = super().read(path)
        return self._read[path]
