"""The picture of a table: there when there is something to show, and the same bytes for the same records."""

import xml.etree.ElementTree as ElementTree
from collections.abc import Callable
from pathlib import Path

from matplotlib.collections import PolyCollection
from matplotlib.figure import Figure

from hnet_bench.papers.table import load_table
from hnet_bench.reporting.figures import comparison
from hnet_bench.reporting.figures.comparison import draw_scenario
from hnet_bench.reporting.figures.encode import encode
from hnet_bench.reporting.figures.subject import Subject
from hnet_bench.runs.plan import CellState, table_state
from hnet_bench.runs.record import Record
from hnet_bench.runs.spec import resolve_cell
from hnet_bench.runs.store import Store


def states_of(record_of: Callable[..., Record], seeds: tuple[int, ...]) -> list[CellState]:
    """The first cell of mine.toml has records with the average accuracies 0.6, 0.5, 0.4, ... for these seeds."""
    table, store = load_table("mine.toml"), Store(Path("results"))
    for index, seed in enumerate(seeds):
        spec = resolve_cell(table.cells[0], seed=seed)
        store.write(spec, record_of(spec, score=[[0.9, 0.1], [0.5 - 0.2 * index, 0.7]]))
    return table_state(table, store)


def test_the_picture_is_sound_xml_with_the_same_bytes_each_time(
    user_table: Path, record_of: Callable[..., Record]
) -> None:
    subject = Subject(
        table=load_table("mine.toml"),
        states=states_of(record_of, (1, 2)),
        store=Store(Path("results")),
        command="mine.toml",
    )
    picture = encode(comparison.figure(subject), "svg")
    assert ElementTree.fromstring(picture).tag.endswith("svg")
    assert picture == encode(comparison.figure(subject), "svg")
    assert b"dc:date" not in picture


def test_bars_are_means_points_are_seeds_and_the_diamond_is_reported(
    user_table: Path, record_of: Callable[..., Record]
) -> None:
    state = states_of(record_of, (1, 2))[0]
    axes = Figure().subplots()
    draw_scenario(axes, [state], [state.cell.row])
    (bar,) = (part for part in axes.collections if isinstance(part, PolyCollection))
    (corners,) = (path.vertices for path in bar.get_paths())
    assert (corners[:, 0].min(), round(corners[:, 0].max(), 6)) == (0, 55)
    seeds, reported = axes.lines[0], axes.lines[1]
    assert [round(float(x), 6) for x in seeds.get_xdata()] == [60, 50]
    assert state.cell.reported is not None
    assert float(reported.get_xdata()[0]) == 100 * state.cell.reported.mean
