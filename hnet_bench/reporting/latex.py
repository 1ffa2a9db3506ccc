"""A report as LaTeX with booktabs: compiles on its own, and can be \\input into a paper.

Wide or long tables are scaled down to the page, so that a table of any size compiles to something readable.
"""

from __future__ import annotations

import re
import shlex
import unicodedata
from collections.abc import Iterable, Sequence
from itertools import groupby
from typing import Any

from hnet_bench.reporting.cells import Report
from hnet_bench.reporting.provenance import made_with
from hnet_bench.reporting.report_tables import tables_of
from hnet_bench.reporting.text import code_sources, reported_sources
from hnet_bench.reporting.text_table import Column, Entry, TextTable
from hnet_bench.reporting.verdicts import VERDICTS

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
    "|": r"\textbar{}",
    "\xa0": "~",
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
    "−": "$-$",  # noqa: RUF001 (the sign of mathematics, not a hyphen)
    "≤": r"$\le$",
    "≥": r"$\ge$",
    "≠": r"$\neq$",
    "∞": r"$\infty$",
    "⊗": r"$\otimes$",
    **{kind.symbol: kind.latex for kind in VERDICTS.values() if len(kind.symbol) == 1},
}
# As they stand in Unicode, from U+03B1 and U+0391 on.
_GREEK = (
    "alpha beta gamma delta varepsilon zeta eta theta iota kappa lambda mu nu xi omicron pi rho varsigma sigma tau "
    "upsilon varphi chi psi omega"
)
_GREEK_CAPITALS = "A B Gamma Delta E Z H Theta I K Lambda M N Xi O Pi P - Sigma T Upsilon Phi X Psi Omega"
for _index, (_small, _capital) in enumerate(zip(_GREEK.split(), _GREEK_CAPITALS.split(), strict=True)):
    _CHARACTERS[chr(0x3B1 + _index)] = "o" if _small == "omicron" else rf"$\{_small}$"
    _CHARACTERS[chr(0x391 + _index)] = _capital if len(_capital) == 1 else rf"$\{_capital}$"
# What LaTeX with T1 fonts sets: ASCII, Latin-1 and Latin Extended-A, and the usual dashes, quotation marks and signs.
_KNOWN = re.compile("[ -\u017f\u2010-\u2015\u2018-\u201e\u2022\u2026\u20ac\u2122\u2190-\u2193]")
# What would be set as one sign; and what a command before it would take for an argument of its own.
_LIGATURES = re.compile(r"-(?=-)|,(?=,)|'(?=')|`(?=`)|[?!](?=`)")
_ARGUMENT = re.compile(r"^[\[*]")


def document(report: Report) -> str:
    """The tables of a report, each a float with its legend below, and where the numbers come from."""
    floats = [_float(report, table) for table in tables_of(report)]
    return "\n\n".join([_HEAD, *floats, *_sources(report), _TAIL]) + "\n"


def escape(text: str) -> str:
    """Text as LaTeX sets it, letter for letter and on one line; a minus before a digit is set as one.

    What pdflatex has no letter for is named by its number, such as U+4E2D. A few European letters need fontenc with T1
    in a document that does not stand alone.
    """
    letters = unicodedata.normalize("NFC", _one_line(text))
    known = (letter if _KNOWN.match(letter) else rf"\texttt{{U+{ord(letter):04X}}}" for letter in letters)
    escaped = "".join(_CHARACTERS.get(letter, otherwise) for letter, otherwise in zip(letters, known, strict=True))
    # Two hyphens in a row would become one dash, and a command that readers are to type would be wrong.
    escaped = _ARGUMENT.sub(r"{\g<0>}", _LIGATURES.sub(r"\g<0>{}", escaped))
    return re.sub(r"(?<![\w.])-(?=\d)", "$-$", escaped)


def reference(name: str) -> str:
    """What a paper refers to a float by: other characters than these would end a label, or begin a comment."""
    return re.sub(r"[^A-Za-z0-9_.:-]", lambda found: f"-{ord(found[0]):x}-", name)


def _one_line(text: str) -> str:
    return " ".join(text.split())


def _float(report: Report, table: TextTable) -> str:
    caption = escape(f"{report.title}. {table.title}.")
    lines = [
        r"\begin{table}[p]",
        r"\centering\small\setlength{\tabcolsep}{4pt}",
        rf"\caption{{{caption}}}\label{{{reference(f'tab:{report.name}:{table.name}')}}}",
        r"\begin{lrbox}{\hnetbenchbox}",
        rf"\begin{{tabular}}{{@{{}}{''.join(column.align[0] for column in table.columns)}@{{}}}}",
        r"\toprule",
        *_header(table.columns),
        r"\midrule",
        *_body(table),
        r"\bottomrule",
        r"\end{tabular}",
        r"\end{lrbox}",
        r"\hnetbenchfit",
        "",
        r"\medskip",
        rf"\parbox{{\linewidth}}{{\footnotesize {' '.join(escape(note) for note in table.notes)}}}",
        r"\end{table}",
    ]
    return "\n".join(lines)


def _header(columns: Sequence[Column[Any]]) -> Iterable[str]:
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


def _body(table: TextTable) -> Iterable[str]:
    for index, rows in enumerate(table.bodies):
        if index:
            yield r"\midrule"
        yield from (" & ".join(_field(field) for field in row) + r" \\" for row in rows)


def _field(field: Entry) -> str:
    if not field.best:
        return escape(field.text)
    # Bold is for text; mathematical signs have a switch of their own.
    return rf"{{\bfseries\boldmath {escape(field.text)}}}"


def _sources(report: Report) -> list[str]:
    lines = [*reported_sources(report.cells), *code_sources(report.cells), *made_with(report.cells)]
    source = [f"Source: {report.table.source}."] if report.table.source else []
    command = shlex.join(["hnet-bench", "run", report.command])
    texts = [*source, report.note, *(f"{line}." for line in lines), f"To repeat: {command}."]
    # For whoever reads the file; in a paper this belongs to the text, in the author's words.
    return ["\n".join(f"% {_one_line(text)}" for text in texts if text)]
