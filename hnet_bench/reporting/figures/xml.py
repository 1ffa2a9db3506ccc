"""XML without indentation, written faster than matplotlib's own writer does: a figure has thousands of elements."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Protocol
from xml.sax.saxutils import escape


class Stream(Protocol):
    """What XML is written to."""

    def write(self, text: str, /) -> object:
        """Takes text."""


class Writer:
    """What `matplotlib.backends.backend_svg.RendererSVG` asks of its `writer`. An element starts on a line of its own;
    `is_open` names elements that have been opened already."""

    def __init__(self, stream: Stream, is_open: tuple[str, ...] = ()) -> None:
        self._write = stream.write
        self._tags = list(is_open)
        self._pending = ""  # a start tag without its end, which depends on what follows

    def start(self, tag: str, attrib: Mapping[str, str] | None = None, **extra: str) -> int:
        """Opens an element and returns what `close` closes it with."""
        given = {**attrib, **extra} if attrib else extra
        attributes = "".join([f" {name}={_quoted(value)}" for name, value in given.items() if value])
        self._write(f"{self._pending}<{tag}{attributes}")
        self._pending = ">\n"
        self._tags.append(tag)
        return len(self._tags) - 1

    def end(self, tag: str | None = None, indent: bool = True) -> None:
        """Closes the innermost element."""
        last = self._tags.pop()
        self._write("/>\n" if self._pending else f"</{last}>\n")
        self._pending = ""

    def close(self, identity: int) -> None:
        """Closes elements up to the one that `start` returned this for."""
        while len(self._tags) > identity:
            self.end()

    def element(self, tag: str, text: str | None = None, attrib: Mapping[str, str] | None = None, **extra: str) -> None:
        """A whole element."""
        self.start(tag, attrib, **extra)
        if text:
            self.data(text)
        self.end()

    def data(self, text: str) -> None:
        """Text inside the element that was opened last."""
        self._write(self._pending.rstrip("\n") + escape(text))
        self._pending = ""

    def comment(self, text: str) -> None:
        """A comment, in which two dashes cannot follow each other."""
        safe = escape(text)
        while "--" in safe:
            safe = safe.replace("--", "- -")
        self.raw(f"<!-- {safe} -->\n")

    def raw(self, lines: str) -> None:
        """XML as it is."""
        self._write(self._pending + lines)
        self._pending = ""

    def flush(self) -> None:
        """Nothing is held back but the end of a start tag."""


def _quoted(value: str) -> str:
    if "&" in value or "<" in value or ">" in value or '"' in value:
        value = escape(value, {'"': "&quot;"})
    return f'"{value}"'
