"""All cells -> `table/`: results.csv, a Markdown table and a trade-off plot for each data set.

    python -m benchmarks.comparison.table

Over several seeds a figure is the mean of the seeds, and its interval reaches from the lowest lower
bound to the highest upper bound: wider than it need be, and never a promise that was not measured.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import matplotlib as mpl
import pandas as pd
from matplotlib.figure import Figure

from benchmarks.comparison.settings import RESULTS, TABLE, listed
from pipelines.comparison.run import COLUMNS
from pipelines.observability.progress import run
from tiprdc.baselines.methods import METHODS
from tiprdc.errors import DataError

_TEXT = ("dataset", "method", "attribute", "role", "attack", "known", "settings")
_WIDE, _HIGH = 0.2, 0.04
"""Room for a name, as shares of the axes."""
_COLOURS = {"told": "#b45f06", "not": "#1f5fa8", "ours": "#0b7a3b"}


@dataclass(frozen=True)
class Figures:
    """A proportion with its bounds, over all seeds."""

    value: float
    low: float
    high: float

    def __str__(self) -> str:
        return f"{100 * self.value:.1f} ({100 * self.low:.1f} to {100 * self.high:.1f})"


def main() -> None:
    """Write everything that follows from the cells' files."""
    files = [RESULTS / f"{d}-{m}.csv" for d in listed("datasets") for m in listed("methods")]
    table = read([file for file in files if file.exists()])
    TABLE.mkdir(exist_ok=True)
    table.to_csv(TABLE / "results.csv", index=False, lineterminator="\n")
    (TABLE / "table.md").write_text(markdown(table), encoding="utf-8")
    for name, rows in table.groupby("dataset", sort=False):
        plot(str(name), rows, TABLE / f"{name}.svg")


def read(files: list[Path]) -> pd.DataFrame:
    """The rows of all files, one after another.

    Raises:
        DataError: There are none, or rows of one data set are not of the same settings.
    """
    frames = [pd.read_csv(file, dtype=dict.fromkeys(_TEXT, str)) for file in files]
    frames = [frame for frame in frames if len(frame)]
    if not frames:
        raise DataError(
            str(RESULTS), "no finished cell", "at least one",
            "run `python -m benchmarks.comparison.cell --dataset avatars`",
        )  # fmt: skip
    table = pd.concat(frames, ignore_index=True)[list(COLUMNS)]
    for name, rows in table.groupby("dataset"):
        if rows["settings"].nunique() > 1:
            raise DataError(
                str(name), "cells of different settings, data or code", "one for a data set",
                "run `python -m benchmarks.comparison.cell` again for it",
            )  # fmt: skip
    return table


def markdown(table: pd.DataFrame) -> str:
    """One table a data set, methods in the order of the registry."""
    lines = ["# Comparison of methods", "", *_HEAD]
    for name, rows in table.groupby("dataset", sort=False):
        private, tasks = _named(rows, "private"), _named(rows, "utility")
        lines += ["", f"## {name}", "", *_levels(rows)]
        head = ["method", "seeds", *private, *tasks, "features", *_measures(rows)]
        lines += ["", f"| {' | '.join(head)} |", "|" + "---|" * len(head)]
        for method, of_method in _methods(rows):
            cells = [method, str(of_method["seed"].nunique())]
            cells += [str(figures(of_method, attribute)) for attribute in private]
            cells += [_task(of_method, attribute) for attribute in tasks]
            cells.append(str(int(of_method["features"].iloc[0])))
            cells += [_mean(of_method[measure]) for measure in _measures(rows)]
            lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines) + "\n"


_HEAD = (
    "Balanced accuracy in %, with one-sided 95 % bounds, of the attack or probe that did best on",
    "other people, on people whom no method has seen. Private attributes: lower hides more. Tasks:",
    "higher keeps more; in *italics* where the method was told the task in training, so that only",
    "its other tasks are unseen. `raw`, `noisy`, `dp` and `hybrid` are attacked as torch and numpy",
    "make their features, all others as the exported file does. dp's epsilon is for each number of",
    "a record; a whole record has the sum of them. Over several seeds: the mean, the lowest bound",
    "and the highest.",
)


def figures(rows: pd.DataFrame, attribute: str) -> Figures:
    """One attribute of one method, over its seeds."""
    found = rows[rows["attribute"] == attribute]
    return Figures(found["value"].mean(), found["low"].min(), found["high"].max())


def utility(rows: pd.DataFrame, tasks: list[str]) -> Figures:
    """The mean over tasks of one method."""
    found = pd.DataFrame([vars(figures(rows, task)) for task in tasks]).mean()
    return Figures(found["value"], found["low"], found["high"])


def untold(rows: pd.DataFrame) -> list[str]:
    """The tasks that no method was told; all, if every one was told to some method."""
    told = set(rows["known"].dropna())
    tasks = _named(rows, "utility")
    return [task for task in tasks if task not in told] or tasks


