"""Arrays that runs keep beside their records: fitted functions, the space of task embeddings, replayed samples.

regression_x         (T, n)     inputs at which the function of each of T tasks is drawn, ascending
regression_true      (T, n)     the function of each task there, without noise
regression_fit       (T, n)     what the model says of each task there, after the last one
regression_range     (T, 2)     where the training inputs of each task lie, from and to
embedding_grid       (n, n, 2)  the embedding at each point of a grid
embedding_accuracy   (T, n, n)  accuracy of each task with the embedding at each point, fractions
task_embeddings      (T, 2)     the learned embeddings
replay_samples       (T, n, channels, height, width)  bytes, of a generator that knows tasks
generated_samples    (n, channels, height, width)     bytes, of one that does not
"""

from __future__ import annotations

import textwrap
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, TypeAlias

from hnet_bench.interfaces import UserError
from hnet_bench.reporting.figures.panels import SCENARIO_NAMES, Array, Kept, Kind, Panel, current
from hnet_bench.reporting.figures.style import BLACK, SMALL, fallback_look

if TYPE_CHECKING:
    from matplotlib.axes import Axes

Arrays: TypeAlias = Mapping[str, Array]

Shapes: TypeAlias = Mapping[str, tuple[str | int, ...]]

REGRESSION_SHAPES: Shapes = {
    "regression_x": ("T", "n"),
    "regression_true": ("T", "n"),
    "regression_fit": ("T", "n"),
    "regression_range": ("T", 2),
}
EMBEDDING_SHAPES: Shapes = {
    "embedding_grid": ("n", "n", 2),
    "embedding_accuracy": ("T", "n", "n"),
    "task_embeddings": ("T", 2),
}
_SAMPLE_AXES = {
    "replay_samples": ("tasks", "samples", "channels", "height", "width"),
    "generated_samples": ("samples", "channels", "height", "width"),
}
_SAMPLES_PER_LINE, _LINES = 8, 5
_STEP = 8  # between levels of grey: more of them make larger files and look the same
_DIM = 85  # greys between the darkest and the lightest pixel, below which samples would look black


_SAID_OF_SAMPLES = {
    "all": "One seed for each cell, the lowest that has samples; drawn after the last experience, not chosen.",
    "last": "The last task is never replayed.",
    "some": f"{_LINES} of the tasks are shown.",
    "mixed": "Lines without a name: from a generator of all tasks together.",
    "permuted": "Their pixels stay as permuted, since each may be of any task.",
    "put back": "Pixels are put back where they were before they were permuted.",
    "dim": "Where a title says which of the 256 greys there are, they are shown from black to white.",
}


