"""The audit's plan, its findings and its verdict: no verdict is better than its evidence.

The plan is written and hashed before attacker-test is attacked. Whatever is missing, failed, NaN or
about other bytes than the plan's can only make a verdict worse: PASS is given where every planned
attack finished, both controls behaved and the exact upper bound is within the policy's limit.
"""

from __future__ import annotations

import hashlib
import json
import math
from dataclasses import asdict, dataclass, field, fields
from typing import Any, Literal

from tiprdc.attacks.suite import ATTACKS, SUITE_VERSION, attack_named
from tiprdc.errors import ConfigError, within
from tiprdc.statistics import interval, lower_bound, people_needed, prior

Verdict = Literal["PASS", "FAIL", "INCONCLUSIVE"]
Representation = Literal["released", "unprotected", "raw", "shuffled"]

SCHEMA_VERSION = 1
FALSE_ALARM = 0.001
"""Chance, over all private attributes, that the shuffled control fires though nothing is wrong."""
NOT_TRIED = (
    "linkability: whether two records of one person can be joined by their features",
    "membership: whether a person was among those that the extractor was trained on",
    "the people who are recognised best: every figure is an average over people",
    "attackers with more people, more computing time or knowledge from elsewhere",
)
_RAW = {
    "image": ("logistic_regression", "cnn"),
    "table": ("logistic_regression", "gradient_boosting"),
    "text": ("bag_of_tokens", "gru"),
}


@dataclass(frozen=True, kw_only=True)
class PolicyConfig:
    """What a release must hold to (`audit.policy`)."""

    margin: float = 0.10
    """How far the upper bound of balanced accuracy may lie above the baseline, > 0 to 0.5."""
    against: Literal["prior", "floor"] = "prior"
    """Baseline: the best guess without features, or what true utility labels alone give away."""
    confidence: float = 0.95
    """Of each one-sided bound, 0.8 to 0.9999."""
    min_people: int = 200
    """Fewest people of each class in attacker-test, 20 to 10,000,000."""

    def __post_init__(self) -> None:
        within("audit.policy.margin", self.margin, 0.001, 0.5)
        within("audit.policy.confidence", self.confidence, 0.8, 0.9999)
        within("audit.policy.min_people", self.min_people, 20, 10_000_000)


@dataclass(frozen=True, kw_only=True)
class AuditConfig:
    """Who attacks, how hard, and what counts as enough (`audit`)."""

    policy: PolicyConfig = field(default_factory=PolicyConfig)
    """The gate."""
    attacks: tuple[str, ...] = (
        "logistic_regression",
        "gradient_boosting",
        "nearest_neighbours",
        "kernel",
        "mlp",
        "cnn",
    )
    """Attacks on the released features; each is mandatory."""
    probes: tuple[str, ...] = ("logistic_regression", "mlp")
    """Attacks that measure utility, the unprotected extractor and the shuffled control."""
    raw: tuple[str, ...] = ()
    """Attacks on the raw record, for the ceiling; empty chooses two that suit the modality."""
    seeds: tuple[int, ...] = (0, 1)
    """Each attack that depends on chance is fitted once for each."""
    budget: int = 1
    """Configurations that an attack on released features may try, 1 to 6."""
    sample_seed: int = 0
    """Decides who of attacker-test is in the balanced sample, >= 0."""
    reconstruction: bool = True
    """Whether a decoder tries to rebuild records."""
    most_seconds: int = 3600
    """After which whatever is not finished counts as failed, 10 to 1,000,000."""

    def __post_init__(self) -> None:
        for key in ("attacks", "probes", "raw"):
            names = getattr(self, key)
            for name in names:
                attack_named(name, f"audit.{key}")
            if len(set(names)) != len(names) or (not names and key != "raw"):
                raise ConfigError(f"audit.{key}", list(names), "at least one, each once")
        for key in ("attacks", "probes"):
            for name in getattr(self, key):
                if "flat" not in ATTACKS[name].kinds:
                    raise ConfigError(f"audit.{key}", name, "an attack on features")
        if not self.seeds or len(set(self.seeds)) != len(self.seeds) or min(self.seeds) < 0:
            raise ConfigError("audit.seeds", list(self.seeds), "at least one, each once, >= 0")
        within("audit.budget", self.budget, 1, 6)
        within("audit.sample_seed", self.sample_seed, 0, 2**31 - 1)
        within("audit.most_seconds", self.most_seconds, 10, 1_000_000)

    def raw_attacks(self, modality: str) -> tuple[str, ...]:
        """Attacks on the raw record of this modality.

        Raises:
            ConfigError: One of those asked for cannot read such a record.
        """
        kind = {"image": "picture", "table": "flat", "text": "text"}[modality]
        for name in self.raw:
            if kind not in ATTACKS[name].kinds:
                raise ConfigError("audit.raw", name, f"an attack on {modality} records")
        return self.raw or _RAW[modality]


