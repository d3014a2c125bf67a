"""The verdict under faults of its evidence: none may end in PASS."""

from __future__ import annotations

import json
import math
from collections.abc import Callable
from typing import Any

import jsonschema
import numpy as np
import pytest
from msgspec.structs import replace

from tests.helpers.release_project import planned_runs
from tiprdc.attacks.suite import SUITE_VERSION
from tiprdc.audit.config import AuditConfig
from tiprdc.audit.evaluation.certificates import build_certificate
from tiprdc.audit.evaluation.curves import build_curve, patterns_of
from tiprdc.audit.evaluation.estimate import estimate_from_counts
from tiprdc.audit.evaluation.metrics import mean_loss, metrics
from tiprdc.audit.plan import mandatory_runs, policy_of
from tiprdc.audit.policy import PolicyConfig
from tiprdc.audit.verdict import _alarm, conclude, judge
from tiprdc.errors import ConfigError
from tiprdc.formats import audit_schema
from tiprdc.formats.audit_bounds import Certificate, Curve
from tiprdc.formats.audit_plan import Plan
from tiprdc.formats.audit_report import (
    SCHEMA_VERSION,
    AttackRun,
    AuditReport,
    Estimate,
    Measure,
    Reuse,
    SplitSize,
    TaskReport,
    parse_audit,
)
from tiprdc.statistics.binomial import pass_probability

PEOPLE = 2000
SCHEMA = audit_schema.FILE
DIGESTS = {"model_sha256": "a" * 64, "unprotected_sha256": "b" * 64, "data_digest": "c" * 64}
PLAN = Plan(
    suite_version=SUITE_VERSION,
    **DIGESTS,
    private={"secret": ("off", "on")},
    utility={"task": ("no", "yes")},
    told=(),
    people={"secret": PEOPLE, "task": PEOPLE},
    attacks=("logistic_regression", "mlp"),
    probes=("logistic_regression",),
    raw=("logistic_regression", "cnn"),
    seeds=(0, 1),
    budget=1,
    sample_seed=0,
    policy=policy_of(PolicyConfig(), {"fresh": PEOPLE}),
    attackers={"fresh": PEOPLE},
    stack_people=0,
    alternatives=False,
    reconstruction=True,
    measures=(),
)
TWO = replace(
    PLAN,
    private={**PLAN.private, "other": ("a", "b")},
    people={**PLAN.people, "other": PEOPLE},
)


def estimate(rate: float, people: int = PEOPLE, attack: str = "mlp") -> Estimate:
    return estimate_from_counts(attack, round(rate * people), people, 0.95, rate)


def curve(rates: tuple[float, ...], attack: str = "mlp", limit: float = 0.6) -> Curve:
    """A learning curve scored on `PEOPLE`, each attack right about the people of the one before."""
    people = [PEOPLE >> places for places in reversed(range(len(rates)))]
    correct = [np.arange(PEOPLE) < round(rate * PEOPLE) for rate in rates]
    return build_curve(attack, "fresh", 0, people, patterns_of(correct), PLAN.policy, 0.5, limit)


def certified(hidden: bool) -> Certificate:
    """A certificate of a code of two cells on 40,000 people."""
    counts = [[10_000, 10_000], [10_000, 10_000]] if hidden else [[15_000, 5000], [5000, 15_000]]
    return build_certificate(counts, 0.05, None)


def runs(plan: Plan = PLAN) -> tuple[AttackRun, ...]:
    return tuple(planned_runs(plan))


def evidence(**changes: Any) -> dict[str, Any]:
    """Evidence of a clean release, with changes."""
    controls = {
        "raw": estimate(0.97),
        "unprotected": estimate(0.9),
        "shuffled": estimate(0.5),
        "floor": estimate(0.51, attack="label_floor"),
    }
    clean = {
        "strongest": estimate(0.52), "leakage": 0.01, "controls": controls, "attacks": runs(),
        "curves": (curve((0.51, 0.515, 0.52, 0.52)),), "certificate": None,
    }  # fmt: skip
    for key, value in changes.items():
        if key in controls:
            controls[key] = value
        else:
            clean[key] = value
    return clean


def verdict(plan: Plan = PLAN, seen: dict[str, str] | None = None, **changes: Any) -> Any:
    report, reasons = judge("secret", plan, **evidence(**changes))
    found = {**DIGESTS, "plan_sha256": plan.sha256, **(seen or {})}
    return conclude(plan, {"secret": report}, reasons, **found)


def test_clean_release_passes_without_reasons() -> None:
    assert verdict() == ("PASS", ())


