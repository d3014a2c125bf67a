"""Counts for the certificates of an audit: on whom they are made, and the tasks that count.

A certificate bounds every attacker, so that it needs people on whom nothing was chosen:
attacker-test, and attacker-train without the people that a search of settings attacked. Attacks
learn from attacker-train, but they do not change the code.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tiprdc.audit import tasks
from tiprdc.audit.evidence import Evidence
from tiprdc.audit.executor import Executor, failure
from tiprdc.audit.pools import Pools
from tiprdc.audit.representations import Representations
from tiprdc.formats.audit_plan import Plan
from tiprdc.statistics.sampling import one_a_person


def certified_labels(evidence: Evidence, pools: Pools, name: str) -> NDArray[np.int64]:
    """Class numbers of the parts fit, stack and test, one after the other."""
    parts = (pools.fit, pools.stack, evidence.test)
    return np.concatenate([part.labels[name] for part in parts])


def certified_rows(evidence: Evidence, pools: Pools, seed: int) -> NDArray[np.intp]:
    """Rows of the parts fit, stack and test together to make a certificate on, one a person."""
    person = np.concatenate([part.person for part in (pools.fit, pools.stack, evidence.test)])
    places = np.concatenate([pools.fit_rows, pools.stack_rows])
    searched = np.concatenate([places < evidence.searched, np.zeros(len(evidence.test), bool)])
    rows = one_a_person(person, np.random.default_rng([seed, 4]))
    # A person of whom the search attacked one record is left out with all of them.
    return np.sort(rows[~np.isin(person[rows], person[searched])])


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
        return dict.fromkeys(plan.private, failure(counts)), None
    if counts is None:
        return dict.fromkeys(plan.private, "features take too many values for one"), None
    return counts, None if isinstance(border, Exception) else border
