"""Axes that never show an axis of their own: `frame` draws what stands around them."""

from __future__ import annotations

from typing import Any

from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.axis import XAxis, YAxis


class _NoTicks:
    """Matplotlib makes a first tick of each axis only to set its clip path and what the user's style says of it: half
    of what axes cost."""

    def set_clip_path(self, path: Any, transform: Any = None) -> None:
        Artist.set_clip_path(self, path, transform)  # type: ignore[arg-type]


class _Across(_NoTicks, XAxis):
    pass


class _Up(_NoTicks, YAxis):
    pass


class Panel(Axes):
    """Data coordinates and what is drawn in them."""

    def _init_axis(self) -> None:  # as matplotlib's example of a projection of one's own does
        self.xaxis, self.yaxis = _Across(self, clear=False), _Up(self, clear=False)
        self.spines.bottom.register_axis(self.xaxis)
        self.spines.left.register_axis(self.yaxis)

    def clear(self) -> None:
        """Called by matplotlib."""
        super().clear()
        self.set_axis_off()

    def tick_params(self, *args: Any, **settings: Any) -> None:
        """Called by matplotlib, to no end here."""

    def grid(self, *args: Any, **settings: Any) -> None:
        """There are no lines but those of `frame`."""
