"""Can this be hidden and that be kept? Asked of the labels alone, before anything is trained.

From features that keep a task y whole an attacker reads y, and from y the private attribute u, as
well as u can be told from y: no training, however long, hides u better than that *label floor*. In
bits, for any features z:

    I(z; u) >= I(u; y)                          if z keeps y whole
    I(z; y) <= H(y | u) + I(z; u)               so with nothing of u left, H(y) - I(u; y) at most

Source: Chen et al. 2024 (MaSS), where budgets are checked against entropies first; both lines are
the data processing inequality and the chain rule. Miller 1955 for the correction of the bias.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from tiprdc.datasets.schema import Schema
from tiprdc.statistics.binomial import Interval, interval, prior
from tiprdc.statistics.label_floor import recognised_from_labels
from tiprdc.statistics.sampling import balanced_sample, one_a_person


@dataclass(frozen=True, kw_only=True)
class Pair:
    """A private attribute, and one task or all tasks together.

    Args:
        private: Name of u.
        tasks: Names of what is to be kept: y, or several as one.
        people: Number of people, one record each, behind the entropies.
        entropy_private, entropy_task: H(u) and H(y) in bits, with Miller's correction.
        information: I(u; y) in bits, corrected likewise, >= 0.
        bias: What the plug-in estimate of I(u; y) says too much on average, in bits; taken off.
        floor: Balanced accuracy of an attacker who knows y, on people that it was not fitted on.
        limit: What is expected: prior and budget.
    """

    private: str
    tasks: tuple[str, ...]
    people: int
    entropy_private: float
    entropy_task: float
    information: float
    bias: float
    floor: Interval
    limit: float

    @property
    def feasible(self) -> bool:
        """Whether both may be met: not even the floor's lower bound is above the limit."""
        return self.floor.low <= self.limit

    @property
    def most_kept(self) -> float:
        """Bits of y that features can keep at most if nothing of u is left in them: H(y | u)."""
        return max(0.0, self.entropy_task - self.information)

    def __str__(self) -> str:
        """Why both cannot be met, or that the labels do not forbid it."""
        u, y = self.private, _listed(self.tasks)
        floor, verb = self.floor, "cannot" if not self.feasible else "can, by the labels,"
        return (
            f"hiding {u} and keeping {y} whole {verb} both be met: who knows {y} alone tells {u} "
            f"with a balanced accuracy of {floor.value:.3f} (95 % bounds {floor.low:.3f} and "
            f"{floor.high:.3f}), and {self.limit:.3f} is allowed. They share "
            f"{self.information:.3f} of the {self.entropy_private:.3f} bits of {u} "
            f"({self.people:,} people, bias of {self.bias:.1g} taken off); with nothing of {u} "
            f"left, at most {self.most_kept:.3f} of {self.entropy_task:.3f} bits of {y} are."
        )


def assess(
    labels: Mapping[str, NDArray[np.int64]],
    person: NDArray[np.str_],
    schema: Schema,
    budget: float,
) -> tuple[Pair, ...]:
    """Every private attribute against every task, and against all tasks together.

    Args:
        labels: Attribute -> class numbers `[N]`, of extractor-train.
        person: Person ids `[N]`; one record of each counts.
        schema: Which attributes are private, and which stand for tasks.
        budget: Balanced accuracy above the best guess that an attacker may reach.
    """
    rows = one_a_person(person, np.random.default_rng(0))
    of = {name: labels[name][rows] for name in (*schema.private, *schema.utility)}
    together = [schema.utility] if len(schema.utility) > 1 else []
    kept = [*((task,) for task in schema.utility), *together]
    return tuple(
        _pair(u, of[u], {task: of[task] for task in tasks}, schema.classes(u), budget)
        for u in schema.private
        for tasks in kept
    )


def infeasible(pairs: tuple[Pair, ...]) -> tuple[Pair, ...]:
    """Those that cannot be met; all tasks together only where no single one is among them."""
    single = [pair for pair in pairs if len(pair.tasks) == 1 and not pair.feasible]
    named = {pair.private for pair in single}
    return (
        *single,
        *(p for p in pairs if len(p.tasks) > 1 and not p.feasible and p.private not in named),
    )


def entropy(values: NDArray[np.int64]) -> float:
    """H in bits of class numbers `[N]`: plug-in, plus Miller's (classes seen - 1) / 2N nats."""
    counts = np.unique(values, return_counts=True)[1]
    shares = counts / len(values)
    return float(-(shares * np.log2(shares)).sum()) + _correction(len(counts) - 1, len(values))


def information(u: NDArray[np.int64], y: NDArray[np.int64]) -> tuple[float, float]:
    """I(u; y) in bits, corrected, >= 0; and the bias of the plug-in estimate that was taken off.

    Args:
        u, y: Class numbers `[N]`.
    """
    both = _joint([u, y])
    seen = [len(np.unique(values)) for values in (both, u, y)]
    bias = _correction(seen[0] - seen[1] - seen[2] + 1, len(u))
    return max(0.0, entropy(u) + entropy(y) - entropy(both)), bias


def _correction(cells: int, people: int) -> float:
    return cells / (2 * people * math.log(2))


def _joint(values: list[NDArray[np.int64]]) -> NDArray[np.int64]:
    """One number for each combination of class numbers that occurs `[N]`."""
    number = np.unique(np.stack(values, axis=1), axis=0, return_inverse=True)[1]
    return number.reshape(-1).astype(np.int64)


def _pair(
    private: str,
    u: NDArray[np.int64],
    tasks: Mapping[str, NDArray[np.int64]],
    classes: int,
    budget: float,
) -> Pair:
    y = _joint(list(tasks.values()))
    shared, bias = information(u, y)
    return Pair(
        private=private,
        tasks=tuple(tasks),
        people=len(u),
        entropy_private=entropy(u),
        entropy_task=entropy(y),
        information=shared,
        bias=bias,
        floor=_floor(u, tasks, classes),
        limit=min(1.0, prior(classes) + budget),
    )


def _floor(u: NDArray[np.int64], tasks: Mapping[str, NDArray[np.int64]], classes: int) -> Interval:
    """Of an attacker fitted on half of the people, on a balanced sample of the others.

    The people come in random order; each half has half of every class.
    """
    by_class = np.argsort(u, kind="stable")
    seen, asked = by_class[::2], by_class[1::2]
    rows = asked[balanced_sample(u[asked], asked.astype(np.str_), classes, seed=0)]
    if not len(rows):
        return Interval(prior(classes), 0.0, 1.0)
    correct = recognised_from_labels(
        {task: values[seen] for task, values in tasks.items()}, u[seen],
        {task: values[rows] for task, values in tasks.items()}, u[rows], classes,
    )  # fmt: skip
    return interval(correct, len(rows))


def _listed(names: tuple[str, ...]) -> str:
    return ", ".join(names[:-1]) + " and " + names[-1] if len(names) > 1 else names[0]
