"""Attack a release on Ray: the exported bytes, many attacks side by side, one verdict.

Order is the point. The plan is made and hashed first; attacks are fitted on attacker-train and
chosen on attacker-select; only then does attacker-test pass through the extractors, and of each
attribute and representation one attacker alone decides on it. The same plan, the same figures.
"""

from __future__ import annotations

import csv
import hashlib
import json
import time
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pipelines.attacking import Data, Results, attack, sample
from pipelines.cluster import ClusterConfig, connect
from pipelines.scoreboard import Job, judged
from pipelines.watching import Watch, watch
from tiprdc.attacks.suite import Trial
from tiprdc.audit import (
    NOT_TRIED,
    AttackRun,
    AuditConfig,
    AuditReport,
    Estimate,
    Plan,
    UtilityReport,
    conclude,
    judge,
    mean_loss,
    metrics,
)
from tiprdc.contract import read_contract
from tiprdc.datasets.schema import Schema, read_schema, read_split
from tiprdc.errors import DataError, ModelError
from tiprdc.statistics import label_floor, leakage_bits, prior


def audit(
    config: AuditConfig,
    cluster: ClusterConfig,
    *,
    shards: Path,
    release: Path,
    control: Path,
    out: Path,
) -> AuditReport:
    """Audit a release and write `audit.json`, `metrics.json`, `attacks.csv`, `pictures.npz`.

    Args:
        config: Who attacks, how hard, and what counts as enough.
        cluster: Where.
        shards: Folder of `prepare`.
        release: Folder with `extractor.onnx` and `manifest.json`.
        control: Folder with `unprotected.onnx`.
        out: Folder for the findings.

    Raises:
        DataError: Fewer people than the policy needs, or files that are not what they should be.
        ModelError: The release is not the one of its manifest, or was not made from these shards.
        ClusterError: Ray does not answer.
    """
    with watch("audit", cluster) as seen:
        report = _audit(config, cluster, seen, shards=shards, release=release, control=control)
        _write(*report, out)
        judged(seen, report[0])
        return report[0]


def _audit(
    config: AuditConfig, cluster: ClusterConfig, seen: Watch,
    *, shards: Path, release: Path, control: Path,
) -> tuple[AuditReport, dict[str, NDArray[np.uint8]]]:  # fmt: skip
    """The report, and pictures of what was rebuilt."""
    start = time.monotonic()
    data = _open(shards, release, control)
    plan = make_plan(config, data)
    noted = plan.sha256
    with connect(cluster):
        findings = _Findings(plan, data, attack(plan, data, config.most_seconds, seen))
    judged = {name: _judged(name, findings) for name in plan.private}
    attributes = {name: report for name, (report, _) in judged.items()}
    utility = {task: _task(task, findings) for task in plan.utility}
    again = _open(shards, release, control)
    verdict, reasons = conclude(
        plan,
        attributes,
        tuple(reason for _, said in judged.values() for reason in said),
        model_sha256=_sha256(again.models["released"]),
        control_sha256=_sha256(again.models["unprotected"]),
        data_digest=again.schema.digest,
        plan_sha256=noted,
    )
    schema = data.schema
    report = AuditReport(
        suite_version=plan.suite_version,
        verdict=verdict,
        reasons=reasons,
        model_sha256=plan.model_sha256,
        data_digest=plan.data_digest,
        plan_sha256=noted,
        plan=asdict(plan),
        dataset=schema.dataset,
        modality=schema.modality,
        features=findings.results.features,
        record=schema.shape,
        notes=schema.notes,
        splits={
            name: {"people": schema.people[name], "records": schema.records[name]}
            for name in schema.people
        },
        policy=asdict(plan.policy),
        attributes=attributes,
        utility=utility,
        mean_utility_loss=mean_loss(utility),
        reconstruction=findings.results.reconstruction,
        not_tried=_not_tried(plan, schema, findings.results),
        seconds=time.monotonic() - start,
    )
    return report, findings.results.pictures


def make_plan(config: AuditConfig, data: Data) -> Plan:
    """Everything that is decided before attacker-test is attacked.

    Raises:
        DataError: Fewer people than the policy needs.
        ConfigError: An attack asked for cannot read such records.
    """
    schema, policy = data.schema, config.policy
    people = {
        name: len(sample(data.test, schema, name, config.sample_seed))
        for name in (*schema.private, *schema.utility)
    }
    for name in schema.private:
        each = people[name] // schema.classes(name)
        if each < policy.min_people:
            raise DataError(
                f"attacker-test, {name}",
                f"{each:,} people of its rarest class",
                f"at least {policy.min_people:,} (audit.policy.min_people)",
                "prepare more people or a larger prepare.shares.attacker_test, or lower the policy",
            )
    return Plan(
        model_sha256=_sha256(data.models["released"]),
        control_sha256=_sha256(data.models["unprotected"]),
        data_digest=schema.digest,
        private={name: schema.attribute(name).classes for name in schema.private},
        utility={name: schema.attribute(name).classes for name in schema.utility},
        people=people,
        attacks=config.attacks,
        probes=config.probes,
        raw=config.raw_attacks(schema.modality),
        seeds=config.seeds,
        budget=config.budget,
        sample_seed=config.sample_seed,
        policy=policy,
        reconstruction=config.reconstruction and schema.modality != "text",
    )


