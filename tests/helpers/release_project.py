"""A small project with a passed audit, a bare Git remote and a DVC remote."""

from __future__ import annotations

import base64
import hashlib
import json
import re
import shutil
import subprocess
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from msgspec import structs
from onnx import TensorProto, helper, numpy_helper

from pipelines.artifacts import Artifact
from pipelines.params.load import load
from pipelines.release.plan import ReleaseRequest, plan_release
from pipelines.release.publish import publish
from tests.helpers.audit_parts import task
from tests.helpers.audit_project import manifest as sample_manifest
from tiprdc.attacks.suite import SUITE_VERSION
from tiprdc.audit.config import AuditConfig
from tiprdc.audit.evaluation.curves import build_curve, patterns_of
from tiprdc.audit.evaluation.estimate import estimate_from_counts
from tiprdc.audit.plan import mandatory_runs, policy_of
from tiprdc.audit.verdict import conclude, judge
from tiprdc.errors import ReleaseError
from tiprdc.formats.audit_bounds import Curve
from tiprdc.formats.audit_plan import Plan, Representation
from tiprdc.formats.audit_report import (
    SCHEMA_VERSION,
    AttackRun,
    AuditReport,
    Estimate,
    SplitSize,
    TaskReport,
)
from tiprdc.formats.envelope import encode_json
from tiprdc.formats.files import sha256
from tiprdc.registry.git import Git
from tiprdc.registry.pull import VersionSelector, pull
from tiprdc.registry.signing import generate, read_trust
from tiprdc.registry.versions import Bump

ROOT = Path(__file__).parents[2]
PEOPLE = 4000
DATA = "b7" * 32
GRAPH = """
artifacts:
  extractor: {path: artifacts/release, type: model}
stages:
  export:
    cmd: make it
    deps: [code.txt]
    params: [export]
    outs: [artifacts/release]
  audit:
    cmd: attack it
    deps: [artifacts/release]
    params: [audit]
    outs: [reports/audit.json]
  card:
    cmd: describe it
    deps: [artifacts/release, reports/audit.json]
    outs: [reports/model_card.md]
  export-variant:
    foreach: ${export.variants}
    do:
      cmd: make ${item} of it
      deps: [artifacts/release]
      outs:
        - artifacts/variants/${item}
  audit-variant:
    foreach: ${export.variants}
    do:
      cmd: attack ${item}
      deps:
        - artifacts/variants/${item}
      params: [audit]
      outs:
        - reports/variants/${item}/audit.json
  card-variant:
    foreach: ${export.variants}
    do:
      cmd: describe ${item}
      deps:
        - artifacts/variants/${item}
        - reports/variants/${item}/audit.json
      outs:
        - reports/variants/${item}/model_card.md
"""


