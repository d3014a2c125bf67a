"""Points that others measured: a folder of audits, or the table of the comparison.

Both state what attackers of their own suite got, and tasks against their own ceilings. Points of
two sources in one picture are comparable only as far as these agree.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path

import pandas as pd

from benchmarks.comparison.table import kept, unseen_tasks
from benchmarks.frontier.points import Point
from tiprdc.errors import DataError
from tiprdc.formats.audit_report import TaskReport, read_audit


def audited(folder: Path) -> Iterator[Point]:
    """A point for each private attribute of each audit that measured what is kept.

    Args:
        folder: Every audit.json below it is read; the name of its folder is the method's.

    Raises:
        DataError: There is no audit.json, or one cannot be read.
    """
    paths = sorted(folder.rglob("audit.json"))
    if not paths:
        raise DataError(
            str(folder), "no audit.json below this folder", hint="run `dvc repro audit`"
        )
    for path in paths:
        audit = read_audit(path)
        tasks = {n: task for n, task in audit.utility.items() if task.kept is not None}
        for name, attribute in audit.attributes.items():
            strongest = attribute.strongest
            if strongest is not None and tasks:
                value, low, high = _kept(tasks)
                yield Point(
                    dataset=audit.dataset, data=audit.data_digest[:12], private=name,
                    method=path.parent.name, features=audit.features[0], noise=None,
                    attack=strongest.attack, people=strongest.attacker_people,
                    hidden=strongest.balanced_accuracy, hidden_low=strongest.low,
                    hidden_high=strongest.high, prior=attribute.prior, kept=value, kept_low=low,
                    kept_high=high, tasks=len(tasks), named=value, test_people=strongest.people,
                    source="audit",
                )  # fmt: skip


def _kept(tasks: Mapping[str, TaskReport]) -> tuple[float, float, float]:
    """Mean of the shares kept, and that of their bounds, which is conservative."""
    shares = []
    for task in tasks.values():
        if task.released is not None and task.ceiling is not None:
            room = task.ceiling.balanced_accuracy - task.prior
            rates = task.released.balanced_accuracy, task.released.low, task.released.high
            shares.append([(rate - task.prior) / room for rate in rates])
    value, low, high = (sum(column) / len(shares) for column in zip(*shares, strict=True))
    return value, low, high


def compared(path: Path) -> Iterator[Point]:
    """A point for each data set, private attribute and method of the comparison, over its seeds.

    Args:
        path: results.csv of `benchmarks.comparison.table`.

    Raises:
        DataError: There is no such file, or it lacks a column.
    """
    try:
        table = pd.read_csv(path)
        by_method = list(table.groupby(["dataset", "method"], sort=False))
        for (dataset, method), rows in by_method:
            tasks = rows[rows["role"] == "utility"]
            # The tasks of the other points: those that the raw record tells.
            tasks = tasks[tasks["ceiling"] > tasks["prior"]]
            share = kept(tasks)
            for name, attacks in rows[rows["role"] == "private"].groupby("attribute", sort=False):
                yield Point(
                    dataset=str(dataset), data="", private=str(name), method=str(method),
                    features=int(attacks["features"].iloc[0]), noise=None,
                    attack=str(attacks["attack"].iloc[0]), people=None,
                    hidden=float(attacks["value"].mean()), hidden_low=float(attacks["low"].min()),
                    hidden_high=float(attacks["high"].max()),
                    prior=float(attacks["prior"].iloc[0]), kept=share.value,
                    kept_low=share.low, kept_high=share.high,
                    tasks=len(unseen_tasks(tasks)), named=share.value, test_people=None,
                    source="comparison",
                )  # fmt: skip
    except FileNotFoundError:
        raise DataError(
            str(path), "no such file", hint="run `python -m benchmarks.comparison.table`"
        ) from None
    except KeyError as error:
        raise DataError(
            str(path), f"no column {error}", "results.csv of benchmarks.comparison.table"
        ) from None