def _open(shards: Path, release: Path, control: Path) -> Data:
    schema = read_schema(shards)
    contract = read_contract(release / "manifest.json")
    models = {
        "released": _read(release / "extractor.onnx"),
        "unprotected": _read(control / "unprotected.onnx"),
    }
    found = _sha256(models["released"])
    if found != contract.model_sha256:
        raise ModelError(
            str(release / "extractor.onnx"), f"sha256 {found[:12]}",
            f"{contract.model_sha256[:12]}, as its manifest says", "run `dvc repro -f export`",
        )  # fmt: skip
    if contract.data_digest != schema.digest:
        raise ModelError(
            str(release / "manifest.json"), "an extractor that was trained on other shards",
            "one whose training people are known not to be in attacker-test", "run `dvc repro`",
        )  # fmt: skip
    return Data(
        schema,
        train=read_split(shards, schema, "attacker-train"),
        select=read_split(shards, schema, "attacker-select"),
        test=read_split(shards, schema, "attacker-test"),
        models=models,
    )


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except FileNotFoundError:
        raise ModelError(
            str(path), "no such file", "what export wrote", "run `dvc repro export`"
        ) from None


def _sha256(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


@dataclass(frozen=True)
class _Findings:
    plan: Plan
    data: Data
    results: Results

    def runs(self, target: str) -> tuple[AttackRun, ...]:
        """Every run on this attribute or task, with what became of the selected ones."""
        return tuple(
            AttackRun(
                attack=job.attack,
                representation=job.representation,
                seed=job.seed,
                select=trial.select,
                status=self._status(job, trial),
                seconds=round(trial.seconds, 2),
            )
            for job, trial in self.results.trials.items()
            if job.target == target
        )

    def _status(self, job: Job, trial: Trial) -> str:
        key = (job.target, job.representation)
        said = self.results.said.get(key)
        lost = self.results.chosen.get(key) == job and isinstance(said, str)
        return f"{said} on attacker-test" if lost else trial.status

    def truth(self, target: str, representation: str) -> NDArray[np.int64]:
        """Class numbers of the balanced sample of attacker-test."""
        test, seed = self.data.test, self.plan.sample_seed
        u = test.labels[target][sample(test, self.data.schema, target, seed)]
        if representation != "shuffled":
            return u
        place = list(self.plan.private).index(target)
        return np.random.default_rng([seed, place, len(u), 1]).permutation(u)

    def estimate(self, target: str, representation: str) -> Estimate | None:
        """The selected attacker's balanced accuracy on attacker-test."""
        key = (target, representation)
        said = self.results.said.get(key)
        if said is None or isinstance(said, str) or not len(said):
            return None
        job = self.results.chosen[key]
        truth = self.truth(target, representation)
        correct = int(np.sum(np.argmax(said, axis=1) == truth))
        confidence = self.plan.policy.confidence
        select = self.results.trials[job].select
        return Estimate.of(job.attack, correct, len(truth), confidence, select)

    def leakage(self, target: str) -> float | None:
        """Bits, by the selected attacker on released features."""
        said = self.results.said.get((target, "released"))
        if said is None or isinstance(said, str):
            return None
        return leakage_bits(said, self.truth(target, "released"))

    def floor(self, target: str) -> Estimate | None:
        """What the true utility labels alone give away."""
        schema, plan = self.data.schema, self.plan
        if not schema.utility:
            return None
        train, test = self.data.train, self.data.test
        rows = sample(test, schema, target, plan.sample_seed)
        decided = label_floor(
            {task: train.labels[task] for task in schema.utility},
            train.labels[target],
            {task: test.labels[task][rows] for task in schema.utility},
            schema.classes(target),
        )
        correct = int(np.sum(decided == test.labels[target][rows]))
        return Estimate.of("label_floor", correct, len(rows), plan.policy.confidence)


def _judged(name: str, findings: _Findings) -> Any:
    return judge(
        name,
        findings.plan,
        strongest=findings.estimate(name, "released"),
        leakage=findings.leakage(name),
        controls={
            **{r: findings.estimate(name, r) for r in ("raw", "unprotected", "shuffled")},
            "floor": findings.floor(name),
        },
        attacks=findings.runs(name),
    )


def _task(name: str, findings: _Findings) -> UtilityReport:
    classes = findings.plan.utility[name]
    released, unprotected = (findings.estimate(name, r) for r in ("released", "unprotected"))
    loss = None
    if released is not None and unprotected is not None:
        loss = unprotected.balanced_accuracy - released.balanced_accuracy
    return UtilityReport(
        classes=classes,
        prior=prior(len(classes)),
        people=findings.plan.people[name],
        released=released,
        unprotected=unprotected,
        ceiling=findings.estimate(name, "raw"),
        loss=loss,
        probes=findings.runs(name),
    )


def _not_tried(plan: Plan, schema: Schema, results: Results) -> tuple[str, ...]:
    if not plan.reconstruction:
        why = "text" if schema.modality == "text" else "audit.reconstruction is off"
        return (f"reconstruction of the record ({why})", *NOT_TRIED)
    if results.reconstruction is None:
        return ("reconstruction of the record (the decoder failed)", *NOT_TRIED)
    return NOT_TRIED


def _write(report: AuditReport, pictures: dict[str, NDArray[np.uint8]], out: Path) -> None:
    out.mkdir(parents=True, exist_ok=True)
    with (out / "pictures.npz").open("wb") as archive:
        np.savez_compressed(archive, allow_pickle=False, **pictures)
    (out / "metrics.json").write_text(json.dumps(metrics(report), indent=1) + "\n")
    with (out / "attacks.csv").open("w", newline="") as file:
        table = csv.writer(file, lineterminator="\n")
        table.writerow(["about", "representation", "attack", "seed", "balanced_accuracy", "status"])
        of_private = [(n, run) for n, a in report.attributes.items() for run in a.attacks]
        of_tasks = [(n, run) for n, t in report.utility.items() for run in t.probes]
        for name, run in of_private + of_tasks:
            score = "" if run.select is None else f"{run.select:.4f}"
            table.writerow([name, run.representation, run.attack, run.seed, score, run.status])
    (out / "audit.json").write_text(report.to_json())