class Lab:
    """`project` (a clone with a work tree), `origin.git` (bare), `store` (DVC's remote).

    The project names its DVC remote by a link, so that a copy of a lab has a remote of its own.
    """

    def __init__(self, folder: Path, link: Path) -> None:
        self.folder, self.link = folder, link
        self.project, self.origin = folder / "project", folder / "origin.git"
        self.store, self.key = folder / "store", folder / "key.pem"
        self.trust = folder / "key.pem.trust.json"
        link.unlink(missing_ok=True)
        link.symlink_to(self.store)

    def copy(self, folder: Path) -> Lab:
        """Another lab, as this one is now."""
        shutil.copytree(self.folder, folder, symlinks=True)
        return Lab(folder, self.link)

    def git(self, *arguments: str, at: Path | None = None) -> str:
        return subprocess.run(
            ["git", *arguments], cwd=at or self.project, check=True, capture_output=True, text=True
        ).stdout

    def dvc(self, *arguments: str) -> None:
        subprocess.run(
            [sys.executable, "-m", "dvc", *arguments], cwd=self.project, check=True,
            capture_output=True,
        )  # fmt: skip

    def tags(self, at: Path | None = None) -> dict[str, str]:
        """Tag -> object."""
        form = "--format=%(refname:strip=2) %(objectname)"
        listed = self.git("for-each-ref", "refs/tags", form, at=at or self.origin).splitlines()
        return dict(line.split() for line in listed)

    def edit(self, file: str, text: str) -> None:
        (self.project / file).write_text(text)

    def commit(self) -> None:
        """Commit all files to dvc.lock and to Git."""
        self.dvc("commit", "-f", "-q")
        self.git("add", "-A")
        self.git("commit", "-q", "--allow-empty", "-m", "a change")

    def stored(self, path: str) -> Path:
        """The object in DVC's remote of a file of the project."""
        digest = hashlib.md5((self.project / path).read_bytes()).hexdigest()
        return self.object(digest)

    def object(self, digest: str) -> Path:
        """An object in DVC's remote, made writable."""
        path = self.store / "files" / "md5" / digest[:2] / digest[2:]
        path.chmod(0o644)
        return path

    def listing(self) -> Path:
        """The object in DVC's remote that lists the files of artifacts/release."""
        lock = (self.project / "dvc.lock").read_text()
        digest = re.search(r"path: artifacts/release\n *hash: md5\n *md5: (\w+\.dir)", lock)
        assert digest
        return self.object(digest[1])

    def use_remote(self, *settings: str) -> None:
        """Configure another DVC remote than the folder."""
        lines = "".join(f" {setting}\n" for setting in settings)
        self.edit(
            ".dvc/config",
            f"[core]\n analytics = false\n remote = far\n['remote \"far\"']\n{lines}",
        )
        self.git("commit", "-qam", "a remote far away")

    def retag(
        self,
        name: str,
        change: Callable[[dict[str, Any]], None] = lambda envelope: None,
        *,
        commit: str | None = None,
        as_name: str | None = None,
    ) -> None:
        """On the Git remote, overwrite a tag with one whose envelope was changed.

        Args:
            name: Of the tag.
            change: Edits the envelope, which holds the decoded payload under "statement".
            commit: Of the new tag; default: the old one's.
            as_name: Of the new tag; default: the old one's.
        """
        git = Git(self.origin)
        tag = git.tags()[name]
        envelope = json.loads(git.message(tag).split("\n\n")[1])
        envelope["statement"] = json.loads(base64.b64decode(envelope.pop("payload")))
        change(envelope)
        payload = encode_json(envelope.pop("statement"))
        envelope["payload"] = base64.b64encode(payload).decode()
        made = git.make_tag(
            as_name or name, commit or tag.commit, f"a tag\n\n{json.dumps(envelope)}"
        )
        git("update-ref", f"refs/tags/{as_name or name}", made)


def build(folder: Path) -> Lab:
    """An audited project, committed and pushed to Git's remote; nothing is released yet."""
    link = folder / "current-store"
    lab = Lab(folder / "lab", link)
    lab.project.mkdir(parents=True)
    lab.store.mkdir()
    lab.git("init", "-q", "--bare", "-b", "main", str(lab.origin), at=folder)
    lab.git("init", "-q", "-b", "main")
    lab.git("remote", "add", "origin", "../origin.git")
    lab.edit("dvc.yaml", GRAPH)
    lab.edit("code.txt", "code\n")
    lab.edit(".gitignore", "/artifacts/\n/reports/\n")
    shutil.copyfile(ROOT / "params.yaml", lab.project / "params.yaml")
    lab.dvc("init", "-q")
    lab.edit(
        ".dvc/config",
        f"[core]\n analytics = false\n remote = store\n['remote \"store\"']\n url = {link}\n",
    )
    write_release(lab.project, 1.0)
    lab.commit()
    lab.git("push", "-q", "origin", "main")
    generate("the releaser", lab.key, lab.trust)
    return lab