def without(kind: str, attack: str) -> tuple[AttackRun, ...]:
    return tuple(r for r in runs() if (r.representation, r.attack) != (kind, attack))


def failing(kind: str, attack: str, **changes: Any) -> tuple[AttackRun, ...]:
    hit = {"select": None, "status": "failed: killed", **changes}
    return tuple(
        replace(r, **hit) if (r.representation, r.attack) == (kind, attack) else r for r in runs()
    )


def bent(**changes: Any) -> Estimate:
    return replace(estimate(0.52), **changes)


INCONCLUSIVE: dict[str, tuple[dict[str, Any], str]] = {
    "an attack did not run": ({"attacks": without("released", "mlp")}, "did not run"),
    "no attack ran": ({"attacks": ()}, "did not run"),
    "an attack was killed": ({"attacks": failing("released", "mlp")}, "failed: killed"),
    "an attack timed out": (
        {"attacks": failing("released", "mlp", status="failed: out of time")},
        "out of time",
    ),
    "an attack scored NaN": (
        {"attacks": failing("released", "mlp", select=math.nan, status="ok")},
        "mlp on released",
    ),
    "the ceiling's attack failed": ({"attacks": failing("raw", "cnn")}, "cnn on raw"),
    "the control's attack failed": (
        {"attacks": failing("shuffled", "logistic_regression")},
        "on shuffled",
    ),
    "nothing was selected": ({"strongest": None}, "no finite figure"),
    "NaN on the test people": ({"strongest": bent(high=math.nan)}, "no finite figure"),
    "an impossible figure": ({"strongest": bent(balanced_accuracy=-1.0)}, "no finite figure"),
    "the positive control is silent": ({"raw": estimate(0.55)}, "prove nothing"),
    "the positive control is not sure": ({"raw": estimate(0.61)}, "prove nothing"),
    "the positive control is missing": ({"raw": None}, "positive control"),
    "the positive control is NaN": ({"raw": bent(low=math.nan)}, "positive control"),
    "the negative control is missing": ({"shuffled": None}, "negative control"),
    "the bound is above the limit": ({"strongest": estimate(0.595)}, "would settle it"),
    "few people": ({"strongest": estimate(0.5, 60)}, "would settle it"),
}


@pytest.mark.parametrize("fault", INCONCLUSIVE)
def test_missing_evidence_is_inconclusive(fault: str) -> None:
    changes, words = INCONCLUSIVE[fault]
    found, reasons = verdict(**changes)
    assert found == "INCONCLUSIVE"
    assert any(words in reason for reason in reasons), reasons


@pytest.mark.parametrize("fault", INCONCLUSIVE)
def test_missing_evidence_does_not_hide_a_leak(fault: str) -> None:
    changes, _ = INCONCLUSIVE[fault]
    exposed = {"strongest": estimate(0.7), **changes}
    if changes.get("strongest", 0) == 0:
        assert verdict(**exposed)[0] == "FAIL"


SWAPPED: dict[str, tuple[dict[str, str], str]] = {
    "another model": ({"model_sha256": "f" * 64}, "released file"),
    "another control": ({"unprotected_sha256": "f" * 64}, "unprotected file"),
    "other data": ({"data_digest": "f" * 64}, "data are not"),
    "an edited plan": ({"plan_sha256": "f" * 64}, "plan was changed"),
}


@pytest.mark.parametrize("fault", SWAPPED)
def test_evidence_about_other_bytes_is_inconclusive(fault: str) -> None:
    seen, words = SWAPPED[fault]
    found, reasons = verdict(seen=seen)
    assert found == "INCONCLUSIVE"
    assert any(words in reason for reason in reasons)


def test_plan_of_another_suite_is_inconclusive() -> None:
    assert verdict(replace(PLAN, suite_version="0.9.0"))[0] == "INCONCLUSIVE"


def test_attribute_without_verdict_is_inconclusive() -> None:
    assert verdict(TWO)[0] == "INCONCLUSIVE"
    seen = {**DIGESTS, "plan_sha256": PLAN.sha256}
    assert conclude(PLAN, {}, (), **seen)[0] == "INCONCLUSIVE"


def test_one_exposed_attribute_fails_release() -> None:
    good, _ = judge("secret", TWO, **evidence())
    bad, reasons = judge("other", TWO, **evidence(strongest=estimate(0.8)))
    seen = {**DIGESTS, "plan_sha256": TWO.sha256}
    found, said = conclude(TWO, {"secret": good, "other": bad}, reasons, **seen)
    assert found == "FAIL"
    assert said[0].startswith("other: mlp recognises it with 80.0 %")


