"""Tasks for the representations of each part of an audit's records, submitted on request."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from tiprdc.attacks.measures import membership
from tiprdc.audit import tasks
from tiprdc.audit.evidence import Evidence
from tiprdc.audit.executor import Executor
from tiprdc.audit.pools import Pools
from tiprdc.datasets.schema import Records
from tiprdc.formats.audit_plan import Representation
from tiprdc.models.inputs import attack_inputs
from tiprdc.statistics.sampling import one_a_person

Part = Mapping[str, Any]
"""Representation -> a task for it."""


def features_read(representation: Representation) -> str:
    """What an attack on this representation reads: for shuffled labels, released features."""
    return "released" if representation == "shuffled" else representation


class Representations:
    """Features and raw records of the attackers' people; attacker-test only when it is asked for.

    Args:
        evidence: Records and models.
        pools: The attackers' records.
        executor: Runs the tasks.
        seed: Of the copies of pictures.
    """

    def __init__(self, evidence: Evidence, pools: Pools, executor: Executor, seed: int) -> None:
        self.evidence, self.pools, self.executor, self.seed = evidence, pools, executor, seed
        self.models = {name: executor.put(model) for name, model in evidence.models.items()}
        self.x: dict[str, Any] = {}
        self._parts: dict[str, Part] = {}
        self._pooled = ("fit",) if pools.members is None else ("fit", "members")
        self._people = len(pools.fit) + (0 if pools.members is None else len(pools.members))
        self._drawn: dict[str, Any] = {}
        self._draws: Any = None

    def part(self, name: str) -> Part:
        """Representation -> a task: of `fit`, `stack`, `members`, `select` or `test`.

        The part `sample` holds one record each of some people of extractor-train.
        """
        if name not in self._parts:
            records = self._records(name)
            self.x[name] = self.executor.put(records.x)
            raw = self.executor.put(attack_inputs(records.x, self.evidence.schema))
            self._parts[name] = {**self._features(name), "raw": raw}
        return self._parts[name]

    def draws(self) -> Any:
        """A task for several draws `[R, N, D]` of released features of the attackers' people."""
        if self._draws is None:
            for name in self._pooled:
                self.part(name)
            parts = [self._drawn[name] for name in self._pooled]
            self._draws = self.executor.submit(tasks.join_draws, *parts)
        return self._draws

    def pool(self) -> Part:
        """Representation -> a task for the largest pool; smaller pools are leading parts of it.

        The raw record and unprotected features have no copies.
        """
        if "pool" not in self._parts:
            names = self._pooled
            parts = [self.part(name) for name in names]
            joined = {
                name: self.executor.submit(tasks.join, *(part[name] for part in parts))
                for name in parts[0]
            }
            if self.pools.has_views:
                copies = self.executor.submit(
                    tasks.extract_views, self.models["released"], self.seed,
                    *(self.x[name] for name in names),
                )  # fmt: skip
                joined["released"] = self.executor.submit(tasks.join, joined["released"], copies)
            self._parts["pool"] = joined
        return self._parts["pool"]

    def _features(self, name: str) -> dict[str, Any]:
        features = {
            model: self.executor.submit(tasks.extract, reference, self.x[name])
            for model, reference in self.models.items()
            if model != "released" or name not in self._pooled
        }
        if name in self._pooled:
            self._drawn[name] = self.executor.submit(
                tasks.redraw, self.models["released"], self.x[name], self._people
            )
            features["released"] = self.executor.submit(tasks.first_draw, self._drawn[name])
        return features

    def _records(self, name: str) -> Records:
        members = self.pools.members
        if name in ("members", "sample"):
            assert members is not None
            return members if name == "members" else _sample(members)
        of_pools = {"fit": self.pools.fit, "stack": self.pools.stack}
        return of_pools[name] if name in of_pools else self.evidence.parts[name]


def _sample(members: Records) -> Records:
    """Some people of extractor-train, one record each."""
    rows = one_a_person(members.person, np.random.default_rng(0))
    return members.take(rows[: membership.MAX_MEMBERS])
