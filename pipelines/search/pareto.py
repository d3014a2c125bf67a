"""The front of privacy and utility: which settings nothing beats, and how sure that is.

Means over the seeds of a setting, between bounds that hold both what is unsure: which people are in
attacker-select (exact binomial bounds; the same people for all seeds, so more seeds do not narrow
them) and which seed it was (Student's t over the seeds). The two are independent, and their
distances from the mean are joined by MOVER: d = sqrt(d_people^2 + d_seeds^2).

Settings are chosen here by the figures that are shown, so those on the front are a little better
than they are: the audit, on other people, is the judge.

Source: Zou and Donner 2008 for MOVER.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from ruamel.yaml import YAML
from scipy import stats

from pipelines.search.pareto_page import page
from pipelines.search.space import TuneConfig, snippet

OBJECTIVES = {"advantage": "min", "utility": "max"}
_CONFIDENCE = 0.95
_HEAD = """\
# For each limit the settings that kept most among those whose advantage stayed within it (upper
# bound, on attacker-select). Copy what is below `train` into params.yaml; the audit, on other
# people and with more attacks, is the judge.
"""


def pareto_front(table: pd.DataFrame) -> pd.Series[bool]:
    """Whether no other row is at least as good in both objectives and better in one."""
    cost = table[list(OBJECTIVES)].to_numpy() * [1, -1]
    beaten = [bool(((cost <= row).all(1) & (cost < row).any(1)).any()) for row in cost]
    return ~pd.Series(beaten, index=table.index)


def pareto_candidates(table: pd.DataFrame, most: int) -> pd.DataFrame:
    """Settings that are on the front or could be, judging by their bounds; at most so many.

    One could be if no other is surely better in both: with an upper bound of its advantage at or
    below this one's lower bound, and a lower bound of its utility at or above this one's upper.
    """
    high, low = table["advantage_high"].to_numpy(), table["utility_low"].to_numpy()
    surely = [
        bool(((high <= row["advantage_low"]) & (low >= row["utility_high"])).any())
        for row in table.to_dict("records")
    ]
    able = table[~pd.Series(surely, index=table.index)]
    order = able.assign(front=pareto_front(able)).sort_values(["front", "utility"], ascending=False)
    return able.loc[order.index[:most]]


def aggregate_seeds(rows: pd.DataFrame, searched: Sequence[str]) -> pd.DataFrame:
    """One row a setting: means over its seeds, joined bounds, and `seeds`, how many there were."""
    found = []
    for _, same in rows.groupby(list(searched), sort=False, dropna=False):
        row = {name: same[name].iloc[0] for name in searched} | {"seeds": len(same)}
        for name in OBJECTIVES:
            mean, between = same[name].mean(), _between(same[name].to_numpy())
            low, high = mean - same[f"{name}_low"].mean(), same[f"{name}_high"].mean() - mean
            row[name] = mean
            # Neither can be more than 1, whatever the seeds say of the spread.
            row[f"{name}_low"] = mean - np.hypot(low, between)
            row[f"{name}_high"] = min(mean + np.hypot(high, between), 1.0)
        found.append(row | {"seconds": same["seconds"].sum()})
    table = pd.DataFrame(found)
    return table.assign(front=pareto_front(table)).sort_values("advantage", ignore_index=True)


def _between(values: np.ndarray[Any, np.dtype[np.float64]]) -> float:
    """Distance of a one-sided bound of the mean over seeds; 0 where there is one seed."""
    if len(values) < 2:
        return 0.0
    quantile = float(stats.t.ppf(_CONFIDENCE, len(values) - 1))
    return quantile * float(values.std(ddof=1)) / float(np.sqrt(len(values)))


def write(table: pd.DataFrame, config: TuneConfig, out: Path) -> None:
    """`front.csv`, `front.html`, `front.png` and `best.yaml`.

    Args:
        table: As `over_seeds` gives it.
        config: The search.
        out: Folder.
    """
    out.mkdir(parents=True, exist_ok=True)
    table.to_csv(out / "front.csv", index=False, float_format="%.5g")
    proposed = proposals(table, config)
    with (out / "best.yaml").open("w", encoding="utf-8") as stream:
        stream.write(_HEAD)
        YAML().dump(proposed, stream)
    shown = page(table, config.searched(), proposed, config.limits)
    (out / "front.html").write_text(shown, encoding="utf-8")
    _draw(table, out / "front.png")


def proposals(table: pd.DataFrame, config: TuneConfig) -> list[dict[str, Any]]:
    """For each limit, the most useful setting within it, as a section for params.yaml."""
    found: list[dict[str, Any]] = []
    for limit in sorted(config.limits):
        within = table[table["advantage_high"] <= limit]
        if within.empty:
            least = float(table["advantage_high"].min())
            found.append({"limit": limit, "none": f"the least upper bound is {least:.3f}"})
            continue
        row = within.sort_values("utility", ascending=False).to_dict("records")[0]
        figures = [f"{name}{end}" for name in OBJECTIVES for end in ("_low", "", "_high")]
        found.append(
            {
                "limit": limit,
                "found": {name: round(float(row[name]), 4) for name in figures}
                | {"seeds": int(row["seeds"])},
                "train": snippet({name: _rounded(row[name]) for name in config.searched()}),
            }
        )
    return found


def format_proposal(proposal: Mapping[str, Any]) -> str:
    """One element of `best` as a line."""
    head = f"advantage of at most {proposal['limit']:g}"
    if "none" in proposal:
        return f"{head}: no setting; {proposal['none']}"
    found = proposal["found"]
    settings = {**proposal["train"]["objective"], **proposal["train"]["extractor"]}
    return f"{head}: utility {found['utility']:.3f}, advantage {found['advantage']:.3f} with " + (
        ", ".join(f"{name} {value}" for name, value in settings.items())
    )


def plain(value: Any) -> Any:
    """Python's own number or text: what pandas holds may be numpy's."""
    return value.item() if isinstance(value, np.generic) else value


def _rounded(value: Any) -> Any:
    value = plain(value)
    return float(f"{value:.5g}") if isinstance(value, float) else value


def _draw(table: pd.DataFrame, path: Path) -> None:
    # Slow to import, and of use to nobody who only searches.
    from matplotlib.figure import Figure

    figure = Figure(figsize=(7, 5), layout="constrained")
    axes = figure.subplots()
    for front, name, colour in ((False, "beaten", "0.6"), (True, "on the front", "tab:blue")):
        part = table[table["front"] == front]
        if part.empty:
            continue
        spans = [
            np.abs(part[[f"{axis}_low", f"{axis}_high"]].to_numpy().T - part[axis].to_numpy())
            for axis in OBJECTIVES
        ]
        axes.errorbar(
            part["advantage"], part["utility"], xerr=spans[0], yerr=spans[1], fmt="o",
            color=colour, ecolor=colour, elinewidth=0.8, label=f"{name} ({len(part)})",
        )  # fmt: skip
    axes.set_xlabel("Advantage of the strongest attack (left is better)")
    axes.set_ylabel("Balanced accuracy of unseen tasks (up is better)")
    axes.set_title("Settings tried, with one-sided 95 % bounds, on attacker-select")
    axes.legend()
    axes.grid(alpha=0.3)
    figure.savefig(path, dpi=120, metadata={"Software": None})