def test_lower_bound_above_limit_fails() -> None:
    found, reasons = verdict(strongest=estimate(0.63))
    assert found == "FAIL"
    assert "is above the limit of 60.0 %" in reasons[0]


def test_labels_that_bypass_features_fail() -> None:
    found, reasons = verdict(shuffled=estimate(0.56))
    assert found == "FAIL"
    assert "shuffled labels" in reasons[0]


def test_unlucky_control_is_no_alarm() -> None:
    """At 95 % the lower bound is above the prior; at one in a thousand it is not."""
    unlucky = estimate(0.525)
    assert unlucky.low > 0.5
    assert verdict(shuffled=unlucky)[0] == "PASS"


def test_control_rarely_alarms_on_guesses() -> None:
    correct = np.random.default_rng(0).binomial(PEOPLE, 0.5, 4000)
    alarms = {c: bool(_alarm("secret", PLAN, estimate(c / PEOPLE))) for c in set(correct)}
    assert np.mean([alarms[c] for c in correct]) < 0.003


def test_false_pass_rate_at_limit_equals_one_minus_confidence() -> None:
    """The whole rule, on attackers whose true rate is exactly the limit."""
    correct = np.random.default_rng(1).binomial(PEOPLE, 0.6, 4000)
    passes = {c: verdict(strongest=estimate(c / PEOPLE))[0] == "PASS" for c in set(correct)}
    share = float(np.mean([passes[c] for c in correct]))
    assert share <= 0.05 + 3 * (0.05 * 0.95 / 4000) ** 0.5
    assert share == pytest.approx(pass_probability(0.6, 0.6, PEOPLE), abs=0.012)


def test_fewer_people_than_policy_needs_is_inconclusive() -> None:
    few = replace(PLAN, people={"secret": 380, "task": 380})
    found, reasons = verdict(few)
    assert found == "INCONCLUSIVE"
    assert "fewer than the policy's 200" in reasons[0]


def test_people_needed_would_settle_verdict() -> None:
    report, _ = judge("secret", PLAN, **evidence(strongest=estimate(0.59)))
    assert report.people_needed is not None
    assert pass_probability(0.59, 0.6, report.people_needed) >= 0.9
    assert report.people_needed > 10 * PEOPLE
    at_limit, reasons = judge("secret", PLAN, **evidence(strongest=estimate(0.6)))
    assert at_limit.people_needed is None
    assert "may not settle it" in reasons[0]


def test_floor_moves_limit_only_if_policy_compares_with_it() -> None:
    floor = estimate(0.6, attack="label_floor")
    strict, _ = judge("secret", PLAN, **evidence(floor=floor))
    assert strict.limit == pytest.approx(0.6)
    lenient = replace(PLAN, policy=policy_of(PolicyConfig(against="floor"), {"fresh": PEOPLE}))
    report, _ = judge("secret", lenient, **evidence(floor=floor, strongest=estimate(0.65)))
    assert report.limit == pytest.approx(0.7)
    assert report.verdict == "PASS"
    below, _ = judge("secret", lenient, **evidence(floor=estimate(0.45)))
    assert below.limit == pytest.approx(0.6)
    assert verdict(lenient, floor=None)[0] == "INCONCLUSIVE"


def test_random_attacks_run_with_several_seeds_and_others_with_one() -> None:
    assert mandatory_runs(PLAN, "released") == (
        ("logistic_regression", 0, "fresh"), ("mlp", 0, "fresh"), ("mlp", 1, "fresh"),
    )  # fmt: skip
    assert mandatory_runs(PLAN, "raw") == (
        ("logistic_regression", 0, "fresh"), ("cnn", 0, "fresh"),
    )  # fmt: skip


def test_attacks_run_on_each_pool_that_gives_them_more_people() -> None:
    plan = replace(
        PLAN, attackers={"fresh": 6000, "all": 9000, "views": 36_000}, stack_people=500,
        attacks=("ridge", "mlp", "decoding"), seeds=(0,),
    )  # fmt: skip
    assert mandatory_runs(plan, "released") == (
        ("ridge", 0, "fresh"), ("ridge", 0, "all"), ("ridge", 0, "views"),
        ("mlp", 0, "fresh"), ("mlp", 0, "all"), ("decoding", 0, "fresh"),
        ("stack", 0, "all"),
    )  # fmt: skip
    assert {pool for _, _, pool in mandatory_runs(plan, "raw")} == {"all"}
    assert {pool for _, _, pool in mandatory_runs(plan, "shuffled")} == {"fresh"}


