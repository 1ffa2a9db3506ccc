"""The seeds that NumPy's legacy generator takes, which the papers drew class orders, permutations and data with."""

from __future__ import annotations

from hnet_bench.interfaces import UserError

_LIMIT = 2**32


def check_legacy_seed(seed: int, what: str) -> None:
    """Raises UserError that names `what` unless the generator can be seeded with it."""
    if not 0 <= seed < _LIMIT:
        raise UserError(
            f"{what} must be at least 0 and below 2^32, found {seed}: the generator of the papers takes no other."
        )


def check_draw(draw_seed: int | None, *, drawn: bool, needs: str) -> None:
    """Raises UserError for the seed of a draw where nothing is drawn with a seed, and for one of which none can be."""
    if draw_seed is None:
        return
    if not drawn:
        raise UserError(f"'draw_seed' is the seed of a draw, and without {needs} nothing is drawn with a seed.")
    check_legacy_seed(draw_seed, "'draw_seed'")
