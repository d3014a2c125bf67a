"""Writes `table/` from all cells: results.csv, a Markdown table, a plot for each data set.

    python -m benchmarks.comparison.table

Over several seeds a figure is the mean of the seeds. Its interval spans from the lowest lower bound
to the highest upper bound, which is conservative.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import matplotlib as mpl
import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from benchmarks.comparison.settings import RESULTS, TABLE, listed
from pipelines.comparison.run import COLUMNS
from pipelines.observability.progress import run
from tiprdc.baselines.methods import METHODS
from tiprdc.errors import DataError
from tiprdc.statistics.scores import kept_share

_TEXT = ("dataset", "method", "attribute", "role", "attack", "known", "settings")
_WIDTH, _HEIGHT = 0.2, 0.04
"""Size of a label, as shares of the axes."""
_COLOURS = {"supervised": "#b45f06", "unsupervised": "#1f5fa8", "ours": "#0b7a3b"}
"""A supervised method is trained with the label of a task."""


@dataclass(frozen=True)
class Figures:
    """A proportion with its bounds, aggregated over seeds."""

    value: float
    low: float
    high: float

    def __str__(self) -> str:
        return f"{100 * self.value:.1f} ({100 * self.low:.1f} to {100 * self.high:.1f})"


def main() -> None:
    """Read the files of the cells and write `table/`."""
    files = [RESULTS / f"{d}-{m}.csv" for d in listed("datasets") for m in listed("methods")]
    table = read([file for file in files if file.exists()])
    TABLE.mkdir(exist_ok=True)
    table.to_csv(TABLE / "results.csv", index=False, lineterminator="\n")
    (TABLE / "table.md").write_text(markdown(table), encoding="utf-8")
    for name, rows in table.groupby("dataset", sort=False):
        plot(str(name), rows, TABLE / f"{name}.svg")


def read(files: list[Path]) -> pd.DataFrame:
    """Concatenate the rows of all files.

    Raises:
        DataError: There are no rows, or rows of one data set have different settings.
    """
    frames = [pd.read_csv(file, dtype=dict.fromkeys(_TEXT, str)) for file in files]
    frames = [frame for frame in frames if len(frame)]
    if not frames:
        raise DataError(
            str(RESULTS), "no cell is finished", "",
            "run `python -m benchmarks.comparison.cell --dataset avatars`",
        )  # fmt: skip
    table = pd.concat(frames, ignore_index=True)[list(COLUMNS)]
    for name, rows in table.groupby("dataset"):
        if rows["settings"].nunique() > 1:
            raise DataError(
                str(name), "cells of different settings, data or code", "",
                "run `python -m benchmarks.comparison.cell` again for it",
            )  # fmt: skip
    return table


def markdown(table: pd.DataFrame) -> str:
    """One table for each data set; methods in the order of the registry."""
    lines = ["# Comparison of methods", "", *_HEAD]
    for name, rows in table.groupby("dataset", sort=False):
        private, tasks = _attributes(rows, "private"), _attributes(rows, "utility")
        lines += ["", f"## {name}", "", *_levels(rows)]
        head = ["method", "seeds", *private, "kept", *tasks, "features", *_measures(rows)]
        lines += ["", f"| {' | '.join(head)} |", "|" + "---|" * len(head)]
        for method, of_method in _methods(rows):
            cells = [method, str(of_method["seed"].nunique())]
            cells += [str(figures(of_method, attribute)) for attribute in private]
            cells.append(f"{100 * kept(of_method).value:.1f}")
            cells += [_task(of_method, attribute) for attribute in tasks]
            cells.append(str(int(of_method["features"].iloc[0])))
            cells += [_mean(of_method[measure]) for measure in _measures(rows)]
            lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines) + "\n"


_NOT_EXPORTED = ", ".join(f"`{name}`" for name, method in METHODS.items() if not method.exported)
_HEAD = (
    "Balanced accuracy in %, with one-sided 95 % bounds, of the strongest attack or probe. It is",
    "selected on other people, and measured on people in no training data. Private attributes:",
    "lower is better. Tasks: higher is better; *italics* mark a task whose labels the method is",
    "trained with, so only its other tasks are unseen. Kept: the mean over unseen tasks of the",
    "share of what raw records tell. Over several seeds: the mean, lowest bound and highest bound.",
    "Attacks read features from the exported file, and those of",
    f"{_NOT_EXPORTED} from torch and numpy.",
    "The epsilon of `dp` is per number of a record; that of a whole record is their sum.",
)


def figures(rows: pd.DataFrame, attribute: str) -> Figures:
    """Figures of one attribute over the seeds of one method."""
    selected = rows[rows["attribute"] == attribute]
    return Figures(selected["value"].mean(), selected["low"].min(), selected["high"].max())


def utility(rows: pd.DataFrame, tasks: list[str]) -> Figures:
    """Mean of the figures of one method over tasks."""
    mean = pd.DataFrame([vars(figures(rows, task)) for task in tasks]).mean()
    return Figures(mean["value"], mean["low"], mean["high"])


def kept(rows: pd.DataFrame) -> Figures:
    """Mean share, of what the raw record tells of an unseen task, that one method's features keep.

    Without tasks the figures are not a number.
    """
    shares = []
    for task in unseen_tasks(rows):
        levels = rows[rows["attribute"] == task].iloc[0]
        of_task = figures(rows, task)
        rates = (of_task.value, of_task.low, of_task.high)
        shares.append([kept_share(r, levels["ceiling"], levels["prior"]) for r in rates])
    if not shares:
        return Figures(np.nan, np.nan, np.nan)
    value, low, high = np.mean(shares, axis=0).tolist()
    return Figures(value, low, high)


def unseen_tasks(rows: pd.DataFrame) -> list[str]:
    """Tasks whose labels none of these methods is trained with; all tasks, if there is none."""
    supervised = set(rows["known"].dropna())
    tasks = _attributes(rows, "utility")
    return [task for task in tasks if task not in supervised] or tasks


def plot(name: str, rows: pd.DataFrame, path: Path) -> None:
    """Plot utility over the strongest attack, one point a method; up and left is better.

    With several private attributes: the one with the largest attack above its prior.
    """
    tasks = unseen_tasks(rows)
    figure = Figure(figsize=(7.2, 4.8), layout="constrained")
    axes = figure.add_subplot()
    names: dict[str, tuple[float, float]] = {}
    for method, of_method in _methods(rows):
        x, y = _strongest(of_method), utility(of_method, tasks)
        _point(axes, method, x, y, bool(of_method["known"].notna().any()))
        names[method] = (100 * x.value, 100 * y.value)
    levels = rows.drop_duplicates(["seed", "attribute"])
    private = levels[levels["role"] == "private"]["unprotected"].max()
    unprotected = levels[levels["attribute"].isin(tasks)]["unprotected"].mean()
    axes.plot(100 * private, 100 * unprotected, "k+", markersize=9)
    prior = rows[rows["role"] == "private"]["prior"].min()
    axes.axvline(100 * prior, color="0.6", linewidth=1, linestyle=":")
    _label_points(axes, {**names, "unprotected": (100 * private, 100 * unprotected)})
    axes.set_xlabel("Strongest attack, % balanced accuracy (dotted: a guess)")
    note = " (hollow: trained with one of them)" if set(tasks) & set(rows["known"].dropna()) else ""
    axes.set_ylabel(f"Mean over {', '.join(tasks)}{note}, %", wrap=True)
    axes.set_title(f"{name}: more private to the left, more useful to the top", fontsize=10)
    # Reproducible bytes.
    with mpl.rc_context({"svg.hashsalt": name, "svg.fonttype": "none"}):
        figure.savefig(path, metadata={"Date": None})


def _point(axes: mpl.axes.Axes, name: str, x: Figures, y: Figures, supervised: bool) -> None:
    kind = "supervised" if supervised else "unsupervised"
    colour = _COLOURS["ours" if name == "ours" else kind]
    axes.errorbar(
        100 * x.value, 100 * y.value,
        xerr=[[100 * (x.value - x.low)], [100 * (x.high - x.value)]],
        yerr=[[100 * (y.value - y.low)], [100 * (y.high - y.value)]],
        fmt="o", color=colour, markerfacecolor="white" if supervised else colour,
        elinewidth=0.7, markersize=6,
    )  # fmt: skip


def _label_points(axes: mpl.axes.Axes, names: dict[str, tuple[float, float]]) -> None:
    """Write names beside their points without overlap, from the lowest point up."""
    axes.margins(x=0.14, y=0.08)
    axes.autoscale_view()
    # Coordinates of the points as shares of the axes.
    positions = {
        name: axes.transAxes.inverted().transform(axes.transData.transform(point))
        for name, point in names.items()
    }
    labels: list[tuple[float, float]] = []
    for name, (x, y) in sorted(positions.items(), key=lambda pair: pair[1][1]):
        level = y + 0.01
        while any(abs(x - a) < _WIDTH and abs(level - b) < _HEIGHT for a, b in labels):
            level += _HEIGHT / 4
        labels.append((x, level))
        axes.annotate(
            name, names[name], xytext=(x + 0.012, level), textcoords="axes fraction", fontsize=8,
            arrowprops={"arrowstyle": "-", "linewidth": 0.4, "color": "0.6"},
        )  # fmt: skip


def _strongest(rows: pd.DataFrame) -> Figures:
    private = rows[rows["role"] == "private"].drop_duplicates("attribute")
    attacks = [(figures(rows, one), prior) for one, prior in
               zip(private["attribute"], private["prior"], strict=True)]  # fmt: skip
    return max(attacks, key=lambda pair: pair[0].value - pair[1])[0]


def _attributes(rows: pd.DataFrame, role: str) -> list[str]:
    return list(dict.fromkeys(rows[rows["role"] == role]["attribute"]))


def _methods(rows: pd.DataFrame) -> Iterator[tuple[str, pd.DataFrame]]:
    for name in METHODS:
        selected = rows[rows["method"] == name]
        if len(selected):
            yield name, selected


def _levels(rows: pd.DataFrame) -> list[str]:
    """Table of prior, label floor, ceiling and unprotected accuracy."""
    head = ["", "prior", "label floor", "ceiling (raw record)", "unprotected"]
    lines = [f"| {' | '.join(head)} |", "|---|---|---|---|---|"]
    keys = ["prior", "floor", "ceiling", "unprotected"]
    for attribute, selected in rows.groupby("attribute", sort=False):
        levels = selected.drop_duplicates("seed")[keys].mean()
        cells = [f"{100 * levels[k]:.1f}" if pd.notna(levels[k]) else "" for k in keys]
        lines.append(f"| {attribute} | {' | '.join(cells)} |")
    return lines


def _measures(rows: pd.DataFrame) -> list[str]:
    return [measure for measure in ("psnr", "ssim", "r2") if rows[measure].notna().any()]


def _mean(values: pd.Series[float]) -> str:
    return f"{values.mean():.2f}" if values.notna().any() else ""


def _task(rows: pd.DataFrame, task: str) -> str:
    text = str(figures(rows, task))
    return f"*{text}*" if task in set(rows["known"].dropna()) else text


if __name__ == "__main__":
    run(main)
