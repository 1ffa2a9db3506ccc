"""Figures as parts of the page: matplotlib's SVGs in a third of their bytes, with a second palette for dark paper.

How things look stands in classes that all figures of a page share, with their colours on light and on dark paper: greys
are mirrored, other colours come nearer to white. What a colour scale gives is the same on both: images, and the cells
of a matrix with the numbers on them.
"""

from __future__ import annotations

import re
from base64 import b64decode, b64encode, urlsafe_b64encode
from collections.abc import Iterable, Iterator
from functools import cache
from hashlib import sha256
from html import escape
from io import BytesIO
from itertools import groupby
from typing import NamedTuple
from xml.etree import ElementTree
from xml.etree.ElementTree import Element

DARK_INK, DARK_PAPER = "#e6edf3", "#14181d"  # of templates/style.css

_IN_WORDS = "its numbers stand in the tables and records of this page"
_TAGS = ("clipPath", "defs", "desc", "g", "image", "path", "pattern", "rect", "text", "tspan", "use")
_KEPT = ("clip-path", "x", "y", "width", "height", "d", "transform", "patternUnits")
_HREF = "{http://www.w3.org/1999/xlink}href"
_COLOUR = re.compile(r"#[0-9a-f]{6}\b")
_REFERENCE = re.compile(r"url\(#([^)]+)\)")
_DECIMALS = re.compile(r"-?\d+\.\d{2,}(?:e-?\d+)?")
_COMMAND = re.compile(r"([a-zA-Z])([^a-zA-Z]*)")
_TO_WHITE = 1 / 3  # the darkest line of a sweep has a contrast of 3 then


class _Drawn(NamedTuple):
    """An element with its attributes and what stands in it."""

    tag: str
    attributes: dict[str, str]
    inner: str = ""

    @property
    def clip(self) -> str:
        """The clip path, where it is in the coordinates of the figure."""
        return "" if "transform" in self.attributes else self.attributes.get("clip-path", "")

    def text(self) -> str:
        """The markup."""
        opening = self.tag + "".join(f' {name}="{escape(value)}"' for name, value in self.attributes.items())
        return f"<{opening}>{self.inner}</{self.tag}>" if self.inner else f"<{opening}/>"


class InlineSvg(NamedTuple):
    """A figure as an element of a page, and what its classes say, by their names: the same whatever else is there."""

    markup: str
    rules: dict[str, str]


def inline(svg: bytes, title: str, key: str) -> InlineSvg:
    """A figure as an element of a page on which no other has this `key`; its title is its accessible name.

    Elements and attributes that our figures do not need are left out. Raises ValueError if the file declares no size in
    points.
    """
    root = ElementTree.fromstring(svg)
    sizes = [re.fullmatch(r"([\d.]+)pt", root.get(side, "")) for side in ("width", "height")]
    width, height = (float(size[1]) if size else 0 for size in sizes)
    if not (width and height):
        raise ValueError("The SVG declares no size in points.")
    # Of pixels there are four to three points.
    attributes = {"class": "drawing", "role": "img", "aria-label": f"{title}; {_IN_WORDS}"}
    attributes |= {"width": f"{width * 4 / 3:.0f}", "height": f"{height * 4 / 3:.0f}"}
    attributes["viewBox"] = f"0 0 {width:g} {height:g}"
    figure = _Figure(key)
    drawn = _together(figure.drawn(child) for child in root)
    return InlineSvg(_Drawn("svg", attributes, drawn).text(), figure.rules)


def style(figures: Iterable[InlineSvg]) -> str:
    """The rules of all classes of these figures."""
    rules = {name: text for figure in figures for name, text in figure.rules.items()}
    every = ".drawing * { stroke-linejoin: round; stroke-linecap: butt; }\n"
    return every + "".join(f".{name} {{ {text}; }}\n" for name, text in rules.items())


