"""An audit in miniature: a fixture in place of a release, audited by the audit's own code.

The one place where the self-test touches the audit. A raw record is u, plain to see, beside the
fixture's features; the "release" gives the features and leaves u out. Everything else is what
happens to any release: `tiprdc.audit.run` plans, hands out the attacks, selects, opens
attacker-test, judges and concludes.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from msgspec import structs
from numpy.typing import NDArray

from tiprdc.attacks.base import Kind
from tiprdc.audit.config import AuditConfig, PolicyConfig
from tiprdc.audit.evidence import Evidence, digest_of
from tiprdc.audit.executor import Executor, InProcess
from tiprdc.audit.ledger import Ledger
from tiprdc.audit.protocol import attack
from tiprdc.audit.run import Digests, make_plan, run
from tiprdc.audit.scoring import Scored
from tiprdc.audit.verdict import conclude, judge
from tiprdc.datasets.schema import SPLITS, Attribute, Column, Records, Schema
from tiprdc.errors import ConfigError, check_range
from tiprdc.formats.audit_plan import Plan
from tiprdc.formats.audit_report import AttackRun, AttributeReport, Estimate, Verdict
from tiprdc.selftest.base import Fixture

ATTRIBUTE = "u"
CHEAP: dict[Kind, tuple[str, ...]] = {
    "flat": (
        "logistic_regression", "quadratic", "gradient_boosting", "nearest_neighbours", "kernel",
    ),
    "picture": ("logistic_regression", "cnn"),
    "text": ("bag_of_tokens", "gru"),
}  # fmt: skip
"""Attacks of the suite that take seconds, for each kind of representation."""
_SHOWN = 2
"""Columns of the raw record that show u."""
_MOST_SECONDS = 1e6


@dataclass(frozen=True, kw_only=True)
class Design:
    """How many people, whose attacks, which policy."""

    train: int = 2000
    """People of attacker-train, 40 to 1,000,000."""
    select: int = 1000
    """People of attacker-select, 20 to 1,000,000."""
    test: int = 1000
    """People of attacker-test, 40 to 1,000,000; even."""
    attacks: tuple[str, ...] = ()
    """Attacks on the features; empty takes those of `CHEAP`."""
    policy: PolicyConfig = field(default_factory=lambda: PolicyConfig(min_people=20))
    """The gate."""

    def __post_init__(self) -> None:
        for name, least in (("train", 40), ("select", 20), ("test", 40)):
            check_range(f"design.{name}", getattr(self, name), least, 1_000_000)
        if self.test % 2:
            raise ConfigError("design.test", self.test, "an even number: half of each class")


@dataclass(frozen=True)
class Finding:
    """The verdict on a fixture, its reasons, and the figures under it."""

    verdict: Verdict
    reasons: tuple[str, ...]
    report: AttributeReport


@dataclass(frozen=True, kw_only=True)
class Case:
    """What an audit has found before it is judged: what a fault can break.

    Args:
        plan: As it is when the verdict is given.
        noted: Its sha256, as noted before attacker-test was attacked.
        model_sha256, unprotected_sha256, data_digest: Of what is there after the attacks.
        strongest, leakage, controls, attacks: As in `tiprdc.audit.verdict.judge`.
    """

    plan: Plan
    noted: str
    model_sha256: str
    unprotected_sha256: str | None
    data_digest: str
    strongest: Estimate | None
    leakage: float | None
    controls: dict[str, Estimate | None]
    attacks: tuple[AttackRun, ...]


@dataclass(frozen=True)
class Revealing:
    """In place of an ONNX file: gives the planted features `[N, *shape]` of a raw record."""

    shape: tuple[int, ...]
    dtype: np.dtype[Any]

    @property
    def sha256(self) -> str:
        """Of what it does."""
        return hashlib.sha256(f"{self.shape} {self.dtype}".encode()).hexdigest()

    def features(self, x: NDArray[Any]) -> NDArray[Any]:
        """The record without the columns that show u."""
        return x[:, _SHOWN:].reshape(len(x), *self.shape).astype(self.dtype)


def audit_fixture(
    fixture: Fixture, accuracy: float, design: Design, seed: int, executor: Executor | None = None
) -> Finding:
    """Draw people and audit them from plan to verdict.

    Args:
        fixture: What is planted.
        accuracy: Of the leak, in [0.5, 1].
        design: How.
        seed: Of the people; another seed, other people.
        executor: Where the attacks run; None: here.
    """
    evidence = draw(fixture, accuracy, design, seed)
    plan = plan_of(fixture, design, evidence)
    again = Digests.of(evidence)
    # No ledger: nobody's people were looked at.
    audited = run(
        plan, evidence, executor or InProcess(), _MOST_SECONDS, lambda: again, Ledger(None)
    )
    report = audited.report
    return Finding(report.verdict, report.reasons, report.attributes[ATTRIBUTE])


def gather(fixture: Fixture, accuracy: float, design: Design, seed: int) -> Case:
    """Everything up to the verdict. Arguments as in `audit_fixture`."""
    evidence = draw(fixture, accuracy, design, seed)
    plan = plan_of(fixture, design, evidence)
    scored = Scored(plan, evidence, attack(plan, evidence, InProcess(), _MOST_SECONDS))
    digests = Digests.of(evidence)
    controls = {name: scored.estimate(ATTRIBUTE, name) for name in ("raw", "shuffled")}
    return Case(
        plan=plan,
        noted=plan.sha256,
        model_sha256=digests.model,
        unprotected_sha256=digests.unprotected,
        data_digest=digests.data,
        strongest=scored.estimate(ATTRIBUTE, "released"),
        leakage=scored.leakage(ATTRIBUTE),
        controls={**controls, "unprotected": None, "floor": scored.floor(ATTRIBUTE)},
        attacks=scored.runs(ATTRIBUTE),
    )


def conclude_on(case: Case) -> Finding:
    """The audit's own verdict on this."""
    report, reasons = judge(
        ATTRIBUTE,
        case.plan,
        strongest=case.strongest,
        leakage=case.leakage,
        controls=case.controls,
        attacks=case.attacks,
    )
    verdict, said = conclude(
        case.plan,
        {ATTRIBUTE: report},
        reasons,
        model_sha256=case.model_sha256,
        unprotected_sha256=case.unprotected_sha256,
        data_digest=case.data_digest,
        plan_sha256=case.noted,
    )
    return Finding(verdict, said, report)


