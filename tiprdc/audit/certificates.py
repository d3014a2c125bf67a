"""Certificates of an audit: on whom they are made, and how they follow from counts.

A certificate bounds every attacker, so that it needs people on whom nothing was chosen:
attacker-test, and attacker-train without the leading records that a search of settings attacked.
Attacks learn from attacker-train, but they do not change the code.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tiprdc.audit import tasks
from tiprdc.audit.evidence import Evidence
from tiprdc.audit.executor import Executor
from tiprdc.audit.pools import Pools
from tiprdc.audit.representations import Representations
from tiprdc.formats.audit_bounds import Certificate
from tiprdc.formats.audit_plan import Plan
from tiprdc.statistics.certificate import THEOREM, code_bound
from tiprdc.statistics.sampling import one_a_person

_CONSTANT = (
    "The code takes one value on all these people: it hides everything because it says nothing."
)
_FINE = (
    "The code takes more values than there are people in a class: nearly every person has a value"
    " of their own, and the bound says little."
)


def certified_labels(evidence: Evidence, pools: Pools, name: str) -> NDArray[np.int64]:
    """Class numbers of the parts fit, stack and test, one after the other."""
    parts = (pools.fit, pools.stack, evidence.test)
    return np.concatenate([part.labels[name] for part in parts])


def certified_rows(evidence: Evidence, pools: Pools, seed: int) -> NDArray[np.intp]:
    """Rows of the parts fit, stack and test together to make a certificate on, one a person."""
    person = np.concatenate([part.person for part in (pools.fit, pools.stack, evidence.test)])
    places = np.concatenate([pools.fit_rows, pools.stack_rows])
    allowed = np.concatenate([places >= evidence.searched, np.ones(len(evidence.test), bool)])
    rows = one_a_person(person, np.random.default_rng([seed, 4]))
    return np.sort(rows[allowed[rows]])


def submit_counts(plan: Plan, represented: Representations) -> dict[str, Any]:
    """Tasks for the counts of each attribute, and for the share of records near a border."""
    evidence, pools, submit = represented.evidence, represented.pools, represented.executor.submit
    names = ("fit", "stack", "test") if len(pools.stack) else ("fit", "test")
    parts = [represented.part(name)["released"] for name in names]
    counts = submit(
        tasks.code_counts, {name: certified_labels(evidence, pools, name) for name in plan.private},
        {name: len(classes) for name, classes in plan.private.items()},
        certified_rows(evidence, pools, plan.sample_seed), *parts,
    )  # fmt: skip
    border = submit(
        tasks.code_border, counts, represented.models["released"], represented.x["test"], parts[-1]
    )
    return {"counts": counts, "border": border}


def collect_counts(
    plan: Plan, executor: Executor, submitted: Mapping[str, Any], deadline: float
) -> tuple[dict[str, NDArray[np.int64] | str], float | None]:
    """Private attribute -> its counts, or the reason why there are none; and the border's share."""
    outcomes = dict(executor.collect(submitted, deadline, "certificate", lambda key: 1.0))
    counts, border = outcomes["counts"], outcomes["border"]
    if isinstance(counts, Exception):
        return dict.fromkeys(plan.private, f"failed: {type(counts).__name__}"), None
    if counts is None:
        return dict.fromkeys(plan.private, "features take too many values for one"), None
    return counts, None if isinstance(border, Exception) else border


def delta_of(plan: Plan) -> float:
    """Chance that an attribute's bound fails: all of them hold at the policy's confidence."""
    return (1 - plan.policy.confidence) / len(plan.private)


def build_certificate(
    counts: NDArray[np.int64] | Sequence[Sequence[int]], delta: float, border: float | None
) -> Certificate | None:
    """The certificate that follows from counts; None where a class has nobody.

    Args:
        counts: People of each class in each cell `[C, K]`.
        delta: Chance that the bound does not hold, in (0, 1).
        border: Share of records whose code another way of running the file changes.
    """
    table = np.asarray(counts, np.int64)
    if not table.sum(1).all():
        return None
    bound = code_bound(table, delta)
    constant = table.shape[1] == 1
    fine = table.shape[1] > table.sum(1).min()
    return Certificate(
        cells=table.shape[1],
        counts=tuple(tuple(int(n) for n in row) for row in table),
        in_sample=bound.in_sample,
        slack=bound.slack,
        bound=bound.bound,
        delta=delta,
        theorem=THEOREM,
        border=border,
        note=_CONSTANT if constant else _FINE if fine else "",
    )
