"""Each difference between audit, settings and release is its own reason; a clean audit has none."""

from __future__ import annotations

import json
import math
from collections.abc import Callable
from typing import Any

import pytest
from msgspec import structs

from tests.helpers.audit_project import manifest
from tests.helpers.audit_samples import PASS_MODEL, image_audit
from tests.helpers.release_project import audit_report
from tiprdc.audit import release_gate
from tiprdc.audit.config import AuditConfig
from tiprdc.audit.policy import PolicyConfig
from tiprdc.audit.release_gate import parity_blockers, release_blockers, variant_blockers
from tiprdc.formats.audit_plan import digest
from tiprdc.formats.manifest import Contract, Variant, parse_contract

WHERE = "reports/audit.json"
CONFIG = AuditConfig()
ATTRIBUTE = "skin_tone"
Edit = Callable[[dict[str, Any]], object]


def contract() -> Contract:
    parsed = parse_contract(manifest(image_audit()), "manifest.json")
    assert parsed.data_digest == "b7" * 32
    return parsed


def audit(rate: float = 0.53, config: AuditConfig = CONFIG) -> dict[str, Any]:
    """The decoded audit.json of the model of `contract`."""
    raw: dict[str, Any] = json.loads(audit_report(config, PASS_MODEL, rate).to_json())
    return raw


def blockers(raw: dict[str, Any], config: AuditConfig = CONFIG) -> list[str]:
    return list(release_blockers(raw, config, contract(), WHERE))


def edited(change: Edit, rate: float = 0.53) -> dict[str, Any]:
    raw = audit(rate)
    change(raw)
    return raw


def replanned(**changes: Any) -> Edit:
    """Another plan, hashed as if it had been so from the start."""

    def edit(raw: dict[str, Any]) -> None:
        raw["plan"].update(changes)
        raw["plan_sha256"] = digest(raw["plan"])

    return edit


def attribute(**changes: Any) -> Edit:
    return lambda raw: raw["attributes"][ATTRIBUTE].update(changes)


def strongest(**changes: Any) -> Edit:
    return lambda raw: raw["attributes"][ATTRIBUTE]["strongest"].update(changes)


def test_clean_audit_has_no_reason_against_it() -> None:
    assert blockers(audit()) == []


def test_edited_bytes_of_an_audit_change_what_the_gate_sees() -> None:
    """The samples below differ from the clean audit in what they name alone."""
    assert audit() == edited(lambda raw: None)


ONE_REASON: dict[str, tuple[Edit, str]] = {
    "another model": (lambda raw: raw.update(model_sha256="f" * 64), "is about model ffffffffffff"),
    "other data": (lambda raw: raw.update(data_digest="f" * 64), "is about other data"),
    "another plan's digest": (
        lambda raw: raw.update(plan_sha256="f" * 64),
        ": the plan was changed after it was hashed: audit",
    ),
    "verdict written over": (lambda raw: raw.update(verdict="FAIL"), "says FAIL, not PASS"),
}


@pytest.mark.parametrize("fault", ONE_REASON)
def test_fault_is_named_and_the_counts_contradict_it(fault: str) -> None:
    change, words = ONE_REASON[fault]
    found = blockers(edited(change))
    assert sum(words in reason for reason in found) == 1, found
    assert all(reason.startswith(WHERE) for reason in found)
    # The same fault shows when the audit is judged again.
    assert len([reason for reason in found if "its own counts say" in reason]) == 1


FIGURES: dict[str, Edit] = {
    "upper bound": strongest(high=0.6),
    "lower bound": strongest(low=0.5),
    "limit": attribute(limit=0.61),
    "the attribute's verdict": attribute(verdict="INCONCLUSIVE"),
}


@pytest.mark.parametrize("fault", FIGURES)
def test_figure_that_does_not_follow_from_counts_is_the_only_reason(fault: str) -> None:
    (reason,) = blockers(edited(FIGURES[fault]))
    assert reason.startswith(f"{WHERE}, {ATTRIBUTE}: figures do not follow from their counts")


def test_curves_of_a_weaker_attack_are_refused() -> None:
    def swap(raw: dict[str, Any]) -> None:
        raw["attributes"][ATTRIBUTE]["curves"][0]["attack"] = "ridge"

    (reason,) = blockers(edited(swap))
    assert "curves are not of the strongest attack" in reason


@pytest.mark.parametrize("key", ["low", "high"])
@pytest.mark.parametrize(("shift", "refused"), [(1e-7, True), (1e-11, False)])
def test_bound_may_differ_by_rounding_only(key: str, shift: float, refused: bool) -> None:
    stated = audit()["attributes"][ATTRIBUTE]["strongest"][key]
    assert bool(blockers(edited(strongest(**{key: stated + shift})))) == refused


def test_more_correct_people_than_stated_bounds_are_refused() -> None:
    found = blockers(edited(strongest(correct=3800)))
    assert any("its own counts say FAIL" in reason for reason in found)
    assert any("figures do not follow" in reason for reason in found)


@pytest.mark.parametrize("name", ["raw", "shuffled"])
def test_missing_control_is_judged_again(name: str) -> None:
    change: Edit = lambda raw: raw["attributes"][ATTRIBUTE]["controls"].update({name: None})  # noqa: E731
    found = blockers(edited(change))
    assert any("its own counts say INCONCLUSIVE" in reason for reason in found)


def test_missing_run_is_judged_again() -> None:
    found = blockers(edited(lambda raw: raw["attributes"][ATTRIBUTE]["attacks"].pop(0)))
    assert any("did not run" in reason for reason in found)