def release(lab: Lab, *, bump: Bump = "minor", push: bool = True, **options: Any) -> list[str]:
    """Plan and publish, as `python -m pipelines.release` does; names of the new tags."""
    request = ReleaseRequest(bump=bump, push=push, **options)
    return publish(lab.project, request, plan_release(lab.project, request))


def check_pulls_from_remote(
    lab: Lab, folder: Path, put: Callable[[str, bytes], object], delete: Callable[[str], object]
) -> None:
    """Release to a remote that is no folder, pull; then change an object there, then delete it.

    Args:
        lab: Whose remote it is.
        folder: For the pulled folders.
        put, delete: Change an object of the remote by its path there.
    """
    assert release(lab, stage="prod", key=lab.key)
    trusted, selector = read_trust(lab.trust), VersionSelector(stage="prod")
    assert pull(str(lab.origin), selector, folder / "first", trusted).key
    model = (lab.project / "artifacts/release/extractor.onnx").read_bytes()
    assert (folder / "first" / "extractor.onnx").read_bytes() == model

    digest = hashlib.md5(model).hexdigest()
    stored = f"files/md5/{digest[:2]}/{digest[2:]}"
    put(stored, model[:-1] + b"?")
    with pytest.raises(ReleaseError, match="sha256"):
        pull(str(lab.origin), selector, folder / "second", trusted)
    delete(stored)
    with pytest.raises(ReleaseError, match=r"extractor\.onnx"):
        pull(str(lab.origin), selector, folder / "second", trusted)
    assert not (folder / "second").exists()


def write_release(project: Path, weight: float, variant: str | None = None, **changes: Any) -> None:
    """Write model, manifest, audit and model card that pass all checks."""
    artifact = Artifact(variant)
    release, reports = project / artifact.release, project / artifact.reports
    for folder in (release, reports):
        folder.mkdir(parents=True, exist_ok=True)
    write_model(release / "extractor.onnx", weight)
    digest = sha256(release / "extractor.onnx")
    report = audit_report(load("audit", AuditConfig, project / "params.yaml"), digest, **changes)
    audit = json.loads(report.to_json())
    (reports / "audit.json").write_text(report.to_json())
    manifest = sample_manifest(audit)
    manifest["name"] = artifact.artifact
    if variant:
        of = sha256(project / Artifact().release / "extractor.onnx")
        numbers = {"max_abs": 0.1, "mean_abs": 0.01, "records": 1000}
        manifest["variant"] = {"name": variant, "of": of, **numbers}
    manifest["files"]["extractor.onnx"]["bytes"] = (release / "extractor.onnx").stat().st_size
    (release / "manifest.json").write_text(json.dumps(manifest))
    (reports / "model_card.md").write_text(f"# A model\n\nsha256 {digest}\n")


def write_model(path: Path, weight: float) -> None:
    """z = weight * x, for pictures."""
    graph = helper.make_graph(
        [
            helper.make_node("Cast", ["x"], ["a"], to=TensorProto.FLOAT),
            helper.make_node("Flatten", ["a"], ["b"]),
            helper.make_node("Mul", ["b", "w"], ["z"]),
        ],
        "tiny",
        [helper.make_tensor_value_info("x", TensorProto.UINT8, ["batch", 3, 8, 8])],
        [helper.make_tensor_value_info("z", TensorProto.FLOAT, ["batch", 192])],
        [numpy_helper.from_array(np.float32(weight).reshape(1), "w")],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 20)], ir_version=10)
    onnx.checker.check_model(model)
    path.write_bytes(model.SerializeToString())