def plot(name: str, rows: pd.DataFrame, path: Path) -> None:
    """What is kept against what the strongest attack gets, a point a method; up and left is good.

    With several private attributes the one counts of which an attack gets most above its prior.
    """
    tasks = untold(rows)
    figure = Figure(figsize=(7.2, 4.8), layout="constrained")
    axes = figure.add_subplot()
    names: dict[str, tuple[float, float]] = {}
    for method, of_method in _methods(rows):
        x, y = _strongest(of_method), utility(of_method, tasks)
        _point(axes, method, x, y, bool(of_method["known"].notna().any()))
        names[method] = (100 * x.value, 100 * y.value)
    twin = rows.drop_duplicates(["seed", "attribute"])
    private = twin[twin["role"] == "private"]["unprotected"].max()
    kept = twin[twin["attribute"].isin(tasks)]["unprotected"].mean()
    axes.plot(100 * private, 100 * kept, "k+", markersize=9)
    prior = rows[rows["role"] == "private"]["prior"].min()
    axes.axvline(100 * prior, color="0.6", linewidth=1, linestyle=":")
    _write(axes, {**names, "unprotected": (100 * private, 100 * kept)})
    axes.set_xlabel("Strongest attack, % balanced accuracy (dotted: a guess)")
    told = " (hollow: told one of them)" if set(tasks) & set(rows["known"].dropna()) else ""
    axes.set_ylabel(f"Mean over {', '.join(tasks)}{told}, %", wrap=True)
    axes.set_title(f"{name}: hidden to the left, kept to the top", fontsize=10)
    # The same figures, the same bytes.
    with mpl.rc_context({"svg.hashsalt": name, "svg.fonttype": "none"}):
        figure.savefig(path, metadata={"Date": None})


def _point(axes: mpl.axes.Axes, name: str, x: Figures, y: Figures, told: bool) -> None:
    colour = _COLOURS["ours" if name == "ours" else "told" if told else "not"]
    axes.errorbar(
        100 * x.value, 100 * y.value,
        xerr=[[100 * (x.value - x.low)], [100 * (x.high - x.value)]],
        yerr=[[100 * (y.value - y.low)], [100 * (y.high - y.value)]],
        fmt="o", color=colour, markerfacecolor="white" if told else colour,
        elinewidth=0.7, markersize=6,
    )  # fmt: skip


def _write(axes: mpl.axes.Axes, names: dict[str, tuple[float, float]]) -> None:
    """Names beside their points, none on another: from the lowest up, each as low as it can be."""
    axes.margins(x=0.14, y=0.08)
    axes.autoscale_view()
    # A point's place as a share of the axes.
    places = {
        name: axes.transAxes.inverted().transform(axes.transData.transform(point))
        for name, point in names.items()
    }
    taken: list[tuple[float, float]] = []
    for name, (x, y) in sorted(places.items(), key=lambda pair: pair[1][1]):
        level = y + 0.01
        while any(abs(x - a) < _WIDE and abs(level - b) < _HIGH for a, b in taken):
            level += _HIGH / 4
        taken.append((x, level))
        axes.annotate(
            name, names[name], xytext=(x + 0.012, level), textcoords="axes fraction", fontsize=8,
            arrowprops={"arrowstyle": "-", "linewidth": 0.4, "color": "0.6"},
        )  # fmt: skip


def _strongest(rows: pd.DataFrame) -> Figures:
    private = rows[rows["role"] == "private"].drop_duplicates("attribute")
    found = [(figures(rows, one), prior) for one, prior in
             zip(private["attribute"], private["prior"], strict=True)]  # fmt: skip
    return max(found, key=lambda pair: pair[0].value - pair[1])[0]


def _named(rows: pd.DataFrame, role: str) -> list[str]:
    return list(dict.fromkeys(rows[rows["role"] == role]["attribute"]))


def _methods(rows: pd.DataFrame) -> Iterator[tuple[str, pd.DataFrame]]:
    for name in METHODS:
        found = rows[rows["method"] == name]
        if len(found):
            yield name, found


def _levels(rows: pd.DataFrame) -> list[str]:
    """What every figure is read against."""
    head = ["", "prior", "label floor", "ceiling (raw record)", "unprotected"]
    lines = [f"| {' | '.join(head)} |", "|---|---|---|---|---|"]
    keys = ["prior", "floor", "ceiling", "unprotected"]
    for attribute, found in rows.groupby("attribute", sort=False):
        levels = found.drop_duplicates("seed")[keys].mean()
        cells = [f"{100 * levels[k]:.1f}" if pd.notna(levels[k]) else "" for k in keys]
        lines.append(f"| {attribute} | {' | '.join(cells)} |")
    return lines


def _measures(rows: pd.DataFrame) -> list[str]:
    return [measure for measure in ("psnr", "ssim", "r2") if rows[measure].notna().any()]


def _mean(values: pd.Series[float]) -> str:
    return f"{values.mean():.2f}" if values.notna().any() else ""


def _task(rows: pd.DataFrame, task: str) -> str:
    said = str(figures(rows, task))
    return f"*{said}*" if task in set(rows["known"].dropna()) else said


if __name__ == "__main__":
    run(main)