def test_reasons_of_the_audit_are_repeated() -> None:
    found = blockers(audit(0.9))
    assert found[0].startswith(f"{WHERE} says FAIL, not PASS: {ATTRIBUTE}: mlp recognises it")
    silent = edited(lambda raw: raw.update(reasons=[]), 0.9)
    assert blockers(silent)[0] == f"{WHERE} says FAIL, not PASS: it gives no reason"


def test_older_suite_is_named_beside_the_current_one(monkeypatch: pytest.MonkeyPatch) -> None:
    current = audit()["suite_version"]
    monkeypatch.setattr(release_gate, "SUITE_VERSION", "9.0.0")
    (reason,) = blockers(audit())
    assert f"is of suite {current}; today's is 9.0.0: audit again" in reason


@pytest.mark.parametrize("key", ["people", "sample_seed"])
def test_plan_edited_without_its_digest_is_refused(key: str) -> None:
    other = {"people": {ATTRIBUTE: 10, "glasses": 4000}, "sample_seed": 5}
    found = blockers(edited(lambda raw: raw["plan"].update({key: other[key]})))
    assert any(": the plan was changed after it was hashed" in reason for reason in found)


NO_AUDIT: dict[str, tuple[Edit, str]] = {
    "no plan": (lambda raw: raw.pop("plan"), "no key 'plan'"),
    "a plan without the attribute": (replanned(private={}), "its plan does not name"),
    "a plan without its people": (replanned(people={"glasses": 4000}), "its plan does not name"),
}


@pytest.mark.parametrize("fault", NO_AUDIT)
def test_document_that_is_no_audit_is_one_reason(fault: str) -> None:
    change, words = NO_AUDIT[fault]
    (reason,) = blockers(edited(change))
    assert reason.startswith(f"{WHERE} cannot be judged again: ")
    assert words in reason
    assert reason.endswith(": audit again: `dvc repro`")


SETTINGS: dict[str, Any] = {
    "policy": PolicyConfig(margin=0.09),
    "attacks": CONFIG.attacks[:-1],
    "probes": ("logistic_regression",),
    "raw": ("cnn",),
    "seeds": (0, 1),
    "budget": 2,
    "sample_seed": 1,
    "reconstruction": False,
    "measures": (),
}


@pytest.mark.parametrize("key", SETTINGS)
def test_each_committed_setting_must_be_the_audit_s(key: str) -> None:
    found = blockers(audit(), structs.replace(CONFIG, **{key: SETTINGS[key]}))
    assert found == [
        f"{WHERE}: audit.{key} is not what params.yaml has now: audit again: `dvc repro`"
    ]


def test_every_setting_that_decides_is_compared() -> None:
    compared = {*SETTINGS}
    assert compared <= {*AuditConfig.__struct_fields__}
    plan = audit()["plan"]
    assert compared <= {*plan}


def test_text_needs_no_reconstruction() -> None:
    def as_text(raw: dict[str, Any]) -> None:
        raw["modality"] = "text"
        replanned(raw=["bag_of_tokens", "ridge", "gru"], reconstruction=False)(raw)

    found = blockers(edited(as_text))
    assert not any("audit.reconstruction" in reason for reason in found)
    assert not any("audit.raw" in reason for reason in found)


@pytest.mark.parametrize(("largest", "records", "refused"), [
    (1e-4, 10, False), (1e-4, 1, False), (1.1e-4, 10, True), (1e-5, 0, True), (math.nan, 10, True),
])  # fmt: skip
def test_parity_needs_a_record_and_the_tolerance(
    largest: float, records: int, refused: bool
) -> None:
    parity = structs.replace(contract().parity, max_abs=largest, records=records)
    found = list(parity_blockers(structs.replace(contract(), parity=parity), 1e-4))
    assert bool(found) == refused
    if found:
        assert found[0].startswith(f"manifest.json: differs from torch by {largest:.2g} on")
        assert f"{records:,} records; at most 0.0001" in found[0]


def variant(**changes: Any) -> Contract:
    made = {
        "name": "int8", "of": PASS_MODEL, "max_abs": 0.5, "mean_abs": 0.01, "records": 100,
        **changes,
    }  # fmt: skip
    return structs.replace(contract(), variant=Variant(**made))


VARIANTS: dict[str, tuple[Contract, str]] = {
    "not a variant": (contract(), "manifest.json of int8 is about something else"),
    "another variant": (variant(name="fp16"), "manifest.json of int8 is about something else"),
    "of another model": (
        variant(of="f" * 64), f"int8 was made of model ffffffffffff, not of {PASS_MODEL[:12]}:",
    ),
    "too different": (variant(mean_abs=0.02), "int8: differs by 0.02 on average on 100 records"),
    "compared on nothing": (variant(records=0), "on average on 0 records; at most 0.01 on at"),
    "compared to NaN": (variant(mean_abs=math.nan), "int8: differs by nan on average"),
}  # fmt: skip


@pytest.mark.parametrize("fault", VARIANTS)
def test_fault_of_a_variant_is_one_reason(fault: str) -> None:
    of_variant, words = VARIANTS[fault]
    (reason,) = variant_blockers(of_variant, "int8", PASS_MODEL, 0.01)
    assert words in reason


@pytest.mark.parametrize("made", [variant(), variant(records=1), variant(mean_abs=0.0)])
def test_sound_variant_has_no_reason_against_it(made: Contract) -> None:
    assert list(variant_blockers(made, "int8", PASS_MODEL, 0.01)) == []