@dataclass(frozen=True, kw_only=True)
class Plan:
    """Everything decided before attacker-test is attacked.

    Args:
        suite_version: Of the attacks.
        model_sha256: Of the released ONNX file.
        control_sha256: Of the unprotected ONNX file.
        data_digest: Of the shards.
        private: Private attribute -> its classes.
        utility: Unseen task -> its classes.
        people: Private attribute or task -> people in the balanced sample of attacker-test.
        attacks, probes, raw: Names, on features, on features, on the raw record.
        seeds, budget, sample_seed, policy, reconstruction: As configured.
    """

    suite_version: str = SUITE_VERSION
    model_sha256: str
    control_sha256: str
    data_digest: str
    private: dict[str, tuple[str, ...]]
    utility: dict[str, tuple[str, ...]]
    people: dict[str, int]
    attacks: tuple[str, ...]
    probes: tuple[str, ...]
    raw: tuple[str, ...]
    seeds: tuple[int, ...]
    budget: int
    sample_seed: int
    policy: PolicyConfig
    reconstruction: bool

    @property
    def sha256(self) -> str:
        """Digest of the plan's canonical JSON."""
        text = json.dumps(asdict(self), sort_keys=True, separators=(",", ":"))
        return hashlib.sha256(text.encode()).hexdigest()

    def runs(self, representation: Representation) -> tuple[tuple[str, int], ...]:
        """Attack and seed of each mandatory run on a private attribute."""
        names = {"released": self.attacks, "raw": self.raw}.get(representation, self.probes)
        seeds = self.seeds if representation == "released" else self.seeds[:1]
        return tuple(
            (name, seed)
            for name in names
            for seed in (seeds if ATTACKS[name].random else seeds[:1])
        )


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
    not_tried: tuple[str, ...]
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
            }
        )


def limit_of(policy: PolicyConfig, classes: int, floor: float | None) -> float:
    """What the upper bound may be at most."""
    baseline = prior(classes)
    if policy.against == "floor" and floor is not None:
        baseline = max(baseline, floor)
    return min(1.0, baseline + policy.margin)


