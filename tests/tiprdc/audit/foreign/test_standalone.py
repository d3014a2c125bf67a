"""`tiprdc audit`: a foreign model on a foreign table, with known leaks."""

from __future__ import annotations

import hashlib
import json
import re
import sys
from dataclasses import replace
from pathlib import Path

import jsonschema
import numpy as np
import pandas as pd
import pytest
from msgspec import structs

from tests.helpers.known_leak import write_columns_model, write_table
from tiprdc.audit.config import AuditConfig
from tiprdc.audit.foreign import standalone
from tiprdc.audit.foreign.inputs import load_evidence
from tiprdc.audit.foreign.request import AuditRequest
from tiprdc.audit.policy import PolicyConfig
from tiprdc.cli.main import app
from tiprdc.errors import ConfigError, DataError, ModelError
from tiprdc.formats import audit_schema
from tiprdc.formats.audit_report import AuditReport

CONFIG = AuditConfig(
    policy=PolicyConfig(margin=0.2, min_people=20),
    attacks=("logistic_regression", "kernel"),
    probes=("logistic_regression",),
    raw=("logistic_regression",),
    seeds=(0,),
    reconstruction=False,
)
HIDES, SHOWS = np.eye(3)[:, 1:], np.eye(3)


@pytest.fixture
def request_(tmp_path: Path) -> AuditRequest:
    write_columns_model(tmp_path / "model.onnx", HIDES)
    return AuditRequest(
        models=(tmp_path / "model.onnx",),
        data=write_table(tmp_path / "people.csv", 1200),
        private=("gender",),
        utility=("task",),
        person="who",
    )


def audit(request: AuditRequest, config: AuditConfig = CONFIG, out: str = "report") -> AuditReport:
    folder = request.data.with_name(out)
    (evidence,) = load_evidence(request)
    return standalone.run_standalone_audit(
        request, evidence, config, folder, lambda label, share: None
    )


def test_model_that_hides_passes_and_the_page_describes_it(request_: AuditRequest) -> None:
    report = audit(request_)
    assert (report.verdict, report.reasons) == ("PASS", ())
    assert report.attributes["gender"].ceiling == 1
    assert report.attributes["gender"].controls.unprotected is None
    assert report.plan.unprotected_sha256 is None
    assert report.mean_utility_loss is None
    assert report.model_sha256 == hashlib.sha256(request_.models[0].read_bytes()).hexdigest()
    folder = request_.data.with_name("report")
    schema = json.loads(audit_schema.FILE.read_text())
    jsonschema.validate(json.loads((folder / "audit.json").read_text()), schema)
    page = (folder / "index.html").read_text()
    assert "trained on are not known" in page
    assert "neither in training" not in page
    assert "did not finish" not in page
    assert "Every number is a balanced accuracy" not in page
    assert "there is no unprotected extractor" in page
    assert "dvc repro" not in page


def test_model_that_leaks_fails(request_: AuditRequest) -> None:
    write_columns_model(request_.models[0], SHOWS)
    report = audit(request_)
    assert report.verdict == "FAIL"
    assert report.attributes["gender"].strongest is not None
    assert report.attributes["gender"].strongest.low > 0.9


def test_attribute_missing_from_the_record_is_inconclusive(request_: AuditRequest) -> None:
    """The raw record is the positive control: without a leak there, the audit is inconclusive."""
    report = audit(replace(request_, x=("noise", "kind", "kind2"), data=_with_copies(request_)))
    assert report.verdict == "INCONCLUSIVE"
    assert any("prove nothing" in reason for reason in report.reasons)


def _with_copies(request: AuditRequest) -> Path:
    table = pd.read_csv(request.data)
    table["kind2"] = table["kind"]
    path = request.data.with_name("copies.csv")
    table.to_csv(path, index=False)
    return path


def test_repeated_audits_agree(request_: AuditRequest) -> None:
    for out in ("first", "second"):
        audit(request_, out=out)
    first, second = (
        (request_.data.with_name(out) / "audit.json").read_bytes() for out in ("first", "second")
    )
    assert first == second


def test_named_training_people_are_not_attacked(request_: AuditRequest) -> None:
    table = pd.read_csv(request_.data)
    table["part"] = np.where(np.arange(len(table)) < 100, "train", "fresh")
    table.to_csv(request_.data, index=False)
    report = audit(replace(request_, split="part"))
    assert report.splits["extractor-train"].people == 100
    assert sum(split.people for split in report.splits.values()) == 1200
    assert not any("trained on are not known" in note for note in report.notes)


REFUSED: list[tuple[dict[str, object], type[Exception], str]] = [
    ({"private": ("gendre",)}, DataError, "did you mean 'gender'"),
    ({"utility": ("tsak",)}, DataError, "did you mean 'task'"),
    ({"x": ("level", "kind")}, DataError, "2 columns"),
    ({"person": "whom"}, DataError, "did you mean 'who'"),
    ({"split": "task2"}, DataError, "did you mean 'task'"),
    ({"modality": "image"}, ModelError, "RGB pictures"),
    ({"modality": "text", "x": ("noise",)}, ConfigError, "tokenizer"),
]