class _Figure:
    def __init__(self, key: str) -> None:
        self.rules: dict[str, str] = {}
        self._key = key
        self._class_of = cache(self._class)  # few looks, and thousands of elements

    def drawn(self, element: Element, *, of_scale: bool = False) -> Iterator[_Drawn]:
        """The element; those in it, if it is a group without a meaning of its own."""
        tag = element.tag.rpartition("}")[2]
        if tag not in _TAGS:
            return
        attributes = dict(self._attributes(element, tag, of_scale))
        if tag in ("desc", "text", "tspan"):
            inner = escape(element.text or "", quote=False)
            for child in element:
                inner += "".join(part.text() for part in self.drawn(child)) + escape(child.tail or "", quote=False)
            yield _Drawn(tag, attributes, inner)
            return
        # Axes with a mesh of cells: its colours are those of a scale, and texts beside it are the numbers of the cells.
        mesh = any(child.get("id", "").startswith("QuadMesh") for child in element)
        parts: list[_Drawn] = []
        for child in element:
            scale = of_scale or (mesh and child.get("id", "").startswith(("QuadMesh", "text")))
            parts += self.drawn(child, of_scale=scale)
        if element.get("id", "").startswith("QuadMesh"):  # cells beside each other, in any order
            parts.sort(key=lambda one: one.attributes.get("class", ""))
        if tag == "g" and not attributes:
            yield from parts
        elif parts or (tag not in ("defs", "g") and (tag != "path" or "d" in attributes)):
            yield _Drawn(tag, attributes, _together([parts]))

    def _attributes(self, element: Element, tag: str, of_scale: bool) -> Iterator[tuple[str, str]]:
        fill = element.get("fill")
        if style := element.get("style", f"fill: {fill}" if fill else ""):
            yield "class", self._class_of(style, of_scale)
        if tag in ("clipPath", "path", "pattern") and (name := element.get("id")):
            yield "id", self._id(name)
        href = element.get(_HREF, "")
        if href.startswith("#"):
            yield "href", f"#{self._id(href[1:])}"
        elif href.startswith("data:image/png;base64,"):
            yield "href", _without_colours(href)
        for name in _KEPT:
            if not (value := element.get(name, "")):
                continue
            if name == "d":
                value = _short_path(value, digits=2 if "id" in element.attrib else 1)  # markers are small
            elif name in ("x", "y"):
                value = _short(value)
            elif name == "transform":
                value = re.sub(r"rotate\(-?0 [^)]*\)", "", value)
            if value:
                yield name, self._referring(value)

    def _id(self, name: str) -> str:
        """What is called so in this figure has a name of its own on the page."""
        return _named("d", f"{self._key} {name}")

    def _referring(self, text: str) -> str:
        return _REFERENCE.sub(lambda found: f"url(#{self._id(found[1])})", text) if "url(" in text else text

    def _class(self, style: str, of_scale: bool) -> str:
        """The class of this look; l... are lines, of which none shows through another, and cells of a mesh."""
        declarations = []
        for text in map(self._referring, map(str.strip, style.split(";"))):
            declarations.append(text if of_scale and text.startswith("fill:") else _COLOUR.sub(_on_both, text))
        kind = "l" if of_scale or ("fill: none" in declarations and "opacity" not in style) else "s"
        name = _named(kind, "; ".join(declarations))
        self.rules[name] = "; ".join(declarations)
        return name


def _named(kind: str, what: str) -> str:
    """A name that nothing else has."""
    return kind + urlsafe_b64encode(sha256(what.encode()).digest()[:6]).decode()


def _together(drawn: Iterable[Iterable[_Drawn]]) -> str:
    """Elements one after the other: those with the same clip path in a group, lines that look the same in one path."""
    text = ""
    for clip, those in groupby((one for some in drawn for one in some), key=lambda one: one.clip):
        inner = ""
        for attributes, same in groupby(those, key=_as_line):
            ones = list(same)
            if attributes:
                line = dict(attributes) | {"d": "".join(one.attributes["d"] for one in ones)}
                ones = [_Drawn("path", line)]
            for one in ones:
                kept = {name: value for name, value in one.attributes.items() if name != "clip-path" or not clip}
                inner += one._replace(attributes=kept).text()
        text += f'<g clip-path="{clip}">{inner}</g>' if clip else inner
    return text


def _on_both(found: re.Match[str]) -> str:
    """The colour on light paper, and what stands for it on dark."""
    colour, ink, paper = ([int(text[at : at + 2], 16) for at in (1, 3, 5)] for text in (found[0], DARK_INK, DARK_PAPER))
    if len(set(colour)) == 1:
        dark = [round(low + (high - low) * colour[0] / 255) for low, high in zip(ink, paper, strict=True)]
    else:
        dark = [round(part + (255 - part) * _TO_WHITE) for part in colour]
    return f"light-dark({found[0]}, #{''.join(f'{part:02x}' for part in dark)})"


def _short(numbers: str, digits: int = 1) -> str:
    """Numbers to a tenth of a point, which nobody can see."""
    return _DECIMALS.sub(lambda found: f"{round(float(found[0]), digits) + 0.0:g}", numbers)


def _short_path(path: str, digits: int) -> str:
    """The same path: lines along an axis name one number, what repeats the last command does not name it, and what
    comes back along an axis to where it began is closed."""
    text, last, x, y = "", "", "", ""
    commands = _COMMAND.findall(_short(path, digits))
    for index, (command, numbers) in enumerate(commands):
        points = numbers.split()
        before, (x, y) = (x, y), points[-2:] or (x, y)
        if index and index == len(commands) - 1 and command == "L" and points == commands[0][1].split():
            return f"{text}z"
        if command == "L" and y == before[1]:
            command, points = "H", [x]
        elif command == "L" and x == before[0]:
            command, points = "V", [y]
        text += (" " if command == last and command in "CHLV" else command) + " ".join(points)
        last = command
    return text


def _without_colours(href: str) -> str:
    """The same image, a PNG, in one channel instead of four where it is grey and opaque."""
    from PIL import Image

    image = Image.open(BytesIO(b64decode(href.partition(",")[2])))
    red, green, blue, opacity = image.convert("RGBA").split()
    grey = red.tobytes() == green.tobytes() == blue.tobytes() and opacity.getextrema() == (255, 255)
    smaller = BytesIO()
    (red if grey else image).save(smaller, "png", optimize=True)
    return f"data:image/png;base64,{b64encode(smaller.getvalue()).decode()}"


def _as_line(one: _Drawn) -> tuple[tuple[str, str], ...]:
    """What lines have in common that can be one path; empty for everything else."""
    if one.tag != "path" or "id" in one.attributes or not one.attributes.get("class", "").startswith("l"):
        return ()
    return tuple((name, value) for name, value in one.attributes.items() if name != "d")
