"""What runs with a training in common leave each other: its outcome after each experience, as a file in the store.

Declarations only say where to look. An outcome is taken only by a run that trains the first steps itself and has come
to the very state that the other had then, bit for bit, with the same code, versions, processor and data. So a
declaration that forgets what acts within these steps costs time, and changes no score; it must name what may act later
alone, such as sums in another order, whose last bits seldom differ.
"""

from __future__ import annotations

import hashlib
import logging
from collections.abc import Mapping
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path

import torch
from torch import Generator, Tensor, nn

from hnet_bench.avalanche_adapter.operations import SAMPLED
from hnet_bench.avalanche_adapter.resumable import Part, Trained
from hnet_bench.interfaces import Settings
from hnet_bench.runs.checkpoint import StateFile

# Steps of each part of an experience that every run trains itself: those whose operations are counted. Adam's first
# step hardly depends on the size of a gradient, those after it do.
OWN_STEPS = 1 + SAMPLED
_log = logging.getLogger("hnet_bench.run")


@dataclass(frozen=True)
class Sharing:
    """Where the trainings of a run are kept, by their names. `identity` is what an outcome must have been made with."""

    folders: Mapping[str, Path]
    identity: Settings

    def take(self, part: Part, experience: int, state: str) -> float | None:
        """Puts the outcome of a part that another run has trained in the place of its own, whose state it is now;
        returns the seconds that it took there, None if there is no such outcome."""
        if part.trained is None or part.training not in self.folders:
            return None
        found = self._file(part, experience).read()
        if found is None:
            return None
        left, content = found
        if left.get("state") != state or left.get("steps") != _steps(part):
            _log.info("%s of experience %d has another state there, and is trained here", part.training, experience)
            return None
        outcome = torch.load(BytesIO(content), map_location="cpu", weights_only=True)
        for name, one in _all(part.trained).items():
            if isinstance(one, nn.Module):
                one.load_state_dict(outcome[name])
            else:
                one.set_state(outcome[name])
        return float(left["seconds"])

    def leave(self, part: Part, experience: int, state: str, seconds: float) -> None:
        """Keeps the outcome of a part that has just ended, for others; `state` is that after the first steps."""
        if part.trained is None or part.training not in self.folders:
            return
        outcome = {
            name: one.state_dict() if isinstance(one, nn.Module) else one.get_state()
            for name, one in _all(part.trained).items()
        }
        content = BytesIO()
        torch.save(outcome, content)
        left = {"state": state, "steps": _steps(part), "seconds": round(seconds, 3)}
        self._file(part, experience).write(left, content.getvalue())

    def _file(self, part: Part, experience: int) -> StateFile:
        path = self.folders[part.training] / f"{experience}.outcome"
        return StateFile(path, {**self.identity, "training": self.folders[part.training].name}, "outcome")


def state_of(trained: Trained) -> str:
    """SHA-256 of all values of networks and of the states of random generators."""
    digest = hashlib.sha256()
    for name, one in _all(trained).items():
        values = one.state_dict() if isinstance(one, nn.Module) else {"": one.get_state()}
        for key, value in values.items():
            digest.update(f"{name}.{key} {value.dtype} {list(value.shape)}\n".encode())
            digest.update(_bytes(value))
    return digest.hexdigest()


def _steps(part: Part) -> int:
    return part.batches.done + part.batches.left


def _all(trained: Trained) -> dict[str, nn.Module | Generator]:
    # Of torch's own generator it may draw as well.
    return {**trained, "global": torch.default_generator}


def _bytes(value: Tensor) -> bytes:
    return value.detach().cpu().contiguous().numpy().tobytes()
