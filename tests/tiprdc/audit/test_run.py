"""The audit's core in one process: what is measured, in which order, and no fault ends in PASS."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from msgspec import structs

from tests.helpers.known_leak import write_model
from tiprdc.attacks import membership
from tiprdc.audit import protocol, tasks
from tiprdc.audit.config import AuditConfig, PolicyConfig
from tiprdc.audit.evidence import Evidence
from tiprdc.audit.executor import InProcess
from tiprdc.audit.ledger import Ledger
from tiprdc.audit.own_model import OwnModel
from tiprdc.audit.report_document import AuditReport
from tiprdc.audit.run import Digests, make_plan, run
from tiprdc.datasets.schema import Schema, read_split
from tiprdc.errors import ConfigError

CONFIG = AuditConfig(
    policy=PolicyConfig(margin=0.2, min_people=20),
    attacks=("logistic_regression", "kernel"),
    probes=("logistic_regression",),
    raw=("logistic_regression",),
    seeds=(0,),
)
PARTS = ("train", "select", "test")
HIDES, SHOWS = np.eye(4)[:, 1:], np.eye(4)


@pytest.fixture
def evidence(tmp_path: Path, make_shards: Callable[..., Schema]) -> Evidence:
    """Columns level (the secret), noise, kind (the task), other; the extractor hides the secret."""
    schema = make_shards(tmp_path, "table", people=240)
    write_model(tmp_path / "released.onnx", schema, HIDES)
    write_model(tmp_path / "unprotected.onnx", schema, SHOWS)
    return Evidence(
        schema,
        train=read_split(tmp_path, schema, "attacker-train"),
        select=read_split(tmp_path, schema, "attacker-select"),
        test=read_split(tmp_path, schema, "attacker-test"),
        models={
            name: OwnModel((tmp_path / f"{name}.onnx").read_bytes())
            for name in ("released", "unprotected")
        },
        trained=read_split(tmp_path, schema, "extractor-train"),
    )


def audit(evidence: Evidence, config: AuditConfig = CONFIG, **changes: Any) -> AuditReport:
    plan = make_plan(config, evidence, "")
    executor = changes.get("executor", InProcess())
    again = changes.get("recompute_digests", lambda: Digests.of(evidence))
    return run(plan, evidence, executor, 1000, again, Ledger(None)).report


def test_everything_that_is_planned_is_measured(
    evidence: Evidence, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(membership, "FEWEST", 80)
    report = audit(evidence)
    assert (report.verdict, report.reasons) == ("PASS", ())
    assert set(report.measures) == {
        "worst_people", "attacker_data", "reconstruction", "membership",
    }  # fmt: skip
    by_name = {(m.name, m.representation): m for some in report.measures.values() for m in some}
    assert by_name["AUC of membership", "released"].low < 0.5
    assert by_name["true record found among 100", "unprotected"].value > 0.3
    assert by_name["task: yes", "released"].people > 80
    joined = "\n".join(report.not_tried)
    assert "linkability" in joined
    assert "decensoring: an attack by somebody who holds records" in joined
    assert "have several records" in joined
    assert "membership" not in joined
    assert "recognised best" not in joined


def test_without_a_control_and_without_training_people(evidence: Evidence) -> None:
    alone = replace(evidence, models={"released": evidence.models["released"]}, trained=None)
    report = audit(alone)
    assert report.verdict == "PASS"
    assert report.mean_utility_loss is None
    assert {run.representation for a in report.attributes.values() for run in a.attacks} == {
        "released", "raw", "shuffled",
    }  # fmt: skip
    assert "the extractor was trained on is not known" in "\n".join(report.not_tried)
    assert report.reconstruction is not None
    assert set(report.reconstruction) == {"released", "without_features"}


def test_texts_are_rebuilt_as_tokens_and_constant_features_say_no_more_than_their_frequency(
    tmp_path: Path, make_shards: Callable[..., Schema]
) -> None:
    schema = make_shards(tmp_path, "text", people=160)
    write_model(tmp_path / "released.onnx", schema, np.zeros((12, 2)))
    parts = {part: read_split(tmp_path, schema, f"attacker-{part}") for part in PARTS}
    models = {"released": OwnModel((tmp_path / "released.onnx").read_bytes())}
    lean = structs.replace(
        CONFIG, attacks=("decoding", "decensoring"), raw=("bag_of_tokens",), measures=()
    )
    report = audit(Evidence(schema, **parts, models=models), lean)
    assert report.verdict == "PASS"
    assert report.reconstruction is not None
    nothing, released = (report.reconstruction[n] for n in ("without_features", "released"))
    assert set(released) == {"average_precision", "found"}
    assert released["average_precision"] == pytest.approx(nothing["average_precision"], abs=0.05)


def fails(*_: Any) -> Any:
    raise MemoryError("no room")


def nothing(*_: Any) -> Any:
    return np.full((240, 2), np.nan)


FAULTS: dict[str, tuple[str, Callable[..., Any], str]] = {
    "a fit dies": ("fit", fails, "failed: MemoryError"),
    "the chosen attacker dies on the test people": ("say", fails, "MemoryError on attacker-test"),
    "membership dies": ("measure_membership", fails, "measure membership failed: MemoryError"),
    "the curve dies": ("measure_attacker_data", fails, "measure attacker_data failed"),
    "whose record dies": ("measure_retrieval", fails, "measure reconstruction failed"),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_no_fault_of_a_task_ends_in_pass(
    fault: str, evidence: Evidence, monkeypatch: pytest.MonkeyPatch
) -> None:
    name, function, words = FAULTS[fault]
    monkeypatch.setattr(tasks, name, function)
    report = audit(evidence)
    assert report.verdict == "INCONCLUSIVE"
    assert any(words in reason for reason in report.reasons), report.reasons


def test_time_that_runs_out_never_ends_in_pass(
    evidence: Evidence, monkeypatch: pytest.MonkeyPatch
) -> None:
    now = [0.0]

    def slow(*given: Any) -> Any:
        now[0] += 400
        return original(*given)

    original = tasks.fit
    monkeypatch.setattr(tasks, "fit", slow)
    monkeypatch.setattr("tiprdc.audit.executor.time.monotonic", lambda: now[0])
    report = audit(evidence, CONFIG)
    assert report.verdict == "INCONCLUSIVE"
    assert any("out of time" in reason for reason in report.reasons)


def test_other_bytes_after_the_attacks_never_end_in_pass(evidence: Evidence) -> None:
    other = replace(Digests.of(evidence), model="f" * 64)
    assert audit(evidence, recompute_digests=lambda: other).verdict == "INCONCLUSIVE"


def test_the_test_people_are_opened_after_the_choice(
    evidence: Evidence, monkeypatch: pytest.MonkeyPatch
) -> None:
    events: list[str] = []
    extract, choose = tasks.extract, protocol.choose

    def watched(model: Any, x: np.ndarray) -> Any:
        events.append("test" if np.array_equal(x, evidence.test.x) else "other")
        return extract(model, x)

    def chooses(trials: Any) -> Any:
        events.append("choice")
        return choose(trials)

    monkeypatch.setattr(tasks, "extract", watched)
    monkeypatch.setattr(protocol, "choose", chooses)
    audit(evidence)
    assert "test" in events
    assert "test" not in events[: events.index("choice")]


def test_it_says_how_far_it_is(evidence: Evidence) -> None:
    heard: list[tuple[str, float]] = []
    audit(evidence, executor=InProcess(lambda label, share: heard.append((label, share))))
    assert [label for label, share in heard if share == 1.0] == [
        "attack", "test", "reconstruction", "measures",
    ]  # fmt: skip
    assert all(0 <= share <= 1 for _, share in heard)


def test_a_measure_that_is_none_is_refused() -> None:
    with pytest.raises(ConfigError, match="did you mean 'membership'"):
        AuditConfig(measures=("membrship",))
