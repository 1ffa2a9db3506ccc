"""A report as LaTeX with booktabs: compiles on its own, and can be \\input into a paper.

Wide or long tables are scaled down to the page, so that a table of any size compiles to something readable.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from itertools import groupby

from hnet_bench.reporting.grid import Column, Entry, Grid
from hnet_bench.reporting.grids import grids_of
from hnet_bench.reporting.model import Report
from hnet_bench.reporting.tables import made_with, reported_sources

# \@nodocument is \relax between \begin{document} and \end{document} and nowhere else.
_HEAD = r"""% Compiles on its own. In a document that loads amssymb, booktabs and graphicx it can be \input.
\makeatletter
\ifx\@nodocument\relax\else
  \def\hnetbenchalone{}
  \documentclass[a4paper,10pt]{article}
  \usepackage[utf8]{inputenc}
  \usepackage[T1]{fontenc}
  \usepackage[landscape,margin=20mm]{geometry}
  \usepackage{amssymb,booktabs,graphicx}
  \begin{document}
\fi
\makeatother
% Shrinks a table that is wider or higher than the page allows.
\ifdefined\hnetbenchbox\else\newsavebox\hnetbenchbox\fi
\def\hnetbenchfit{%
  \ifdim\wd\hnetbenchbox>\linewidth\sbox\hnetbenchbox{\resizebox{\linewidth}{!}{\usebox\hnetbenchbox}}\fi
  \ifdim\dimexpr\ht\hnetbenchbox+\dp\hnetbenchbox\relax>0.7\textheight
    \sbox\hnetbenchbox{\resizebox{!}{0.7\textheight}{\usebox\hnetbenchbox}}\fi
  \usebox\hnetbenchbox}"""
_TAIL = r"""\ifdefined\hnetbenchalone\end{document}\fi"""

_CHARACTERS = {
    "\\": r"\textbackslash{}",
    "{": r"\{",
    "}": r"\}",
    "&": r"\&",
    "%": r"\%",
    "$": r"\$",
    "#": r"\#",
    "_": r"\_",
    "~": r"\textasciitilde{}",
    "^": r"\textasciicircum{}",
    "<": "$<$",
    ">": "$>$",
    "±": r"$\pm$",
    "≈": r"$\approx$",
    "°": r"$^\circ$",
    "‖": r"$\|$",
    "†": r"\dag{}",
    "‡": r"\ddag{}",
    "✓": r"$\checkmark$",
    "▲": r"$\blacktriangle$",
    "▼": r"$\blacktriangledown$",
}


def document(report: Report) -> str:
    """The tables of a report, each a float with its legend below, and where the numbers come from."""
    floats = [_float(report, grid) for grid in grids_of(report)]
    return "\n\n".join([_HEAD, *floats, *_sources(report), _TAIL]) + "\n"


def escape(text: str) -> str:
    """Text as LaTeX sets it, letter for letter; a minus before a digit is set as one."""
    escaped = "".join(_CHARACTERS.get(character, character) for character in text)
    # Two hyphens in a row would become one dash, and a command that readers are to type would be wrong.
    escaped = re.sub(r"-(?=-)", "-{}", escaped)
    return re.sub(r"(?<![\w.])-(?=\d)", "$-$", escaped)


def _float(report: Report, grid: Grid) -> str:
    caption = escape(f"{report.title}. {grid.title}.")
    lines = [
        r"\begin{table}[p]",
        r"\centering\small\setlength{\tabcolsep}{4pt}",
        rf"\caption{{{caption}}}\label{{tab:{report.name}:{grid.name}}}",
        r"\begin{lrbox}{\hnetbenchbox}",
        rf"\begin{{tabular}}{{@{{}}{''.join(column.align[0] for column in grid.columns)}@{{}}}}",
        r"\toprule",
        *_header(grid.columns),
        r"\midrule",
        *_body(grid),
        r"\bottomrule",
        r"\end{tabular}",
        r"\end{lrbox}",
        r"\hnetbenchfit",
        "",
        r"\medskip",
        rf"\parbox{{\linewidth}}{{\footnotesize {' '.join(escape(note) for note in grid.notes)}}}",
        r"\end{table}",
    ]
    return "\n".join(lines)


def _header(columns: Sequence[Column]) -> Iterable[str]:
    if any(column.group for column in columns):
        spans, rules, first = [], [], 1
        for group, members in groupby(columns, key=lambda column: column.group):
            width = len(list(members))
            spans.append(rf"\multicolumn{{{width}}}{{c}}{{{escape(group)}}}")
            rules += [rf"\cmidrule(lr){{{first}-{first + width - 1}}}"] if group else []
            first += width
        yield " & ".join(spans) + r" \\"
        yield "".join(rules)
    yield " & ".join(escape(column.heading) for column in columns) + r" \\"


def _body(grid: Grid) -> Iterable[str]:
    for index, rows in enumerate(grid.bodies):
        if index:
            yield r"\midrule"
        yield from (" & ".join(_field(entry) for entry in row) + r" \\" for row in rows)


def _field(entry: Entry) -> str:
    if not entry.best:
        return escape(entry.text)
    # Bold is for text; mathematical signs have a switch of their own.
    return rf"{{\bfseries\boldmath {escape(entry.text)}}}"


def _sources(report: Report) -> list[str]:
    lines = [*reported_sources(report.states), *made_with(report.states)]
    source = [f"Source: {report.source}."] if report.source else []
    texts = [*source, report.note, *(f"{line}." for line in lines), f"To repeat: hnet-bench run {report.command}."]
    # For whoever reads the file; in a paper this belongs to the text, in the author's words.
    return ["\n".join(f"% {text}" for text in texts if text)]
