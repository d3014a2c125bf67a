"""Variants: released with their version, under their own name and by their own audit."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from cyclonedx.schema import SchemaVersion
from cyclonedx.validation.json import JsonStrictValidator

from pipelines.artifacts import Artifact, artifact_from_argv
from pipelines.params.load import load
from pipelines.release import lifecycle
from pipelines.release.checks import RefusedError
from pipelines.release.plan import ReleaseRequest, plan_release
from stages import audit as audit_stage
from tests.helpers.release_project import Lab, audit_report, release, write_release
from tests.tiprdc.cli.test_main import run
from tiprdc.audit.config import AuditConfig
from tiprdc.errors import ConfigError, ReleaseError
from tiprdc.formats.files import sha256
from tiprdc.formats.release_statement import Variant, parse_release
from tiprdc.registry.git import Git
from tiprdc.registry.lineage import trace
from tiprdc.registry.pull import VersionSelector, pull, verify
from tiprdc.registry.release_folder import check as check_folder
from tiprdc.registry.release_folder import read_envelope
from tiprdc.registry.signing import read_trust
from tiprdc.registry.tags import read_registry

INT8 = "artifacts/variants/int8"
MINOR = ReleaseRequest(bump="minor", push=True)


@pytest.fixture(scope="module")
def _lab(audited_lab: Lab, tmp_path_factory: pytest.TempPathFactory) -> Lab:
    """The extractor and an int8 variant of it, both audited."""
    lab = audited_lab.copy(tmp_path_factory.mktemp("variants") / "lab")
    params = (lab.project / "params.yaml").read_text()
    lab.edit("params.yaml", params.replace("  variants: []\n", "  variants: [int8]\n"))
    write_release(lab.project, 2.0, "int8")
    lab.commit()
    return lab


@pytest.fixture(scope="module")
def _released(_lab: Lab, tmp_path_factory: pytest.TempPathFactory) -> Lab:
    lab = _lab.copy(tmp_path_factory.mktemp("released") / "lab")
    assert set(release(lab, stage="prod", key=lab.key)) == {
        f"extractor{variant}{mark}" for variant in ("", "-int8") for mark in ("@v0.1.0", "#prod#1")
    }
    return lab


@pytest.fixture
def lab(_lab: Lab, tmp_path: Path) -> Lab:
    return _lab.copy(tmp_path / "lab")


@pytest.fixture
def released(_released: Lab, tmp_path: Path) -> Lab:
    return _released.copy(tmp_path / "lab")


def reasons(lab: Lab) -> list[str]:
    with pytest.raises(RefusedError) as refused:
        plan_release(lab.project, MINOR)
    return refused.value.reasons


def test_variant_is_pulled_with_its_own_audit(released: Lab, tmp_path: Path) -> None:
    trusted, selector = read_trust(released.trust), VersionSelector(stage="prod", variant="int8")
    verified = pull(str(released.origin), selector, tmp_path / "int8", trusted)
    assert verified.key is not None
    assert (verified.release.artifact, verified.stages) == ("extractor-int8", ("prod",))
    assert verify(tmp_path / "int8", trusted).release == verified.release
    model = sha256(released.project / INT8 / "extractor.onnx")
    original = sha256(released.project / "artifacts/release/extractor.onnx")
    assert sha256(tmp_path / "int8" / "extractor.onnx") == model != original
    audit = json.loads((tmp_path / "int8" / "audit.json").read_text())
    assert (audit["verdict"], audit["model_sha256"]) == ("PASS", model)
    assert verified.release.variant == Variant(name="int8", of=original, mean_abs=0.01)
    bom = (tmp_path / "int8" / "bom.cdx.json").read_text()
    assert JsonStrictValidator(SchemaVersion.V1_6).validate_str(bom) is None
    (ancestor,) = json.loads(bom)["metadata"]["component"]["pedigree"]["ancestors"]
    assert (ancestor["name"], ancestor["version"]) == ("extractor", "v0.1.0")
    assert ancestor["hashes"] == [{"alg": "SHA-256", "content": original}]

    pull(str(released.origin), replace(selector, variant=None), tmp_path / "plain", trusted)
    assert sha256(tmp_path / "plain" / "extractor.onnx") == original
    # One release's statement beside the other's files.
    (tmp_path / "int8/release.json").write_bytes((tmp_path / "plain/release.json").read_bytes())
    with pytest.raises(ReleaseError):
        check_folder(tmp_path / "int8", parse_release(read_envelope(tmp_path / "int8"), "int8"))


def test_lineage_of_a_variant_names_its_original(released: Lab) -> None:
    found = trace(str(released.origin), "extractor-int8@v0.1.0", read_trust(released.trust))
    original = sha256(released.project / "artifacts/release/extractor.onnx")
    assert found.broken == ()
    assert ("made of", f"sha256 {original}, as its variant int8") in found.rows()
    assert found.document()["variant"]["of"] == original
    assert "export-variant@int8" in found.stages
    released.git("update-ref", "-d", "refs/tags/extractor@v0.1.0", at=released.origin)
    found = trace(str(released.origin), "extractor-int8@v0.1.0", None)
    assert found.broken == ("extractor@v0.1.0 is not the file that this was made of",)


def test_session_of_a_puller_of_int8(
    released: Lab, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    target = str(tmp_path / "int8")
    words = ("pull", str(released.origin), "extractor", "--stage", "prod", "-o", target)
    code, out, _ = run(capsys, *words, "--variant", "int8", "--trust", str(released.trust))
    assert code == 0
    assert out.startswith(f"extractor-int8@v0.1.0 in {target}")
    code, out, _ = run(capsys, "inspect", f"{target}/manifest.json")
    assert "int8 of model" in out
    code, out, err = run(capsys, *words[:-1], str(tmp_path / "fp16"), "--variant", "fp16")
    assert (code, out) == (2, "")
    assert "extractor-fp16#prod: no version is in this stage" in err
    assert not (tmp_path / "fp16").exists()


def test_leaking_variant_is_refused_or_left_out(lab: Lab) -> None:
    write_release(lab.project, 2.0, "int8", rate=0.9)
    lab.commit()
    assert any("reports/variants/int8/audit.json says FAIL" in reason for reason in reasons(lab))
    assert release(lab, without=("int8",)) == ["extractor@v0.1.0"]
    # A variant that is added to the same commit later gets the same version.
    assert any("says FAIL" in reason for reason in reasons(lab))


def test_variant_that_was_left_out_is_released_later(lab: Lab, tmp_path: Path) -> None:
    assert release(lab, without=("int8",), stage="prod") == ["extractor@v0.1.0", "extractor#prod#1"]
    assert release(lab, stage="prod") == ["extractor-int8@v0.1.0", "extractor-int8#prod#1"]
    assert release(lab, stage="prod") == []
    assert pull(str(lab.origin), VersionSelector(variant="int8"), tmp_path / "int8", None)


def manifest(change: Callable[[dict[str, Any]], object]) -> Callable[[Lab], None]:
    def fault(lab: Lab) -> None:
        document = json.loads((lab.project / INT8 / "manifest.json").read_text())
        change(document)
        lab.edit(f"{INT8}/manifest.json", json.dumps(document))
        lab.commit()

    return fault


def older(lab: Lab) -> None:
    """The extractor is new; the variant is of the old one."""
    write_release(lab.project, 3.0)
    lab.commit()


def audit_of_the_extractor(lab: Lab) -> None:
    there = lab.project / "reports/variants/int8/audit.json"
    there.write_bytes((lab.project / "reports/audit.json").read_bytes())
    lab.commit()


def unaudited(lab: Lab) -> None:
    (lab.project / "reports/variants/int8/audit.json").unlink()


REFUSED: dict[str, tuple[Callable[[Lab], None], str]] = {
    "too far off": (
        manifest(lambda d: d["variant"].update(mean_abs=0.5)), "differs by 0.5 on average",
    ),
    "compared with nothing": (manifest(lambda d: d["variant"].update(records=0)), "on 0 records"),
    "no variant": (manifest(lambda d: d.update(variant=None)), "is about something else"),
    "another variant": (
        manifest(lambda d: d["variant"].update(name="fp16")), "is about something else",
    ),
    "of an older file": (older, "int8 was made of model"),
    "the audit of the file": (audit_of_the_extractor, "int8/audit.json is about model"),
    "no audit": (unaudited, "reports/variants/int8/audit.json: no such file"),
}  # fmt: skip


@pytest.mark.parametrize("name", REFUSED)
def test_fault_of_a_variant_is_a_reason(lab: Lab, name: str) -> None:
    fault, words = REFUSED[name]
    fault(lab)
    listed = reasons(lab)
    assert any(words in reason for reason in listed), listed


def test_unknown_variant_cannot_be_left_out(lab: Lab) -> None:
    with pytest.raises(RefusedError, match="--without: fp16 is no variant here: int8"):
        plan_release(lab.project, replace(MINOR, without=("fp16",)))


def test_variant_is_promoted_and_deprecated_with_its_version(released: Lab) -> None:
    tags = lifecycle.promote(released.project, "v0.1.0", "staging", None, True)
    assert tags == ["extractor#staging#2", "extractor-int8#staging#2"]
    lifecycle.deprecate(released.project, "v0.1.0", "odd", True, "int8")
    with pytest.raises(ReleaseError, match=r"extractor-int8@v0\.1\.0: was deprecated: odd"):
        lifecycle.promote(released.project, "v0.1.0", "staging", released.key, True)
    registry = read_registry(Git(released.origin), "extractor")
    assert registry.version("v0.1.0").blocked_reason == ""
    tags = lifecycle.promote(released.project, "v0.1.0", "prod", None, True, without=("int8",))
    assert tags == []
    assert lifecycle.deprecate(released.project, "v0.1.0", "all", True) == ["extractor@v0.1.0!"]


def test_later_audit_blocks_the_model_that_it_is_about(released: Lab, tmp_path: Path) -> None:
    config = load("audit", AuditConfig, released.project / "params.yaml")
    model = sha256(released.project / INT8 / "extractor.onnx")
    file = tmp_path / "later.json"
    file.write_text(audit_report(config, model, rate=0.9).to_json())
    tags = lifecycle.reaudit(released.project, "v0.1.0", file, push=True)
    assert tags == ["extractor-int8+v0.1.0+audit+1"]
    with pytest.raises(ReleaseError, match="has the verdict FAIL"):
        pull(
            str(released.origin),
            VersionSelector(stage="prod", variant="int8"),
            tmp_path / "no",
            None,
        )
    assert pull(str(released.origin), VersionSelector(stage="prod"), tmp_path / "plain", None)


def test_stage_reads_its_variant_from_its_arguments(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.argv", ["stages/audit.py"])
    assert artifact_from_argv() == Artifact()
    monkeypatch.setattr("sys.argv", ["stages/audit.py", "fp16"])
    assert artifact_from_argv().release == "artifacts/variants/fp16"
    monkeypatch.setattr("sys.argv", ["stages/audit.py", "in8"])
    with pytest.raises(ConfigError, match=r"did you mean 'int8'"):
        artifact_from_argv()


@pytest.mark.parametrize("variant", [None, "int8"])
def test_audit_is_monitored_under_the_name_of_its_artifact(
    monkeypatch: pytest.MonkeyPatch, variant: str | None
) -> None:
    calls: list[Any] = []
    monkeypatch.setattr("sys.argv", ["stages/audit.py", *([variant] if variant else [])])
    monkeypatch.setattr(
        audit_stage, "audit", lambda *_, **named: calls.append((named["stage"], named["artifact"]))
    )
    audit_stage.main()
    assert calls == [
        ("audit-variant@int8", "extractor-int8") if variant else ("audit", "extractor")
    ]


def test_unknown_variant_is_refused_with_the_known_ones(released: Lab, tmp_path: Path) -> None:
    for variant in ("int9", ""):
        with pytest.raises(ConfigError, match=rf"variant: {variant}\n  expected: int8, fp16"):
            pull(str(released.origin), VersionSelector(variant=variant), tmp_path / "none", None)
        with pytest.raises(ConfigError, match="expected: int8, fp16"):
            lifecycle.promote(released.project, "v0.1.0", "prod", None, False, [variant])
    assert not (tmp_path / "none").exists()