@pytest.mark.parametrize(("changes", "kind", "words"), REFUSED)
def test_mismatched_requests_are_refused(
    request_: AuditRequest, changes: dict[str, object], kind: type[Exception], words: str
) -> None:
    with pytest.raises(kind, match=words) as refused:
        audit(replace(request_, **changes))  # type: ignore[arg-type]
    assert "prepare.manifest" not in str(refused.value)
    assert not request_.data.with_name("report").exists()


def test_too_few_people_are_refused(request_: AuditRequest) -> None:
    few = structs.replace(CONFIG, policy=PolicyConfig(min_people=500))
    with pytest.raises(DataError, match="at least 500") as refused:
        audit(request_, few)
    assert re.search(r"about [\d.]+ times as many people would do \([\d,]+ in", str(refused.value))


def test_invalid_model_is_refused(request_: AuditRequest) -> None:
    request_.models[0].write_bytes(b"no model")
    with pytest.raises(ModelError):
        audit(request_)


def test_file_changed_during_the_audit_never_passes(
    request_: AuditRequest, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(standalone, "sha256_of", lambda path: "f" * 64)
    report = audit(request_)
    assert report.verdict == "INCONCLUSIVE"
    assert "The released file is not the planned one." in report.reasons


def run(capsys: pytest.CaptureFixture[str], *words: str) -> tuple[int, str, str]:
    sys.argv = ["tiprdc", "audit", *words]
    with pytest.raises(SystemExit) as ended:
        app()
    out, err = capsys.readouterr()
    return int(ended.value.code or 0), out, err


def test_exit_code_follows_the_verdict(
    request_: AuditRequest, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "argv", [])
    monkeypatch.setattr(
        "tiprdc.audit.config.AuditConfig", lambda **changes: structs.replace(CONFIG, **changes)
    )
    folder = request_.data.parent
    policy = folder / "policy.yaml"
    policy.write_text("margin: 0.2\nmin_people: 20\n")
    words = (
        str(request_.models[0]), "--data", str(request_.data), "--private", "gender",
        "--utility", "task", "--person", "who", "--policy", str(policy),
        "-o", str(folder / "out"), "--json", "--replace",
    )  # fmt: skip
    code, out, _ = run(capsys, *words)
    assert code == 0
    assert json.loads(out)["verdict"] == "PASS"
    write_columns_model(request_.models[0], SHOWS)
    code, out, _ = run(capsys, *words)
    assert code == 1
    code, _, err = run(capsys, str(folder / "none.onnx"), *words[1:])
    assert code == 2
    assert "none.onnx" in err
    policy.write_text("margin: 0.2\nmin_poeple: 20\n")
    code, out, err = run(capsys, *words)
    assert (code, out) == (2, "")
    assert "did you mean 'min_people'" in err


COMPARED = [
    (HIDES, SHOWS, "LEAKIER", 1),
    (SHOWS, HIDES, "NOT LEAKIER", 0),
    (HIDES, 2 * HIDES, "NOT LEAKIER", 0),
    (HIDES, np.array([[0], [1], [1]]), "UNDECIDED", 2),
]


@pytest.mark.parametrize(("first", "second", "answer", "code"), COMPARED)
def test_two_models_are_compared_on_the_same_people(
    request_: AuditRequest,
    first: np.ndarray,
    second: np.ndarray,
    answer: str,
    code: int,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(sys, "argv", [])
    monkeypatch.setattr(
        "tiprdc.audit.config.AuditConfig", lambda **changes: structs.replace(CONFIG, **changes)
    )
    monkeypatch.setattr("tiprdc.audit.policy.PolicyConfig", lambda: CONFIG.policy)
    folder = request_.data.parent
    paths = [str(folder / name) for name in ("a.onnx", "b.onnx")]
    for path, weights in zip(paths, (first, second), strict=True):
        write_columns_model(Path(path), weights)
    words = ("--compare", *paths, "--data", str(request_.data), "--private", "gender", "--utility",
             "task", "--person", "who", "--x", "level", "--x", "kind", "--x", "noise",
             "-o", str(folder), "--tolerance", "0" if code == 2 else "0.02")  # fmt: skip
    exit_code, out, _ = run(capsys, *words)
    assert out.startswith(
        "undecided: whether the second model, b.onnx, is leakier than the first, a.onnx"
        if answer == "UNDECIDED"
        else f"The second model, b.onnx, is {answer.lower()} than the first, a.onnx"
    )
    assert exit_code == code
    document = json.loads((folder / "comparison.json").read_text())
    assert document["answer"] == answer
    row = next(line for line in out.splitlines() if line.startswith("task "))
    rates = [document["tasks"]["task"][which]["balanced_accuracy"] for which in ("first", "second")]
    assert row.split()[1:4] == [*(f"{100 * rate:.1f}" for rate in rates), "50.0"]
    assert all(share <= 1.5 for share in document["kept"])
    assert "Of what the raw record tells of the tasks, the first keeps" in out
    paired = document["attributes"]["gender"]["paired"]
    assert paired["low"] <= paired["difference"] <= paired["high"]