def draw(fixture: Fixture, accuracy: float, design: Design, seed: int) -> Evidence:
    """People of the attackers' three splits, and what stands for the released file."""
    rng = np.random.default_rng([seed, design.train, design.test])
    sizes = {"train": design.train, "select": design.select, "test": design.test}
    drawn = {part: fixture.draw(people, accuracy, rng) for part, people in sizes.items()}
    parts = {part: _records(part, z, u, rng) for part, (z, u) in drawn.items()}
    z, _ = drawn["train"]
    schema = Schema(
        dataset=f"fixture {fixture.name}",
        modality="table",
        shape=parts["train"].x.shape[1:],
        attributes=(Attribute(name=ATTRIBUTE, classes=("0", "1")),),
        private=(ATTRIBUTE,),
        utility=(),
        columns=tuple(Column(name=f"x{n}") for n in range(parts["train"].x.shape[1])),
        vocabulary_size=0,
        people=_per_split(sizes),
        records=_per_split(sizes),
        digest=digest_of(parts["test"]),
    )
    return Evidence(schema, **parts, models={"released": Revealing(z.shape[1:], z.dtype)})


def plan_of(fixture: Fixture, design: Design, evidence: Evidence) -> Plan:
    """The audit's plan, with attacks that can read such features."""
    config = AuditConfig(
        policy=design.policy, probes=("logistic_regression",), raw=("logistic_regression",),
        seeds=(0,), reconstruction=False,
    )  # fmt: skip
    plan = make_plan(config, evidence, "draw more people")
    names = design.attacks or CHEAP[fixture.kind]
    return structs.replace(plan, attacks=names, probes=names[:1])


def _records(part: str, z: NDArray[Any], u: NDArray[np.int64], rng: np.random.Generator) -> Records:
    shown = np.eye(_SHOWN)[u] + 0.1 * rng.normal(size=(len(u), _SHOWN))
    x = np.concatenate([shown, z.reshape(len(z), -1)], axis=1).astype(np.float32)
    person = np.array([f"{part}-{n}" for n in range(len(u))])
    return Records(x=x, labels={ATTRIBUTE: u}, person=person)


def _per_split(sizes: Mapping[str, int]) -> dict[str, int]:
    return {split: sizes.get(split.removeprefix("attacker-"), 0) for split in SPLITS}