def test_curve_that_rises_to_the_limit_is_no_pass() -> None:
    rising = curve((0.505, 0.52, 0.545, 0.57))
    assert rising.projection.high > 0.6
    found, reasons = verdict(strongest=estimate(0.57), curves=(rising,))
    assert found in ("INCONCLUSIVE", "FAIL")
    assert any("people" in reason for reason in reasons)


def test_curve_whose_projected_lower_bound_is_above_the_limit_fails() -> None:
    steep = curve((0.53, 0.56, 0.59, 0.62))
    assert steep.projection.low > 0.6
    found, reasons = verdict(strongest=estimate(0.59), curves=(steep,))
    assert found == "FAIL"
    assert "by the learning curve of mlp" in reasons[0]


@pytest.mark.parametrize("curves", ["100 records are too few for one: it needs 400", ()])
def test_no_pass_without_a_curve(curves: Any) -> None:
    found, reasons = verdict(curves=curves)
    assert found == "INCONCLUSIVE"
    assert "there is no learning curve" in reasons[0]


def test_certificate_within_the_limit_passes_alone() -> None:
    nothing = {"curves": "too few", "attacks": (), "raw": None, "shuffled": None}
    assert verdict(certificate=certified(hidden=True), **nothing) == ("PASS", ())
    assert verdict(certificate=certified(hidden=False), **nothing)[0] == "INCONCLUSIVE"
    few = replace(PLAN, people={"secret": 380, "task": 380})
    assert verdict(few, certificate=certified(hidden=True))[0] == "INCONCLUSIVE"


def test_certificate_does_not_excuse_an_attack_that_succeeds() -> None:
    found, _ = verdict(certificate=certified(hidden=True), strongest=estimate(0.7))
    assert found == "FAIL"


def test_policy_may_demand_a_certificate() -> None:
    plan = replace(PLAN, policy=replace(PLAN.policy, certificate=True))
    assert verdict(plan)[0] == "INCONCLUSIVE"
    assert "demands a certificate" in verdict(plan)[1][0]
    assert verdict(plan, certificate=certified(hidden=False))[0] == "INCONCLUSIVE"
    assert verdict(plan, certificate=certified(hidden=True))[0] == "PASS"


def test_policy_attacker_has_at_least_the_audits_people() -> None:
    assert policy_of(PolicyConfig(), {"fresh": 300, "all": 500}).attacker_people == 5000
    assert policy_of(PolicyConfig(), {"fresh": 300, "views": 1200}).attacker_people == 3000
    with pytest.raises(ConfigError, match="at least 500, the people that this audit's attackers"):
        policy_of(PolicyConfig(attacker_people=499), {"fresh": 300, "all": 500})
    assert policy_of(PolicyConfig(attacker_people=500), {"fresh": 500}).attacker_people == 500


def test_curve_follows_from_its_counts_alone() -> None:
    rng = np.random.default_rng(0)
    correct = [rng.random(900) < rate for rate in (0.5, 0.52, 0.53, 0.55)]
    order = rng.permutation(900)
    assert patterns_of(correct) == patterns_of([right[order] for right in correct])
    built = build_curve(
        "mlp", "fresh", 0, (100, 200, 400, 800), patterns_of(correct), PLAN.policy, 0.5, 0.6
    )
    assert [p.balanced_accuracy for p in built.points] == pytest.approx(
        [right.mean() for right in correct]
    )
    with pytest.raises(ValueError, match="do not fit"):
        build_curve("mlp", "fresh", 0, (100, 200), (1, 2), PLAN.policy, 0.5, 0.6)


CHANGES: list[dict[str, Any]] = [
    {"model_sha256": "f" * 64},
    {"attacks": ("mlp",)},
    {"seeds": (0,)},
    {"sample_seed": 1},
    {"policy": policy_of(PolicyConfig(margin=0.2), {"fresh": PEOPLE})},
]


@pytest.mark.parametrize("change", CHANGES)
def test_plan_digest_covers_every_decision(change: dict[str, Any]) -> None:
    assert replace(PLAN, **change).sha256 != PLAN.sha256
    assert replace(PLAN).sha256 == PLAN.sha256


MEASURE = Measure(
    name="rank 1", about="", representation="released", value=0.5, low=0.4, high=0.6,
    baseline=None, people=9,
)  # fmt: skip