def judge(
    name: str,
    plan: Plan,
    *,
    strongest: Estimate | None,
    leakage: float | None,
    controls: dict[str, Estimate | None],
    attacks: tuple[AttackRun, ...],
) -> tuple[AttributeReport, tuple[str, ...]]:
    """The verdict on one private attribute, and its reasons if it is not PASS.

    Args:
        name: Of the attribute.
        plan: As hashed.
        strongest: The attacker selected on released features, on attacker-test.
        leakage: Its `leakage_bits`.
        controls: "raw", "unprotected", "shuffled" and "floor", None where there is none.
        attacks: Every run.
    """
    classes, policy = plan.private[name], plan.policy
    floor = _value(controls.get("floor"))
    limit = limit_of(policy, len(classes), floor)
    wrong = _exposed(name, strongest, limit) + _alarm(name, plan, controls.get("shuffled"))
    lacking = _lacking(name, plan, attacks, controls, limit)
    people = plan.people[name]
    if people < policy.min_people * len(classes):
        lacking += (
            (
                f"{name}: {people:,} people are fewer than the policy's {policy.min_people:,} of"
                f" each of {len(classes)} classes."
            ),
        )
    needed = None
    if not _sound(strongest):
        lacking += (f"{name}: there is no finite figure for the selected attack.",)
    elif strongest and not wrong and strongest.high > limit:
        needed = _needed(strongest, limit, classes, policy)
        lacking += (_undecided(name, strongest, limit, needed),)
    verdict: Verdict = "FAIL" if wrong else "INCONCLUSIVE" if lacking else "PASS"
    report = AttributeReport(
        classes=classes,
        verdict=verdict,
        prior=prior(len(classes)),
        floor=floor,
        ceiling=_value(controls.get("raw")),
        limit=limit,
        people=people,
        strongest=strongest if _sound(strongest) else None,
        leakage=None if leakage is None or not math.isfinite(leakage) else Leakage(bits=leakage),
        controls={key: value if _sound(value) else None for key, value in controls.items()},
        people_needed=needed,
        attacks=attacks,
    )
    return report, wrong + lacking


def conclude(
    plan: Plan,
    attributes: dict[str, AttributeReport],
    reasons: tuple[str, ...],
    *,
    model_sha256: str,
    control_sha256: str,
    data_digest: str,
    plan_sha256: str,
) -> tuple[Verdict, tuple[str, ...]]:
    """The verdict on the release, and its reasons if it is not PASS.

    Args:
        plan: As it is now.
        attributes: Each judged.
        reasons: Of all of them.
        model_sha256, control_sha256, data_digest: Of what was really attacked.
        plan_sha256: As noted before attacker-test was attacked.
    """
    all_judged = bool(plan.private) and set(attributes) == set(plan.private)
    checks = (
        (model_sha256 == plan.model_sha256, "The released file is not the planned one."),
        (control_sha256 == plan.control_sha256, "The unprotected file is not the planned one."),
        (data_digest == plan.data_digest, "The data are not the planned ones."),
        (plan_sha256 == plan.sha256, "The plan was changed after it was hashed."),
        (plan.suite_version == SUITE_VERSION, "The plan is of another suite of attacks."),
        (all_judged, "Not every private attribute was judged."),
    )
    broken = tuple(said for holds, said in checks if not holds)
    verdicts = {report.verdict for report in attributes.values()}
    if "FAIL" in verdicts:
        return "FAIL", reasons + broken
    if broken or verdicts != {"PASS"}:
        return "INCONCLUSIVE", reasons + broken
    return "PASS", ()


def mean_loss(utility: dict[str, UtilityReport]) -> float | None:
    """Mean loss over all unseen tasks; None if one could not be measured, or there is none."""
    losses = [task.loss for task in utility.values()]
    known = [loss for loss in losses if loss is not None]
    return sum(known) / len(known) if known and len(known) == len(losses) else None


def metrics(report: AuditReport) -> dict[str, Any]:
    """The figures that `dvc metrics show` compares between commits; no timings."""

    def short(estimate: Estimate | None) -> float | None:
        return None if estimate is None else round(estimate.balanced_accuracy, 4)

    return {
        "verdict": report.verdict,
        "attributes": {
            name: {
                "verdict": a.verdict,
                "strongest": short(a.strongest),
                "upper_bound": None if a.strongest is None else round(a.strongest.high, 4),
                "limit": round(a.limit, 4),
                "prior": round(a.prior, 4),
                "floor": None if a.floor is None else round(a.floor, 4),
                "ceiling": None if a.ceiling is None else round(a.ceiling, 4),
                "unprotected": short(a.controls.get("unprotected")),
            }
            for name, a in report.attributes.items()
        },
        "utility": {
            name: {
                "released": short(t.released),
                "unprotected": short(t.unprotected),
                "ceiling": short(t.ceiling),
            }
            for name, t in report.utility.items()
        },
        "mean_utility_loss": None
        if report.mean_utility_loss is None
        else round(report.mean_utility_loss, 4),
    }