def regression(arrays: Arrays, ax: Axes | None = None, *, limits: tuple[float, float] | None = None) -> Axes:
    """Fitted functions of 1-D regression over the true ones, as in Fig. 2 of von Oswald et al. 2020."""
    ax = current(ax)
    every = [require(arrays, REGRESSION_SHAPES)[name] for name in REGRESSION_SHAPES]
    low, high = limits or (every[1].min(), every[1].max())
    last, bottom = len(every[0]) - 1, ax.get_xaxis_transform()
    for task, (x, true, fit, extent) in enumerate(zip(*every, strict=True)):
        look = fallback_look(task)
        ax.plot(x, true, color=BLACK, linestyle="--", linewidth=1, zorder=3, label="true" if task == 0 else None)
        marks: Any = {"marker": look.marker, "markevery": max(1, len(x) // 8), "label": f"fit of task {task + 1}"}
        ax.plot(x, fit, color=look.colour, linewidth=1.8, **marks)
        ax.plot(extent, [0.04] * 2, color=look.colour, linewidth=3, transform=bottom, solid_capstyle="butt")
        if _outside(fit, low, high):
            # It would look as if it had been left out.
            above = fit.min() > high
            text = f"{'↑' if above else '↓'} {fit.min():.1f} to {fit.max():.1f}".replace("-", "\N{MINUS SIGN}")
            # Within the axes, whose limits leave little room beside the first and the last task.
            side = "left" if task == 0 else "right" if task == last else "center"
            at = {"left": x.min(), "center": x.mean(), "right": x.max()}[side]
            y = 0.97 - 0.08 * (task % 2) if above else 0.09 + 0.08 * (task % 2)
            place: Any = {"ha": side, "va": "top" if above else "bottom", "transform": bottom}
            ax.text(at, y, text, size=SMALL, color=look.colour, **place)
    ax.set(xlabel="x", ylabel="y", ylim=_reach(low, high))
    ax.grid(axis="y")
    ax.legend()
    return ax


def _reach(low: float, high: float) -> tuple[float, float]:
    """The ends of an axis for true functions from `low` to `high`, which set the scale: fits may be anywhere."""
    return low - 0.35 * (high - low), high + 0.25 * (high - low)


def _outside(fit: Array, low: float, high: float) -> Array:
    """Whether fits (..., n) lie outside that axis as a whole."""
    bottom, top = _reach(low, high)
    outside: Array = (fit.min(axis=-1) > top) | (fit.max(axis=-1) < bottom)
    return outside


def embedding_space(arrays: Arrays, ax: Axes | None = None, *, task: int = 1) -> Axes:
    """Accuracy of one task over the space of 2-D task embeddings, as in Fig. 4 of von Oswald et al. 2020, and the
    learned embeddings of all, that of the task as a star."""
    from matplotlib.patheffects import withStroke

    ax = current(ax)
    grid, accuracy, embeddings = (require(arrays, EMBEDDING_SHAPES)[name] for name in EMBEDDING_SHAPES)
    look: Any = {"cmap": "cividis", "shading": "nearest", "rasterized": True, "label": "accuracy, %"}
    ax.pcolormesh(grid[..., 0], grid[..., 1], 100 * accuracy[task - 1], vmin=0, vmax=100, **look)
    for number, (first, second) in enumerate(embeddings, start=1):
        mark: Any = {"marker": "*", "markersize": 11} if number == task else {"marker": "o", "markersize": 5}
        ax.plot(first, second, color="white", markeredgecolor=BLACK, clip_on=False, **mark)
        outline = [withStroke(linewidth=2, foreground="white")]
        ax.annotate(str(number), (first, second), (5, 3), textcoords="offset points", size=SMALL, path_effects=outline)
    ax.set(xlabel="first component", ylabel="second component")
    return ax


def replay_samples(
    arrays: Arrays,
    ax: Axes | None = None,
    *,
    tasks: Sequence[int] | None = None,
    limits: tuple[float, float] = (0, 255),
) -> Axes:
    """A line of samples for each task, from bytes `images` (lines, samples, height, width), (..., 3) in colour; black
    and white are at `limits`."""
    import numpy

    ax, images = current(ax), arrays["images"]
    lines, across, height, width = images.shape[:4]
    mosaic = images.swapaxes(1, 2).reshape(lines * height, across * width, *images.shape[4:])
    greys = (mosaic - float(limits[0])) * (255 / (limits[1] - limits[0]))
    levels = numpy.clip(numpy.rint(greys / _STEP) * _STEP, 0, 255).astype(numpy.uint8)
    ax.imshow(levels, cmap="gray", vmin=0, vmax=255, interpolation="none")
    ax.set_anchor("NW")
    names = [f"task {task}" for task in tasks] if tasks else [""] * lines
    ax.set_yticks([(line + 0.5) * height - 0.5 for line in range(lines)], names)
    ax.set_xticks([])
    ax.tick_params(length=0)
    ax.spines[:].set_visible(False)
    return ax


def require(arrays: Arrays, shapes: Shapes, *, where: str = "a run") -> dict[str, Array]:
    """The arrays of `shapes`; a letter there stands for one size, the same wherever it occurs.

    Raises UserError that names `where` and the array which is missing or has another shape.
    """
    sizes: dict[str, int] = {}
    for name, shape in shapes.items():
        expected = f"({', '.join(str(size) for size in shape)})"
        if name not in arrays:
            raise UserError(f"The arrays of {where} have no '{name}': expected one of shape {expected}.")
        found = arrays[name].shape
        fits = len(found) == len(shape) and all(
            actual == (sizes.setdefault(size, actual) if isinstance(size, str) else size)
            for actual, size in zip(found, shape, strict=True)
        )
        if not fits:
            known = "".join(f", {letter} = {size}" for letter, size in sizes.items())
            raise UserError(f"'{name}' of {where} must have the shape {expected}{known}, found {found}.")
    return {name: arrays[name] for name in shapes}


def _regression_panels(kept: Sequence[Kept]) -> tuple[list[Panel], str]:
    found = [one for one in kept if "regression_fit" in one.arrays]
    arrays = [require(one.arrays, REGRESSION_SHAPES, where=one.where) for one in found]
    low = min((part["regression_true"].min() for part in arrays), default=0.0)
    high = max((part["regression_true"].max() for part in arrays), default=1.0)
    panels = [
        Panel(
            data=part,
            title=textwrap.fill(f"{one.state.cell.label}, seed {one.seed}", 34),
            options={"limits": (low, high)},
        )
        for one, part in zip(found, arrays, strict=True)
    ]
    outside = any(_outside(part["regression_fit"], low, high).any() for part in arrays)
    arrow = " An arrow: a fit that lies outside, and its values." if outside else ""
    return panels, (
        "One seed for each panel, the lowest, after the last task. Dashed: the true functions. Thick bars: where the "
        f"training inputs of each task lie.{arrow}"
    )


def _embedding_panels(kept: Sequence[Kept]) -> tuple[list[Panel], str]:
    panels = []
    for row, one in enumerate(one for one in kept if "embedding_grid" in one.arrays):
        arrays = require(one.arrays, EMBEDDING_SHAPES, where=one.where)
        for task in range(1, len(arrays["task_embeddings"]) + 1):
            heading = f"{one.state.cell.label}, {one.state.cell.scenario.label}, seed {one.seed}\n" if task == 1 else ""
            place: Any = {"row": row, "column": task - 1, "block": str(row)}
            panels.append(Panel(data=arrays, title=f"{heading}task {task}", options={"task": task}, **place))
    return panels, (
        "One seed for each line of panels, the lowest, after the last task. Colour: accuracy on the task of the panel "
        "with the embedding at that point. Numbered points: the learned embeddings; the star is that of the panel."
    )


def _sample_panels(kept: Sequence[Kept]) -> tuple[list[Panel], str]:
    panels, said = [], {"all"}
    for one in kept:
        name = next((name for name in _SAMPLE_AXES if name in one.arrays), None)
        if name is None:
            continue
        samples, axes, cell = one.arrays[name], _SAMPLE_AXES[name], one.state.cell
        if samples.ndim != len(axes) or samples.shape[-3] not in (1, 3) or not samples.size:
            raise UserError(
                f"'{name}' of {one.where} must be images of one or three channels, ({', '.join(axes)}), found the "
                f"shape {samples.shape}."
            )
        images, options, found = _shown(one, samples, by_task=name == "replay_samples")
        title = f"{textwrap.fill(cell.label, 34)}\n{SCENARIO_NAMES[cell.scenario.label]}, seed {one.seed}"
        darkest, lightest = int(images.min()), int(images.max())
        if 0 < lightest - darkest < _DIM:
            title, found = f"{title}, greys {darkest} to {lightest}", {*found, "dim"}
            options["limits"] = darkest, lightest
        panels.append(Panel(data={"images": images}, title=title, options=options))
        said |= found
    return panels, " ".join(sentence for word, sentence in _SAID_OF_SAMPLES.items() if word in said)


def _shown(kept: Kept, samples: Array, *, by_task: bool) -> tuple[Array, dict[str, Any], set[str]]:
    """What is shown of samples, in lines: of some tasks from the first to the last some of each, their pixels where
    they were before they were permuted; of a generator of all tasks the first. With how it is drawn, and is spoken of.
    """
    import numpy

    benchmark: Any = kept.state.spec.with_seed(kept.seed).build_benchmark() if kept.state.spec else None
    permuted = {"permuted"} if hasattr(benchmark, "pixel_orders") else set()
    if by_task:
        tasks = numpy.unique(numpy.rint(numpy.linspace(0, len(samples) - 1, _LINES)).astype(int))
        images = samples[tasks, :_SAMPLES_PER_LINE]
        if permuted:
            images, permuted = unpermuted(images, benchmark.pixel_orders(kept.seed)[tasks]), {"put back"}
        said = {"last", *permuted} | ({"some"} if len(tasks) < len(samples) else set())
        options: dict[str, Any] = {"tasks": tuple(int(task) + 1 for task in tasks)}
    else:
        lines, across = max(1, min(_LINES, len(samples) // _SAMPLES_PER_LINE)), min(_SAMPLES_PER_LINE, len(samples))
        images = samples[: lines * across].reshape(lines, across, *samples.shape[1:])
        said, options = {"mixed", *permuted}, {"tasks": None}
    return images[:, :, 0] if images.shape[2] == 1 else numpy.moveaxis(images, 2, -1), options, said


def unpermuted(samples: Array, orders: Array) -> Array:
    """Samples (tasks, n, channels, height, width) with pixels put back: pixel i of task t is pixel orders[t, i] of the
    image."""
    import numpy

    flat, places = samples.reshape(*samples.shape[:2], -1), numpy.argsort(orders)
    return numpy.take_along_axis(flat, places[:, None], axis=-1).reshape(samples.shape)


REGRESSION = Kind(title="Fitted functions", draw=regression, kept=_regression_panels)
EMBEDDING_SPACE = Kind(
    title="Space of task embeddings", draw=embedding_space, kept=_embedding_panels, size=(1.25, 1.45), scale=True
)
REPLAY_SAMPLES = Kind(title="Replayed samples", draw=replay_samples, kept=_sample_panels, size=(2.4, 1.25))
