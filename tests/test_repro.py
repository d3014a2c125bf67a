"""The whole graph with DVC: a small data set, every stage, in a Git repository of its own."""

from __future__ import annotations

import csv
import json
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from tests.helpers.small_project import ROOT, SMALL, copy_project, edit_params
from tiprdc.formats.files import sha256
from tiprdc.formats.manifest import read_contract

BIN = Path(sys.executable).parent
ENVIRONMENT = {
    **{k: v for k, v in os.environ.items() if k != "RAY_ADDRESS"},
    "PATH": f"{BIN}{os.pathsep}{os.environ['PATH']}",
    "OMP_NUM_THREADS": "1",
}
STAGES = ("prepare", "train", "train-unprotected", "tune", "export", "audit", "card")
TRAINING = ("train", "train-unprotected", "tune")
VARIANT_STAGES = ("export-variant@int8", "audit-variant@int8", "card-variant@int8")
pytestmark = [pytest.mark.repro, pytest.mark.timeout(1200)]


class Project:
    """A clone of this project with small data and few epochs."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        copy_project(folder, {**SMALL, "export.variants": ["int8"]})

    @contextmanager
    def restored(self, *files: str) -> Iterator[None]:
        """Write these files back as they were, at the end."""
        before = {self.folder / file: (self.folder / file).read_bytes() for file in files}
        try:
            yield
        finally:
            for path, content in before.items():
                path.write_bytes(content)

    @contextmanager
    def params(self, settings: dict[str, Any]) -> Iterator[None]:
        """Edit params.yaml, and restore it and dvc.lock at the end."""
        with self.restored("params.yaml", "dvc.lock"):
            edit_params(self.folder / "params.yaml", settings)
            yield

    def dvc(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, "-m", "dvc", *arguments], cwd=self.folder, env=ENVIRONMENT,
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, timeout=1000,
        )  # fmt: skip

    def repro(self, *arguments: str) -> list[str]:
        """Run `dvc repro`; return the stages that ran."""
        ended = self.dvc("repro", *arguments)
        assert ended.returncode == 0, ended.stdout
        return re.findall(r"Running stage '([\w@-]+)'", ended.stdout)

    def stale(self) -> set[str]:
        """Stages whose code, data or settings differ from those of their results."""
        return set(json.loads(self.dvc("status", "dvc.yaml", "--json").stdout))


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Project:
    """The project after `dvc repro`. A test that changes a file restores it."""
    project = Project(tmp_path_factory.mktemp("project"))
    assert sorted(project.repro()) == sorted((*STAGES, *VARIANT_STAGES))
    return project


def test_repro_writes_release_audit_and_reports(project: Project) -> None:
    for out in (
        "artifacts/release/extractor.onnx", "artifacts/release/manifest.json",
        "artifacts/unprotected/unprotected.onnx", "reports/index.html", "reports/model_card.md",
        "reports/tuning/front.csv", "reports/training/protected.csv", "reports/attacks.csv",
    ):  # fmt: skip
        assert (project.folder / out).stat().st_size > 0, out
    audit = json.loads((project.folder / "reports/audit.json").read_text())
    attribute = audit["attributes"]["skin_tone"]
    assert audit["verdict"] in ("PASS", "FAIL", "INCONCLUSIVE")
    assert attribute["strongest"]["low"] <= attribute["strongest"]["balanced_accuracy"]
    assert {"prior", "floor", "ceiling"} <= set(attribute)
    # State for a resume is removed; the ledger of audits stays.
    assert [path.name for path in (project.folder / "runs").iterdir()] == ["audits.jsonl"]


def test_release_folder_holds_extractor_and_manifest_only(project: Project) -> None:
    files = {path.name for path in (project.folder / "artifacts/release").iterdir()}
    assert files == {"extractor.onnx", "manifest.json"}


def test_readme_example_runs_on_the_release(project: Project) -> None:
    (example,) = re.findall(r"```python\n(.*?)```", (ROOT / "README.md").read_text(), re.DOTALL)
    for name in ("a.jpg", "b.png"):
        Image.linear_gradient("L").convert("RGB").save(project.folder / name)
    ended = subprocess.run(
        [sys.executable, "-c", example], cwd=project.folder, capture_output=True, text=True
    )
    assert ended.returncode == 0, ended.stderr
    assert "(2, 16)" in ended.stdout


def test_inspect_shows_audit_and_release(project: Project) -> None:
    for path in ("reports/audit.json", "artifacts/release"):
        ended = subprocess.run(
            [sys.executable, "-c", "from tiprdc.cli.main import app; app()", "inspect", path],
            cwd=project.folder, capture_output=True, text=True,
        )  # fmt: skip
        assert ended.returncode == 0, ended.stderr
        assert "skin_tone" in ended.stdout


def test_variant_has_its_own_release_audit_and_reports(project: Project) -> None:
    reports = project.folder / "reports/variants/int8"
    audit = json.loads((reports / "audit.json").read_text())
    folder = project.folder / "artifacts/variants/int8"
    contract = read_contract(folder / "manifest.json")
    assert audit["model_sha256"] == contract.model_sha256 == sha256(folder / "extractor.onnx")
    plain = read_contract(project.folder / "artifacts/release/manifest.json")
    assert contract.variant is not None
    assert contract.variant.of == plain.model_sha256
    assert "This is a variant: int8 of model" in (reports / "model_card.md").read_text()
    assert (reports / "index.html").stat().st_size > 0


def test_cluster_settings_and_observability_make_no_stage_stale(project: Project) -> None:
    files = (
        "pipelines/cluster/connect.py", "pipelines/observability/metrics.py",
        "pipelines/observability/progress.py", "tiprdc/cli/main.py",
    )  # fmt: skip
    settings = {"cluster.num_cpus": 1, "cluster.storage": "elsewhere"}
    with project.restored(*files), project.params(settings):
        for file in files:
            _append_line(project.folder / file)
        assert project.stale() == set()


def test_changed_budget_keeps_the_unprotected_extractor(project: Project) -> None:
    with project.params({"train.objective.budget": 0.2}):
        assert project.stale() == {"train", "tune"}


@pytest.mark.parametrize(
    ("file", "stages"),
    [
        ("tiprdc/objectives/jsd.py", {*TRAINING, "export", "export-variant@int8"}),
        ("tiprdc/attacks/families/mlp.py", {*TRAINING, "audit", "audit-variant@int8"}),
        ("tiprdc/datasets/avatars/reader.py", {"prepare"}),
        # The search's page has the same style.
        ("tiprdc/reports/templates/report.html", {"tune", "card", "card-variant@int8"}),
    ],
)
def test_edited_code_makes_stale_the_stages_that_use_it(
    project: Project, file: str, stages: set[str]
) -> None:
    with project.restored(file):
        _append_line(project.folder / file)
        assert project.stale() == stages


def _append_line(path: Path) -> None:
    with path.open("a") as file:
        file.write("\n")


@pytest.mark.slow
def test_second_repro_runs_no_stage(project: Project) -> None:
    assert project.repro() == []


@pytest.mark.slow
def test_new_variant_runs_export_and_its_own_stages_only(project: Project) -> None:
    """The release is the same file, so its audit does not run again."""
    with project.params({"export.variants": ["fp16"]}):
        ran = project.repro("card", "card-variant")
    project.repro()
    assert sorted(ran) == [
        "audit-variant@fp16", "card-variant@fp16", "export", "export-variant@fp16",
    ]  # fmt: skip


@pytest.mark.slow
def test_card_settings_rerun_the_card_only(project: Project) -> None:
    with project.params({"card.title": "Another title"}):
        assert project.repro("card") == ["card"]
        assert "Another title" in (project.folder / "reports/model_card.md").read_text()
    project.repro()


@pytest.mark.slow
def test_misspelt_key_stops_the_stage_and_keeps_its_results(project: Project) -> None:
    with project.restored("params.yaml"):
        params = project.folder / "params.yaml"
        params.write_text(params.read_text().replace("  title:", "  titel:"))
        ended = project.dvc("repro", "card")
        assert ended.returncode != 0
        assert "card.titel: unknown key" in ended.stdout
        assert "did you mean 'title'?" in ended.stdout
        assert "Traceback" not in ended.stdout
    project.repro("card")


@pytest.mark.slow
def test_killed_training_resumes_from_its_checkpoint(project: Project) -> None:
    of_trunk, epochs = 11, 12
    with project.params({"train.seed": 1, "train.schedule.epochs": of_trunk}):
        repro = subprocess.Popen(
            [sys.executable, "-m", "dvc", "repro", "train"], cwd=project.folder, env=ENVIRONMENT,
            stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, start_new_session=True,
        )  # fmt: skip
        try:
            deadline = time.monotonic() + 200
            while len(list(project.folder.glob("runs/protected-*/checkpoint_*/*.json"))) < 2:
                assert repro.poll() is None, "it ended before it could be killed"
                assert time.monotonic() < deadline
                time.sleep(0.1)
        finally:
            os.killpg(repro.pid, signal.SIGKILL)
            repro.wait()
        ended = project.dvc("repro", "train")
    assert ended.returncode == 0, ended.stdout
    first = re.search(rf"protected: epoch (\d+) of {epochs}", ended.stdout)
    assert first is not None
    assert int(first[1]) >= 1
    with (project.folder / "reports/training/protected.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert [int(row["epoch"]) for row in rows] == list(range(1, epochs + 1))