def audit_report(
    config: AuditConfig, model_sha256: str, rate: float = 0.53, suite: str = SUITE_VERSION
) -> AuditReport:
    """The audit report that the committed settings and these counts give."""
    plan = Plan(
        suite_version=suite,
        model_sha256=model_sha256,
        unprotected_sha256="d2" * 32,
        data_digest=DATA,
        private={"skin_tone": ("light", "dark")},
        utility={"glasses": ("no", "yes")},
        told=(),
        people={"skin_tone": PEOPLE, "glasses": PEOPLE},
        attackers={"fresh": PEOPLE},
        stack_people=0,
        attacks=config.attacks,
        probes=config.probes,
        raw=config.raw_attacks("image", PEOPLE),
        seeds=config.seeds,
        budget=config.budget,
        sample_seed=config.sample_seed,
        policy=policy_of(config.policy, {"fresh": PEOPLE}),
        reconstruction=config.reconstruction,
        measures=config.measures,
        alternatives=config.alternatives,
    )
    report, reasons = judge(
        "skin_tone",
        plan,
        strongest=_estimate(rate, "mlp"),
        leakage=0.01,
        controls={
            "raw": _estimate(0.98, "cnn"),
            "unprotected": _estimate(0.9, "mlp"),
            "shuffled": _estimate(0.5, "mlp"),
            "floor": structs.replace(_estimate(0.51, "label_floor"), select=None),
        },
        attacks=tuple(planned_runs(plan)),
        curves=(_curve(rate, plan),),
        certificate=None,
    )
    digests = {key: getattr(plan, key) for key in _DIGESTS}
    verdict, reasons = conclude(
        plan, {"skin_tone": report}, reasons, **digests, plan_sha256=plan.sha256
    )
    return AuditReport(
        schema_version=SCHEMA_VERSION,
        suite_version=suite,
        verdict=verdict,
        reasons=reasons,
        model_sha256=model_sha256,
        data_digest=DATA,
        plan_sha256=plan.sha256,
        plan=plan,
        dataset="avatars",
        modality="image",
        features=(192,),
        record=(3, 8, 8),
        notes=(),
        splits={"attacker-test": SplitSize(people=PEOPLE, records=PEOPLE)},
        policy=plan.policy,
        attributes={"skin_tone": report},
        utility={"glasses": _task()},
        mean_kept=None,
        mean_kept_told=None,
        mean_utility_loss=0.01,
        alternatives=(),
        reconstruction=None,
        measures={},
        not_tried=(),
        reuse=None,
    )


_DIGESTS = ("model_sha256", "unprotected_sha256", "data_digest")


def _estimate(rate: float, attack: str) -> Estimate:
    return estimate_from_counts(attack, round(rate * PEOPLE), PEOPLE, 0.95, rate)


def _curve(rate: float, plan: Plan) -> Curve:
    """A flat learning curve."""
    people = [PEOPLE // 8, PEOPLE // 4, PEOPLE // 2, PEOPLE]
    correct = [np.arange(PEOPLE) < round(rate * PEOPLE)] * len(people)
    return build_curve(
        "mlp", "fresh", 0, people, patterns_of(correct), plan.policy, 0.5,
        0.5 + plan.policy.margin,
    )  # fmt: skip


def planned_runs(plan: Plan) -> list[AttackRun]:
    """Every run on a private attribute, finished."""
    kinds: tuple[Representation, ...] = ("released", "unprotected", "raw", "shuffled")
    return [
        AttackRun(
            attack=name,
            representation=kind,
            seed=seed,
            pool=pool,
            attacker_people=PEOPLE,
            select=0.53 if name == "mlp" else 0.5,
            status="ok",
        )
        for kind in kinds
        for name, seed, pool in mandatory_runs(plan, kind)
    ]


def _task() -> TaskReport:
    raw: Mapping[str, Any] = task(0.95, 0.96, 0.99)
    return TaskReport(
        classes=("no", "yes"), prior=0.5, people=PEOPLE, released=_estimate(0.95, "mlp"),
        unprotected=_estimate(0.96, "mlp"), ceiling=_estimate(0.99, "cnn"), kept=raw["kept"],
        loss=raw["loss"], probes=(),
    )  # fmt: skip
