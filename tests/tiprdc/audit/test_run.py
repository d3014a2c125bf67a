"""The audit in one process: its measures, its order, and no fault ends in PASS."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from msgspec import structs

from tests.helpers.known_leak import write_model
from tiprdc.attacks.measures import membership
from tiprdc.audit import protocol, tasks
from tiprdc.audit.config import AuditConfig
from tiprdc.audit.evidence import Evidence
from tiprdc.audit.executor import InProcess
from tiprdc.audit.ledger import Ledger
from tiprdc.audit.own_model import OwnModel
from tiprdc.audit.policy import PolicyConfig
from tiprdc.audit.run import Digests, make_plan, run
from tiprdc.datasets.schema import Schema, read_split
from tiprdc.errors import ConfigError
from tiprdc.formats.audit_report import AuditReport

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
        members=read_split(tmp_path, schema, "extractor-train"),
    )


def audit(evidence: Evidence, config: AuditConfig = CONFIG, **changes: Any) -> AuditReport:
    plan = make_plan(config, evidence, "")
    executor = changes.get("executor", InProcess())
    again = changes.get("recompute_digests", lambda: Digests.of(evidence))
    return run(plan, evidence, executor, 1000, again, Ledger(None)).report


def test_every_planned_measure_is_reported(
    evidence: Evidence, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(membership, "MIN_PEOPLE", 80)
    report = audit(evidence)
    assert (report.verdict, report.reasons) == ("PASS", ())
    assert set(report.measures) == {"worst_people", "reconstruction", "membership"}
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


def test_means_of_told_and_unseen_tasks_are_apart(evidence: Evidence) -> None:
    lean = structs.replace(CONFIG, attacks=("ridge",), measures=(), reconstruction=False)
    unseen, told = (audit(replace(evidence, told=names), lean) for names in ((), ("task",)))
    assert unseen.mean_kept is not None
    assert (unseen.mean_kept_told, unseen.plan.told) == (None, ())
    assert (told.mean_kept, told.mean_utility_loss) == (None, None)
    assert (told.mean_kept_told, told.plan.told) == (unseen.mean_kept, ("task",))


def test_audit_without_unprotected_file_and_training_people(evidence: Evidence) -> None:
    single = replace(evidence, models={"released": evidence.models["released"]}, members=None)
    report = audit(single)
    assert report.verdict == "INCONCLUSIVE"
    assert "240 records are too few for one" in report.reasons[0]
    assert report.mean_utility_loss is None
    assert {run.representation for a in report.attributes.values() for run in a.attacks} == {
        "released", "raw", "shuffled",
    }  # fmt: skip
    assert "the extractor was trained on is not known" in "\n".join(report.not_tried)
    assert report.reconstruction is not None
    assert set(report.reconstruction) == {"released", "without_features"}


def test_constant_features_of_texts_rebuild_no_more_than_token_frequencies(
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
    "the chosen attacker dies on the test people": (
        "predict_probabilities",
        fails,
        "MemoryError on attacker-test",
    ),
    "membership dies": ("measure_membership", fails, "measure membership failed: MemoryError"),
    "the curve dies": ("recognise", fails, "no learning curve (failed: MemoryError)"),
    "whose record dies": ("measure_retrieval", fails, "measure reconstruction failed"),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_failing_task_never_ends_in_pass(
    fault: str, evidence: Evidence, monkeypatch: pytest.MonkeyPatch
) -> None:
    name, function, words = FAULTS[fault]
    monkeypatch.setattr(tasks, name, function)
    report = audit(evidence)
    assert report.verdict == "INCONCLUSIVE"
    assert any(words in reason for reason in report.reasons), report.reasons


def test_timeout_never_ends_in_pass(evidence: Evidence, monkeypatch: pytest.MonkeyPatch) -> None:
    now = [0.0]

    def slow(*args: Any) -> Any:
        now[0] += 400
        return original(*args)

    original = tasks.fit
    monkeypatch.setattr(tasks, "fit", slow)
    monkeypatch.setattr("tiprdc.audit.executor.time.monotonic", lambda: now[0])
    report = audit(evidence, CONFIG)
    assert report.verdict == "INCONCLUSIVE"
    assert any("out of time" in reason for reason in report.reasons)


def test_changed_bytes_after_attacks_never_end_in_pass(evidence: Evidence) -> None:
    other = replace(Digests.of(evidence), model="f" * 64)
    assert audit(evidence, recompute_digests=lambda: other).verdict == "INCONCLUSIVE"


def test_attacker_test_is_extracted_after_selection(
    evidence: Evidence, monkeypatch: pytest.MonkeyPatch
) -> None:
    events: list[str] = []
    extract, choose = tasks.extract, protocol.choose

    def recorded_extract(model: Any, x: np.ndarray) -> Any:
        events.append("test" if np.array_equal(x, evidence.test.x) else "other")
        return extract(model, x)

    def recorded_choose(trials: Any) -> Any:
        events.append("choice")
        return choose(trials)

    monkeypatch.setattr(tasks, "extract", recorded_extract)
    monkeypatch.setattr(protocol, "choose", recorded_choose)
    audit(evidence)
    assert "test" in events
    assert "test" not in events[: events.index("choice")]


def test_report_does_not_depend_on_the_order_of_completion(evidence: Evidence) -> None:
    class LastFirst(InProcess):
        def collect(self, tasks: Any, *rest: Any) -> Any:
            yield from reversed(list(super().collect(tasks, *rest)))

    assert audit(evidence, executor=LastFirst()).to_json() == audit(evidence).to_json()


def test_progress_reaches_one_in_each_phase(evidence: Evidence) -> None:
    updates: list[tuple[str, float]] = []
    audit(evidence, executor=InProcess(lambda label, share: updates.append((label, share))))
    assert [label for label, share in updates if share == 1.0] == [
        "attack", "test", "learning curve", "certificate", "alternatives", "reconstruction",
        "measures",
    ]  # fmt: skip
    assert all(0 <= share <= 1 for _, share in updates)


def test_unknown_measure_is_refused() -> None:
    with pytest.raises(ConfigError, match="did you mean 'membership'"):
        AuditConfig(measures=("membrship",))
