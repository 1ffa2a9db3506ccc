"""The space of task embeddings: a regular grid in it, and what a hypernetwork generates for many points at once."""

from __future__ import annotations

from collections.abc import Iterator

import torch
from torch import Tensor

from hnet_bench.nets.hypernetwork import ChunkedHypernetwork
from hnet_bench.nets.products import product

# Generated parameters that are held at once.
_PARAMETERS_AT_ONCE = 20_000_000


def embedding_grid(learned: Tensor, points: int, limit: float | None) -> Tensor:
    """Regular grid (points, points, 2) with grid[i, j] = (x[j], y[i]) that spans `limit` to both sides of 0 each way.

    None: half as far again as the farthest component of the learned embeddings (T, 2).
    """
    extent = 1.5 * float(learned.abs().max()) if limit is None else limit
    ticks = torch.linspace(-extent, extent, points, device=learned.device)
    return torch.stack(torch.meshgrid(ticks, ticks, indexing="xy"), dim=2)


def generated_chunks(hypernetwork: ChunkedHypernetwork, embeddings: Tensor) -> Iterator[Tensor]:
    """Chunks (chunks, chunk_size) for each of these embeddings (n, n_e), generated for many at once."""
    shape = hypernetwork.shape
    at_once = max(1, _PARAMETERS_AT_ONCE // (shape.chunks * shape.chunk_size))
    for group in embeddings.split(at_once):
        hidden = hypernetwork.hidden(group)
        generated = product(hidden.flatten(0, 1), hypernetwork.output)
        yield from generated.view(len(group), shape.chunks, shape.chunk_size)
