"""What a generator replays of each task: a line of samples for each, from the arrays that runs keep beside records."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from hnet_bench.interfaces import UserError
from hnet_bench.reporting.figures.estimates import Array
from hnet_bench.reporting.figures.sheet import Grid, sheet, wrap
from hnet_bench.reporting.figures.style import SMALL, TEXT
from hnet_bench.reporting.figures.subject import SCENARIO_NAMES, Subject, head_of
from hnet_bench.runs.plan import CellState

# Arrays of bytes in the archive beside a record: of a generator that knows tasks, and of one that does not.
PER_TASK, MIXED = "replay_samples", "generated_samples"
_AXES = {
    PER_TASK: ("tasks", "samples", "channels", "height", "width"),
    MIXED: ("samples", "channels", "height", "width"),
}
_PER_LINE, _LINES = 8, 5
_SIDE = 0.24  # inches of one sample
_STEP = 8  # between levels of grey: more of them make larger files and look the same


@dataclass(frozen=True, kw_only=True)
class Samples:
    """Samples of one run to be shown, a line for each task, or for none in particular."""

    images: Array  # bytes (lines, samples, height, width), with (..., 3) in colour
    tasks: tuple[int, ...] | None  # the task of each line, from 1
    put_back: bool = False  # whether pixels stand where they were before they were permuted


def figure(subject: Subject) -> Figure | None:
    """A panel for each cell whose runs keep samples, of its lowest seed; None if there is none."""
    found = [
        (f"{SCENARIO_NAMES[state.cell.scenario.label]}, seed {kept[0]}", state, samples)
        for state in subject.measured
        if (kept := subject.arrays(state)) and (samples := samples_of(state, *kept))
    ]
    if not found:
        return None
    columns = min(3, len(found))
    size = (_PER_LINE * _SIDE, max(len(samples.images) for *_, samples in found) * _SIDE)
    titles = ["\n".join([*wrap(state.cell.label, size[0], TEXT), place]) for place, state, _ in found]
    head = head_of(titles)
    page = sheet(
        Grid(
            rows=-(-len(found) // columns),
            columns=columns,
            panel=size,
            gap=(0.62, head + 0.1),
            bottom=0.08,
            head=head,
        ),
        title=subject.table.title,
        what="Replayed samples",
        caption=_caption([samples for *_, samples in found]),
        reduced=subject.reduced,
    )
    for panel, (_, _, samples), title in zip(page.first(len(found), kind=Axes), found, titles, strict=True):
        draw(panel, samples)
        panel.set_title(title, parse_math=False)
    return page.figure


def draw(axes: Axes, samples: Samples) -> Axes:
    """Draws the samples as a mosaic, as light or dark as they are."""
    lines, across, height, width = samples.images.shape[:4]
    mosaic = samples.images.swapaxes(1, 2).reshape(lines * height, across * width, *samples.images.shape[4:])
    levels = numpy.minimum(numpy.rint(mosaic / _STEP) * _STEP, 255).astype(numpy.uint8)
    axes.imshow(levels, cmap="gray", vmin=0, vmax=255, interpolation="none", aspect="equal")
    axes.set_anchor("NW")
    labels = [f"task {task}" for task in samples.tasks] if samples.tasks else [""] * lines
    axes.set_yticks([(line + 0.5) * height - 0.5 for line in range(lines)], labels)
    axes.set_xticks([])
    axes.tick_params(length=0, labelsize=SMALL)
    axes.spines[:].set_visible(False)
    return axes


def samples_of(state: CellState, seed: int, arrays: dict[str, Array]) -> Samples | None:
    """What is shown of the arrays of a run: some tasks from the first to the last, some samples of each.

    Raises UserError if the arrays are no images.
    """
    name = next((name for name in _AXES if name in arrays), None)
    if name is None:
        return None
    every = arrays[name]
    if every.ndim != len(_AXES[name]) or every.shape[-3] not in (1, 3) or not every.size:
        raise UserError(
            f"'{name}' of {state.cell.where}, seed {seed}, must be images of one or three channels, "
            f"({', '.join(_AXES[name])}), found the shape {every.shape}."
        )
    if name == MIXED:
        lines = every[: _LINES * _PER_LINE]
        lines = lines[: max(1, len(lines) // _PER_LINE) * _PER_LINE].reshape(
            -1, min(_PER_LINE, len(lines)), *every.shape[1:]
        )
        return Samples(images=_channels_last(lines), tasks=None)
    tasks = numpy.unique(numpy.rint(numpy.linspace(0, len(every) - 1, _LINES)).astype(int))
    orders = pixel_orders(state, seed)
    chosen = every[tasks, :_PER_LINE]
    if orders is not None:
        chosen = unpermuted(chosen, orders[tasks])
    return Samples(
        images=_channels_last(chosen), tasks=tuple(int(task) + 1 for task in tasks), put_back=orders is not None
    )


def pixel_orders(state: CellState, seed: int) -> Array | None:
    """Permutations (T, pixels) of a benchmark that has them: pixel i of task t is pixel [t, i] of the image."""
    benchmark = state.spec.with_seed(seed).build_benchmark() if state.spec else None
    orders_of = getattr(benchmark, "pixel_orders", None)
    return None if orders_of is None else orders_of(seed)


def unpermuted(samples: Array, orders: Array) -> Array:
    """Samples (tasks, n, channels, height, width) with the pixels where `orders` (tasks, pixels) took them from."""
    flat = samples.reshape(*samples.shape[:2], -1)
    images = numpy.empty_like(flat)
    for image, permuted, order in zip(images, flat, orders, strict=True):
        image[:, order] = permuted
    return images.reshape(samples.shape)


def _channels_last(samples: Array) -> Array:
    return samples[:, :, 0] if samples.shape[2] == 1 else numpy.moveaxis(samples, 2, -1)


def _caption(every: Sequence[Samples]) -> str:
    text = "One seed for each cell, the lowest that has samples; drawn after the last experience, not chosen."
    if any(samples.tasks for samples in every):
        text += " The last task is never replayed."
    if any(samples.tasks and len(samples.tasks) < samples.tasks[-1] for samples in every):
        text += f" {_LINES} of the tasks are shown."
    if any(samples.tasks is None for samples in every):
        text += " Lines without a name: from a generator of all tasks together."
    if any(samples.put_back for samples in every):
        text += " Pixels are put back where they were before they were permuted."
    return text
