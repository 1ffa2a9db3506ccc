"""Figures: each kind is a function of a frame of scores that draws on axes and returns them.

    from hnet_bench import api
    from hnet_bench.reporting import figures

    frame = api.scores("quick", scenarios="CL3")
    figures.learning_curves(frame, ax=ax)

`docs/figures.md` shows them. Nothing that draws is loaded before it is asked for.
"""

from __future__ import annotations

from typing import Any


def __getattr__(name: str) -> Any:
    """The function of a kind, or `STYLE`, the path of our style sheet."""
    from hnet_bench.reporting.figures.kinds import KINDS, kind_of

    if name == "STYLE":
        from hnet_bench.reporting.figures.style import STYLE

        return STYLE
    if name.replace("_", "-") in KINDS:
        return kind_of(name.replace("_", "-")).draw
    raise AttributeError(
        f"There is no figure '{name}': known are {', '.join(kind.replace('-', '_') for kind in KINDS)}."
    )
