"""What an audit found, as pages and terminals need it: `audit.json` read into a few frozen types.

Only json: the page, the model card and the command line stay light, and read what was written
instead of computing it again.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, cast, get_args

from tiprdc.errors import DataError
from tiprdc.formats.files import read_json
from tiprdc.formats.manifest import MODEL, Contract, read_contract

Verdict = Literal["PASS", "FAIL", "INCONCLUSIVE"]
EXIT_CODE = {"PASS": 0, "FAIL": 1, "INCONCLUSIVE": 2}
"""Of a command that ends with a verdict; 2 also where no audit was possible."""
REPRESENTATIONS = ("released", "unprotected", "raw", "shuffled")
SCHEMA_VERSION = 1

_ALLOWED = "an audit.json of schema version 1"
_MEND = "write it again with `dvc repro -f audit`"


@dataclass(frozen=True, kw_only=True)
class Estimate:
    """A balanced accuracy on attacker-test, 0 to 1, with a one-sided exact bound each way."""

    attack: str
    balanced_accuracy: float
    low: float
    high: float


@dataclass(frozen=True, kw_only=True)
class AttackRun:
    """One attack with one seed: balanced accuracy on attacker-select, or why there is none."""

    attack: str
    representation: str
    seed: int
    select: float | None
    status: str
    seconds: float


@dataclass(frozen=True, kw_only=True)
class PrivateAttribute:
    """How well a private attribute was recognised; every rate is a balanced accuracy, 0 to 1.

    Args:
        prior: Best guess without z.
        floor: What the true utility labels alone give away.
        ceiling: The same attacks on the raw record; None if they did not finish.
        limit: What the policy allows the upper bound to be.
        people: Number of people of attacker-test that were used.
        strongest: The attack that did best on attacker-select; None if none finished.
        controls: The same on raw, unprotected, shuffled and floor, those that finished.
        people_needed: How many people would settle an INCONCLUSIVE verdict.
        leakage: A lower bound in bits, and its estimator's name; None if there is none.
    """

    name: str
    classes: tuple[str, ...]
    verdict: Verdict
    prior: float
    floor: float | None
    ceiling: float | None
    limit: float
    people: int
    strongest: Estimate | None
    controls: dict[str, Estimate]
    people_needed: int | None
    leakage: tuple[float, str] | None
    attacks: tuple[AttackRun, ...]


@dataclass(frozen=True, kw_only=True)
class Task:
    """How well probes do an unseen task on three representations; loss = unprotected - released."""

    name: str
    classes: tuple[str, ...]
    prior: float
    people: int
    released: Estimate | None
    unprotected: Estimate | None
    ceiling: Estimate | None
    loss: float | None
    probes: tuple[AttackRun, ...]


@dataclass(frozen=True, kw_only=True)
class Measure:
    """One figure beside attribute inference: its value, its bounds, what a guess gets."""

    name: str
    about: str
    representation: str
    value: float
    low: float | None
    high: float | None
    baseline: float | None
    people: int


@dataclass(frozen=True, kw_only=True)
class Audit:
    """An audit as it was written to `audit.json`.

    Args:
        confidence: Of each bound, in (0, 1).
        reuse: How many plans, and models among them, attacked these test people so far; None where
            nobody counted.
    """

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
    confidence: float
    attributes: tuple[PrivateAttribute, ...]
    utility: tuple[Task, ...]
    mean_utility_loss: float | None
    reconstruction: dict[str, dict[str, float]] | None
    measures: dict[str, tuple[Measure, ...]]
    not_tried: tuple[str, ...]
    reuse: tuple[int, int] | None
    seconds: float


def read_audit(path: Path) -> Audit:
    """Read `audit.json`.

    Raises:
        DataError: The file is missing, not an audit, or of another schema version.
    """
    return parse_audit(read_json(path), str(path))


def read_audited(path: Path, audit: Audit) -> Contract:
    """Read the manifest of the very release that was audited.

    Raises:
        DataError: It cannot be read, or the audit is about other bytes.
    """
    contract = read_contract(path)
    if contract.model_sha256 != audit.model_sha256:
        raise DataError(
            str(path),
            f"{MODEL} with sha256 {contract.model_sha256[:12]}",
            f"the model that was audited, sha256 {audit.model_sha256[:12]}",
            "audit what is released: `dvc repro audit`",
        )
    return contract


def parse_audit(raw: Mapping[str, Any], where: str) -> Audit:
    """Turn a decoded `audit.json` into an `Audit`; `where` names it in errors."""
    version = raw.get("schema_version")
    if version != SCHEMA_VERSION:
        raise DataError(where, f"schema_version {version!r}", _ALLOWED, _MEND)
    try:
        return _audit(raw)
    except KeyError as error:
        raise DataError(where, f"no key {error.args[0]!r}", _ALLOWED, _MEND) from error
    except (TypeError, ValueError, AttributeError) as error:
        raise DataError(where, f"not an audit: {error}", _ALLOWED, _MEND) from error


def _audit(raw: Mapping[str, Any]) -> Audit:
    return Audit(
        suite_version=str(raw["suite_version"]),
        verdict=_verdict(raw["verdict"]),
        reasons=_strings(raw["reasons"]),
        model_sha256=str(raw["model_sha256"]),
        data_digest=str(raw["data_digest"]),
        plan_sha256=str(raw["plan_sha256"]),
        plan=dict(raw["plan"]),
        dataset=str(raw["dataset"]),
        modality=str(raw["modality"]),
        features=tuple(int(size) for size in raw["features"]),
        record=tuple(int(size) for size in raw["record"]),
        notes=_strings(raw["notes"]),
        splits={name: dict(split) for name, split in raw["splits"].items()},
        policy=dict(raw["policy"]),
        confidence=_number(raw["policy"]["confidence"]),
        attributes=tuple(_attribute(name, a) for name, a in raw["attributes"].items()),
        utility=tuple(_task(name, task) for name, task in raw["utility"].items()),
        mean_utility_loss=_optional(raw["mean_utility_loss"]),
        reconstruction=_reconstruction(raw["reconstruction"]),
        measures={
            str(family): tuple(_measure(m) for m in some)
            for family, some in raw.get("measures", {}).items()
        },
        not_tried=_strings(raw["not_tried"]),
        reuse=_reuse(raw.get("reuse")),
        seconds=_number(raw["seconds"]),
    )


def _attribute(name: str, raw: Mapping[str, Any]) -> PrivateAttribute:
    controls = {key: _estimate(value) for key, value in raw["controls"].items()}
    return PrivateAttribute(
        name=name,
        classes=_strings(raw["classes"]),
        verdict=_verdict(raw["verdict"]),
        prior=_number(raw["prior"]),
        floor=_optional(raw["floor"]),
        ceiling=_optional(raw["ceiling"]),
        limit=_number(raw["limit"]),
        people=int(raw["people"]),
        strongest=_estimate(raw["strongest"]),
        controls={key: value for key, value in controls.items() if value},
        people_needed=None if raw["people_needed"] is None else int(raw["people_needed"]),
        leakage=_leakage(raw["leakage"]),
        attacks=tuple(_run(run) for run in raw["attacks"]),
    )


def _run(raw: Mapping[str, Any]) -> AttackRun:
    return AttackRun(
        attack=str(raw["attack"]),
        representation=str(raw["representation"]),
        seed=int(raw["seed"]),
        select=_optional(raw["select"]),
        status=str(raw["status"]),
        seconds=_number(raw["seconds"]),
    )


def _task(name: str, raw: Mapping[str, Any]) -> Task:
    return Task(
        name=name,
        classes=_strings(raw["classes"]),
        prior=_number(raw["prior"]),
        people=int(raw["people"]),
        released=_estimate(raw["released"]),
        unprotected=_estimate(raw["unprotected"]),
        ceiling=_estimate(raw["ceiling"]),
        loss=_optional(raw["loss"]),
        probes=tuple(_run(run) for run in raw["probes"]),
    )


def _estimate(raw: Mapping[str, Any] | None) -> Estimate | None:
    if raw is None or raw.get("balanced_accuracy") is None:
        return None
    return Estimate(
        attack=str(raw["attack"]),
        balanced_accuracy=_number(raw["balanced_accuracy"]),
        low=_number(raw["low"]),
        high=_number(raw["high"]),
    )


def _leakage(raw: Mapping[str, Any] | None) -> tuple[float, str] | None:
    return None if raw is None else (_number(raw["bits"]), str(raw["estimator"]))


def _reconstruction(raw: Mapping[str, Any] | None) -> dict[str, dict[str, float]] | None:
    if raw is None:
        return None
    return {
        name: {measure: _number(value) for measure, value in measures.items()}
        for name, measures in raw.items()
        if measures is not None
    }


def _measure(raw: Mapping[str, Any]) -> Measure:
    return Measure(
        name=str(raw["name"]),
        about=str(raw["about"]),
        representation=str(raw["representation"]),
        value=_number(raw["value"]),
        low=_optional(raw["low"]),
        high=_optional(raw["high"]),
        baseline=_optional(raw["baseline"]),
        people=int(raw["people"]),
    )


def _reuse(raw: Mapping[str, Any] | None) -> tuple[int, int] | None:
    return None if raw is None else (int(raw["plans"]), int(raw["models"]))


def _verdict(raw: object) -> Verdict:
    if raw not in get_args(Verdict):
        raise ValueError(f"the verdict is {raw!r}")
    return cast(Verdict, raw)


def _strings(raw: object) -> tuple[str, ...]:
    if not isinstance(raw, list):
        raise TypeError(f"a list was expected where {type(raw).__name__} is")
    return tuple(str(item) for item in raw)


def _optional(raw: object) -> float | None:
    return None if raw is None else _number(raw)


def _number(raw: object) -> float:
    if isinstance(raw, bool) or not isinstance(raw, int | float) or not math.isfinite(raw):
        raise ValueError(f"{raw!r} where a finite number belongs")
    return float(raw)
