"""The records that an audit's attacks are fitted on: pools, and the people of the stack.

An attacker may hold fresh people only (`fresh`), know the people that the extractor was trained on
as well (`all`), and, for pictures, send changed copies of all these through the extractor, which
ships (`views`). The pools are nested, and each is a leading part of the largest: an audit holds one
array of features.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from tiprdc.audit.evidence import Evidence
from tiprdc.datasets.schema import Records
from tiprdc.formats.audit_plan import Pool
from tiprdc.models.views import VIEWS
from tiprdc.statistics.sampling import some_people

STACK_SHARE = 0.1
"""Share of attacker-train that is left for the stack."""
MAX_STACK = 4000
"""Most records that are left for it."""
MIN_STACKED = 2000
"""Fewest records of attacker-train with which there is a stack."""
MAX_VIEWS = 40_000
"""Most records with their copies: an attacker with more records gains little from copies."""


@dataclass(frozen=True)
class Pools:
    """The attackers' records.

    Args:
        fit: attacker-train without the stack's people.
        fit_rows, stack_rows: Rows of attacker-train `[N]` that go to each.
        stack: The people that the stack is fitted on; no attack is.
        members: The people that the extractor was trained on; None: not known.
        has_views: Whether there are copies of pictures.
    """

    fit: Records
    fit_rows: NDArray[np.intp]
    stack_rows: NDArray[np.intp]
    stack: Records
    members: Records | None
    has_views: bool

    @property
    def sizes(self) -> dict[Pool, int]:
        """Pool -> records."""
        sizes: dict[Pool, int] = {"fresh": len(self.fit)}
        if self.members is not None:
            sizes["all"] = len(self.fit) + len(self.members)
        if self.has_views:
            sizes["views"] = (1 + VIEWS) * max(sizes.values())
        return sizes

    def labels(self, pool: Pool, names: tuple[str, ...]) -> dict[str, NDArray[np.int64]]:
        """Class numbers of these attributes, in the order of the pool's records."""
        known = self.members if pool != "fresh" else None
        joined = {
            name: np.concatenate([part.labels[name] for part in (self.fit, known) if part])
            for name in names
        }
        copies = 1 + VIEWS if pool == "views" else 1
        return {name: np.tile(values, copies) for name, values in joined.items()}


def pools_of(evidence: Evidence, seed: int) -> Pools:
    """Divide attacker-train, and decide which pools there are; `seed` draws the stack's people."""
    train, members = evidence.train, evidence.members
    stack_rows = _stack_rows(train.person, seed)
    fit_rows = np.setdiff1d(np.arange(len(train)), stack_rows)
    records = len(fit_rows) + (0 if members is None else len(members))
    return Pools(
        fit=train.take(fit_rows) if len(stack_rows) else train,
        fit_rows=fit_rows,
        stack_rows=stack_rows,
        stack=train.take(stack_rows),
        members=members,
        has_views=evidence.schema.modality == "image" and (1 + VIEWS) * records <= MAX_VIEWS,
    )


def _stack_rows(person: NDArray[np.str_], seed: int) -> NDArray[np.intp]:
    """Rows of whole people, about `STACK_SHARE` of the records; none where records are few."""
    if len(person) < MIN_STACKED:
        return np.empty(0, np.intp)
    most = min(MAX_STACK, round(STACK_SHARE * len(person)))
    return some_people(person, most, np.random.default_rng([seed, 2]))


def subset(pool: Pool, records: int, people: int, seed: int) -> NDArray[np.intp]:
    """Rows of a random part of a pool; a larger part contains a smaller one.

    Args:
        pool: Of `records` records.
        records: With copies.
        people: Number of records without copies; their copies come with them.
        seed: Draws them.
    """
    originals = records // (1 + VIEWS) if pool == "views" else records
    rows = np.random.default_rng([seed, 3]).permutation(originals)[:people]
    return np.sort(np.concatenate([rows + first for first in range(0, records, originals)]))