def _value(estimate: Estimate | None) -> float | None:
    return estimate.balanced_accuracy if estimate is not None and _sound(estimate) else None


def _sound(estimate: Estimate | None) -> bool:
    if estimate is None:
        return False
    figures = (estimate.balanced_accuracy, estimate.low, estimate.high)
    return all(math.isfinite(f) and 0 <= f <= 1 for f in figures)


def _percent(rate: float) -> str:
    return f"{100 * rate:.1f} %"


def _exposed(name: str, strongest: Estimate | None, limit: float) -> tuple[str, ...]:
    if strongest is None or not strongest.low > limit:
        return ()
    said = (
        f"{name}: {strongest.attack} recognises it with {_percent(strongest.balanced_accuracy)};"
        f" the lower bound, {_percent(strongest.low)}, is above the limit of {_percent(limit)}."
    )
    return (said,)


def _alarm(name: str, plan: Plan, shuffled: Estimate | None) -> tuple[str, ...]:
    """The negative control: who learns from shuffled labels must not do better than guessing."""
    if shuffled is None:
        return ()
    classes = len(plan.private[name])
    low = lower_bound(shuffled.correct, shuffled.people, 1 - FALSE_ALARM / len(plan.private))
    if low <= prior(classes):
        return ()
    said = (
        f"{name}: attackers that learnt from shuffled labels reach"
        f" {_percent(shuffled.balanced_accuracy)} where guessing gives {_percent(prior(classes))}:"
        " labels reach them past the features, and no figure here can be trusted."
    )
    return (said,)


def _lacking(
    name: str,
    plan: Plan,
    attacks: tuple[AttackRun, ...],
    controls: dict[str, Estimate | None],
    limit: float,
) -> tuple[str, ...]:
    """What is missing for a PASS."""
    ran = {(run.representation, run.attack, run.seed): run for run in attacks}
    found: list[str] = []
    mandatory: tuple[Representation, ...] = ("released", "raw", "shuffled")
    for representation in mandatory:
        for attack, seed in plan.runs(representation):
            run = ran.get((representation, attack, seed))
            if run is None:
                found.append(f"{name}: {attack} on {representation} (seed {seed}) did not run.")
            elif run.status != "ok" or run.select is None or not math.isfinite(run.select):
                found.append(f"{name}: {attack} on {representation} (seed {seed}) {run.status}.")
    raw, shuffled = controls.get("raw"), controls.get("shuffled")
    if raw is None or not _sound(raw):
        found.append(f"{name}: there is no figure for the raw record, the positive control.")
    elif not raw.low > limit:
        found.append(
            f"{name}: on the raw record {raw.attack} reaches {_percent(raw.balanced_accuracy)}; its"
            f" lower bound, {_percent(raw.low)}, is not above the limit of {_percent(limit)}, and"
            " attackers that cannot find it there prove nothing here."
        )
    if not _sound(shuffled):
        found.append(f"{name}: there is no figure for shuffled labels, the negative control.")
    if plan.policy.against == "floor" and not _sound(controls.get("floor")):
        found.append(f"{name}: the policy compares with the label floor, and there is none.")
    return tuple(found)


def _needed(
    strongest: Estimate, limit: float, classes: tuple[str, ...], policy: PolicyConfig
) -> int | None:
    rate = max(strongest.balanced_accuracy, prior(len(classes)))
    return people_needed(rate, limit, len(classes), policy.confidence)


def _undecided(name: str, strongest: Estimate, limit: float, needed: int | None) -> str:
    settle = (
        "more people alone may not settle it"
        if needed is None
        else f"about {needed:,} people would settle it"
    )
    return (
        f"{name}: {strongest.attack} recognises it with {_percent(strongest.balanced_accuracy)};"
        f" the upper bound, {_percent(strongest.high)}, is above the limit of {_percent(limit)}:"
        f" {settle}."
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