def report(**changes: Any) -> AuditReport:
    attribute, reasons = judge("secret", PLAN, **evidence(**changes))
    seen = {**DIGESTS, "plan_sha256": PLAN.sha256}
    found, reasons = conclude(PLAN, {"secret": attribute}, reasons, **seen)
    task = TaskReport(
        classes=("no", "yes"), prior=0.5, people=PEOPLE, released=estimate(0.9),
        unprotected=estimate(0.91), ceiling=None, kept=None, loss=0.01, probes=(),
    )  # fmt: skip
    return AuditReport(
        schema_version=SCHEMA_VERSION, suite_version=PLAN.suite_version, verdict=found,
        reasons=reasons, model_sha256="a" * 64, data_digest="c" * 64,
        plan_sha256=PLAN.sha256, plan=PLAN, dataset="planted",
        modality="image", features=(16,), record=(3, 16, 16), notes=("a note",),
        splits={"attacker-test": SplitSize(people=5, records=5)}, policy=PLAN.policy,
        attributes={"secret": attribute}, utility={"task": task}, mean_kept=None,
        mean_kept_told=None, mean_utility_loss=0.01, alternatives=(),
        reconstruction={"released": {"psnr": 12.0}},
        measures={"worst_people": (MEASURE,)}, not_tried=("much",),
        reuse=Reuse(test_digest="d" * 64, plans=2, models=1),
    )  # fmt: skip


FILED: dict[str, Callable[[], AuditReport]] = {
    "clean": report,
    "bare": lambda: report(strongest=None, leakage=None, raw=None, shuffled=None, attacks=()),
    "NaN": lambda: report(strongest=bent(high=math.nan), leakage=math.nan, raw=bent(low=math.nan)),
}


@pytest.mark.parametrize("case", FILED)
def test_report_fits_schema_and_survives_round_trip(case: str) -> None:
    found = FILED[case]()
    text = found.to_json()
    schema = json.loads(SCHEMA.read_text())
    jsonschema.Draft202012Validator.check_schema(schema)
    jsonschema.validate(json.loads(text), schema)
    parsed = parse_audit(json.loads(text), "audit.json")
    assert parsed.to_json() == text
    assert parsed.verdict == found.verdict


def test_schema_refuses_other_documents() -> None:
    schema = json.loads(SCHEMA.read_text())
    for change in ({"verdict": "FINE"}, {"plan_sha256": "1"}, {"extra": 1}):
        with pytest.raises(jsonschema.ValidationError):
            jsonschema.validate({**json.loads(report().to_json()), **change}, schema)


def test_plan_digest_can_be_recomputed_from_report() -> None:
    import hashlib

    raw = json.loads(report().to_json())
    text = json.dumps(raw["plan"], sort_keys=True, separators=(",", ":"))
    assert hashlib.sha256(text.encode()).hexdigest() == raw["plan_sha256"]


def test_metrics_and_report_hold_no_timings() -> None:
    found = metrics(report())
    assert found["attributes"]["secret"]["strongest"] == 0.52
    assert "seconds" not in json.dumps(found)
    assert "seconds" not in report().to_json()


def test_mean_loss_needs_every_task() -> None:
    task = report().utility["task"]
    assert mean_loss({"x": task, "y": replace(task, loss=0.03)}) == pytest.approx(0.02)
    assert mean_loss({"x": task, "y": replace(task, loss=None)}) is None
    assert mean_loss({}) is None


REFUSED: list[tuple[dict[str, Any], str]] = [
    ({"attacks": ("mpl",)}, "did you mean 'mlp'"),
    ({"attacks": ()}, "audit.attacks"),
    ({"attacks": ("mlp", "mlp")}, "each once"),
    ({"attacks": ("gru",)}, "an attack on features"),
    ({"seeds": ()}, "audit.seeds"),
    ({"seeds": (-1,)}, "audit.seeds"),
    ({"budget": 0}, "audit.budget"),
]


@pytest.mark.parametrize(("given", "words"), REFUSED)
def test_bad_audit_setting_is_refused(given: dict[str, Any], words: str) -> None:
    with pytest.raises(ConfigError, match=words):
        AuditConfig(**given)


@pytest.mark.parametrize("given", [{"margin": 0.0}, {"confidence": 1.0}, {"min_people": 1}])
def test_bad_policy_is_refused(given: dict[str, Any]) -> None:
    with pytest.raises(ConfigError, match=f"audit.policy.{next(iter(given))}"):
        PolicyConfig(**given)


def test_raw_attacks_must_suit_modality() -> None:
    assert AuditConfig().raw_attacks("text", 100) == ("bag_of_tokens", "ridge", "gru")
    with pytest.raises(ConfigError, match="an attack on text records"):
        AuditConfig(raw=("cnn",)).raw_attacks("text", 100)
