"""Controls give the expected verdicts, and the table counts the rows correctly."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from benchmarks.auditor import controls
from tiprdc.attacks.suite import SUITE_VERSION
from tiprdc.audit.config import AuditConfig
from tiprdc.audit.policy import PolicyConfig
from tiprdc.datasets.schema import SPLITS

PEOPLE = dict(zip(SPLITS, (4, 120, 40, 80), strict=True))
QUICK = AuditConfig(
    policy=PolicyConfig(min_people=20, margin=0.15),
    attacks=("logistic_regression",), probes=("logistic_regression",),
    raw=("logistic_regression",), seeds=(0,), measures=(), reconstruction=False,
)  # fmt: skip


def test_splits_are_disjoint_and_seeds_differ() -> None:
    schema, parts = controls.faces(0, PEOPLE)
    everybody = [person for part in parts.values() for person in part.person]
    assert len(everybody) == len(set(everybody)) == 244
    assert schema.private == ("skin_tone",)
    _, others = controls.faces(1, PEOPLE)
    assert not np.array_equal(parts["attacker-test"].x, others["attacker-test"].x)


@pytest.mark.parametrize(("informative", "verdict"), [(True, "FAIL"), (False, "PASS")])
def test_leaking_control_fails_constant_passes_and_both_repeat(
    informative: bool, verdict: str
) -> None:
    schema, parts = controls.faces(0, PEOPLE)
    model = controls.FormulaModel(64, informative=informative)
    first, second = (controls.audit_model(schema, parts, model, QUICK, 1) for _ in range(2))
    assert (first.report.verdict, first.seconds != second.seconds) == (verdict, True)
    assert first.report.to_json() == second.report.to_json()
    assert '"seconds"' not in first.report.to_json()


def row(control: str, verdict: str, value: float, **more: Any) -> dict[str, str]:
    return {
        "control": control, "seed": "0", "suite": SUITE_VERSION, "verdict": verdict,
        "attack": "kernel", "value": str(value), "low": "0", "high": "1", "people": "800",
        "same": "", "cores": "2", "seconds": "90", **more,
    }  # fmt: skip


def test_table_counts_expected_verdicts() -> None:
    rows = [
        row("unprotected", "FAIL", 0.8, same="True"), row("unprotected", "INCONCLUSIVE", 0.6),
        row("constant", "PASS", 0.5, same="False"), row("large", "FAIL", 0.9),
    ]  # fmt: skip
    table = "\n".join(controls.lines(rows))
    assert "| unprotected | FAIL | 1 FAIL, 1 INCONCLUSIVE of 2 | 3 % | 0.600 to 0.800 |" in table
    assert "| constant | PASS | 1 PASS of 1 | 5 % | 0.500 to 0.500 |" in table
    assert "| 1 of 2 | | |" in table
    assert "10,000 people x 1,024 features, everything | 20 minutes | 1.5 minutes on 2" in table
