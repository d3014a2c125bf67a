"""Who attacks are fitted on: pools, parts for curves, and people that a certificate counts."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from msgspec import structs

from tests.helpers.audit_samples import PASS_MODEL
from tests.helpers.release_project import audit_report
from tiprdc.attacks.suite import AttackTrial
from tiprdc.audit.config import AuditConfig
from tiprdc.audit.evaluation.code_counts import certified_rows
from tiprdc.audit.evaluation.curves import curve_jobs
from tiprdc.audit.evidence import Evidence
from tiprdc.audit.plan import Job
from tiprdc.audit.pools import MIN_STACKED, Pools, pools_of, subset
from tiprdc.datasets.schema import Records, Schema, read_schema
from tiprdc.models.views import VIEWS

PLAN = structs.replace(
    audit_report(AuditConfig(), PASS_MODEL).plan, attackers={"fresh": 20_000, "all": 30_000}
)


@pytest.fixture
def evidence(tmp_path: Path, make_shards: Callable[..., Schema]) -> Evidence:
    make_shards(tmp_path, "table", people=60)
    return Evidence(
        schema=read_schema(tmp_path),
        train=records(MIN_STACKED, "a"), select=records(50, "b"), test=records(300, "c"),
        models={}, members=records(500, "d"), searched=MIN_STACKED // 2,
    )  # fmt: skip


def records(number: int, person: str) -> Records:
    """Two records a person; the label tells whose record it is."""
    people = np.arange(number) // 2
    return Records(
        x=np.arange(number)[:, None].astype(np.float32), labels={"u": people},
        person=np.array([f"{person}{n}" for n in people]),
    )  # fmt: skip


def owners(part: Records) -> set[str]:
    return set(part.person.tolist())


def test_nobody_is_in_the_stack_and_in_a_pool(evidence: Evidence) -> None:
    pools = pools_of(evidence, 0)
    assert 0.05 * MIN_STACKED < len(pools.stack) <= 0.1 * MIN_STACKED
    assert owners(pools.stack).isdisjoint(owners(pools.fit))
    assert owners(pools.stack) | owners(pools.fit) == owners(evidence.train)
    assert pools.sizes == {"fresh": len(pools.fit), "all": len(pools.fit) + 500}
    assert len(pools.labels("fresh", ("u",))["u"]) == pools.sizes["fresh"]
    assert len(pools.labels("all", ("u",))["u"]) == pools.sizes["all"]


def test_few_people_are_not_divided(evidence: Evidence) -> None:
    few = replace(evidence, train=records(MIN_STACKED - 2, "a"), members=None)
    pools = pools_of(few, 0)
    assert len(pools.stack) == 0
    assert pools.sizes == {"fresh": MIN_STACKED - 2}


def test_a_larger_part_contains_a_smaller_one() -> None:
    parts = [set(subset("all", 800, people, 5).tolist()) for people in (100, 200, 400, 800)]
    assert [len(part) for part in parts] == [100, 200, 400, 800]
    assert parts[0] < parts[1] < parts[2] < parts[3]


def test_copies_of_a_picture_are_in_a_part_with_it() -> None:
    rows = subset("views", 800 * (1 + VIEWS), 100, 5)
    assert len(rows) == 100 * (1 + VIEWS)
    assert len(np.unique(rows % 800)) == 100


def test_certificate_leaves_out_everybody_whom_a_search_attacked(evidence: Evidence) -> None:
    pools = pools_of(evidence, 0)
    everybody = np.concatenate([part.person for part in (pools.fit, pools.stack, evidence.test)])
    counted = everybody[certified_rows(evidence, pools, 0)].tolist()
    assert len(set(counted)) == len(counted), "one record a person"
    searched = set(evidence.train.person[: evidence.searched].tolist())
    assert set(counted) == (owners(evidence.train) - searched) | owners(evidence.test)


def test_curves_are_of_the_strongest_attacks_that_everybody_teaches() -> None:
    select = {
        "kernel": 0.9,
        "ridge": 0.6,
        "residual": 0.7,
        "stack": 0.95,
        "logistic_regression": 0.5,
    }
    trials = {
        Job("secret", "released", name, 0, 1, pool): AttackTrial(value - shift, "ok", 0.0, None)
        for name, value in select.items()
        for pool, shift in (("fresh", 0.0), ("all", 0.01 if name == "ridge" else -0.01))
    }
    trials[Job("secret", "raw", "residual", 0, 1, "all")] = AttackTrial(0.99, "ok", 0.0, None)
    chosen = [(job.attack, job.pool) for job in curve_jobs(PLAN, "secret", trials)]
    assert chosen == [("residual", "all"), ("ridge", "fresh")]


def test_pools_without_members_have_no_pool_of_all(evidence: Evidence) -> None:
    pools = pools_of(replace(evidence, members=None), 0)
    assert isinstance(pools, Pools)
    assert set(pools.sizes) == {"fresh"}
