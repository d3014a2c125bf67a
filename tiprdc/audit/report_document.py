"""What an audit found, as `audit.json` holds it (audit.schema.json describes each key)."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, fields
from typing import Any, Literal

from tiprdc.attacks.measure import Measure
from tiprdc.audit.ledger import Reuse
from tiprdc.audit.plan import Representation
from tiprdc.statistics.binomial import interval

Verdict = Literal["PASS", "FAIL", "INCONCLUSIVE"]
SCHEMA_VERSION = 1


@dataclass(frozen=True, kw_only=True)
class Estimate:
    """A balanced accuracy on attacker-test, in [0, 1], with one-sided exact bounds.

    Args:
        attack: Who decided.
        balanced_accuracy, low, high: The proportion and its bounds.
        correct, people: The counts that they follow from.
        select: What chose it: balanced accuracy on attacker-select; None where nothing was chosen.
    """

    attack: str
    balanced_accuracy: float
    low: float
    high: float
    correct: int
    people: int
    select: float | None = None

    @classmethod
    def of(
        cls, attack: str, correct: int, people: int, confidence: float, select: float | None = None
    ) -> Estimate:
        """From counts on a balanced sample."""
        found = interval(correct, people, confidence)
        return cls(
            attack=attack, balanced_accuracy=found.value, low=found.low, high=found.high,
            correct=correct, people=people, select=select,
        )  # fmt: skip


@dataclass(frozen=True, kw_only=True)
class AttackRun:
    """One attack with one seed on one representation.

    Args:
        select: Balanced accuracy on attacker-select; None if it failed.
        status: "ok" or "failed: ...".
        seconds: Wall time of the fit; the one thing that differs between two equal audits.
    """

    attack: str
    representation: Representation
    seed: int
    select: float | None
    status: str
    seconds: float


@dataclass(frozen=True, kw_only=True)
class Leakage:
    """I(z; u) is at least about this many bits, says this estimator."""

    bits: float
    estimator: str = "log2 K minus the selected attacker's cross-entropy: a lower bound"


@dataclass(frozen=True, kw_only=True)
class AttributeReport:
    """How well one private attribute was recognised, and what follows."""

    classes: tuple[str, ...]
    verdict: Verdict
    prior: float
    floor: float | None
    ceiling: float | None
    limit: float
    people: int
    strongest: Estimate | None
    leakage: Leakage | None
    controls: dict[str, Estimate | None]
    people_needed: int | None
    attacks: tuple[AttackRun, ...]


@dataclass(frozen=True, kw_only=True)
class UtilityReport:
    """How well probes do one unseen task; loss = unprotected - released."""

    classes: tuple[str, ...]
    prior: float
    people: int
    released: Estimate | None
    unprotected: Estimate | None
    ceiling: Estimate | None
    loss: float | None
    probes: tuple[AttackRun, ...]


@dataclass(frozen=True, kw_only=True)
class AuditReport:
    """The audit, as `audit.json` holds it (audit.schema.json describes each key)."""

    schema_version: int = SCHEMA_VERSION
    suite_version: str
    verdict: Verdict
    reasons: tuple[str, ...]
    model_sha256: str
    data_digest: str
    plan_sha256: str
    plan: dict[str, Any]
    dataset: str
    modality: str
    features: tuple[int, ...]
    record: tuple[int, ...]
    notes: tuple[str, ...]
    splits: dict[str, dict[str, int]]
    policy: dict[str, Any]
    attributes: dict[str, AttributeReport]
    utility: dict[str, UtilityReport]
    mean_utility_loss: float | None
    reconstruction: dict[str, dict[str, float]] | None
    measures: dict[str, tuple[Measure, ...]]
    not_tried: tuple[str, ...]
    reuse: Reuse | None
    seconds: float

    def to_json(self) -> str:
        """As text; NaN is refused, so that it can never look like a figure."""
        return json.dumps(asdict(self), indent=1, allow_nan=False) + "\n"

    @classmethod
    def from_json(cls, text: str) -> AuditReport:
        """The report that `to_json` wrote."""
        raw = json.loads(text)
        return cls(
            **{
                **_tuples(cls, raw),
                "attributes": {n: _attribute(a) for n, a in raw["attributes"].items()},
                "utility": {n: _task(t) for n, t in raw["utility"].items()},
                "measures": {
                    family: tuple(Measure(**m) for m in some)
                    for family, some in raw["measures"].items()
                },
                "reuse": None if raw["reuse"] is None else Reuse(**raw["reuse"]),
            }
        )


def _tuples(cls: type[Any], raw: dict[str, Any]) -> dict[str, Any]:
    """The fields of a dataclass, lists as tuples."""
    names = {f.name for f in fields(cls)}
    return {k: tuple(v) if isinstance(v, list) else v for k, v in raw.items() if k in names}


def _estimate(raw: dict[str, Any] | None) -> Estimate | None:
    return None if raw is None else Estimate(**raw)


def _runs(raw: list[dict[str, Any]]) -> tuple[AttackRun, ...]:
    return tuple(AttackRun(**run) for run in raw)


def _attribute(raw: dict[str, Any]) -> AttributeReport:
    return AttributeReport(
        **{
            **_tuples(AttributeReport, raw),
            "strongest": _estimate(raw["strongest"]),
            "leakage": None if raw["leakage"] is None else Leakage(**raw["leakage"]),
            "controls": {key: _estimate(value) for key, value in raw["controls"].items()},
            "attacks": _runs(raw["attacks"]),
        }
    )


def _task(raw: dict[str, Any]) -> UtilityReport:
    estimates = {key: _estimate(raw[key]) for key in ("released", "unprotected", "ceiling")}
    return UtilityReport(
        **{**_tuples(UtilityReport, raw), **estimates, "probes": _runs(raw["probes"])}
    )
