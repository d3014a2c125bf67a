"""The whole graph, for real, in a Git repository of its own: small data, every stage."""

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

from tests.helpers.small_project import ROOT, SMALL, copy_project, edit_params
from tiprdc.formats.files import sha256
from tiprdc.formats.manifest import read_contract

BIN = Path(sys.executable).parent
ENVIRONMENT = {
    **{k: v for k, v in os.environ.items() if k != "RAY_ADDRESS"},
    "PATH": f"{BIN}{os.pathsep}{os.environ['PATH']}",
    "OMP_NUM_THREADS": "1",
}
pytestmark = [pytest.mark.repro, pytest.mark.timeout(600)]


class Project:
    """A clone with settings for seconds."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        copy_project(folder, SMALL)

    def set(self, settings: dict[str, Any]) -> None:
        """Edit params.yaml as a person would."""
        edit_params(self.folder / "params.yaml", settings)

    @contextmanager
    def edited(self, file: str) -> Iterator[None]:
        path = self.folder / file
        before = path.read_bytes()
        try:
            yield
        finally:
            path.write_bytes(before)

    def dvc(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, "-m", "dvc", *arguments], cwd=self.folder, env=ENVIRONMENT,
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, timeout=500,
        )  # fmt: skip

    def repro(self, *arguments: str) -> list[str]:
        """Run the graph; the stages that ran."""
        done = self.dvc("repro", *arguments)
        assert done.returncode == 0, done.stdout
        return re.findall(r"Running stage '([\w@-]+)'", done.stdout)

    def stale(self) -> set[str]:
        """Stages whose code, data or settings are not those of their results."""
        return set(json.loads(self.dvc("status", "dvc.yaml", "--json").stdout))


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Project:
    """The project after `dvc repro`."""
    project = Project(tmp_path_factory.mktemp("project"))
    ran = project.repro()
    assert sorted(ran) == ["audit", "card", "export", "prepare", "train", "tune"]
    return project


def test_records_become_an_audited_extractor(project: Project) -> None:
    for out in (
        "artifacts/release/extractor.onnx", "artifacts/release/manifest.json",
        "artifacts/unprotected/unprotected.onnx", "reports/index.html", "reports/model_card.md",
        "reports/tuning/front.csv", "reports/training.csv", "reports/attacks.csv",
    ):  # fmt: skip
        assert (project.folder / out).stat().st_size > 0, out
    audit = json.loads((project.folder / "reports/audit.json").read_text())
    found = audit["attributes"]["skin_tone"]
    assert audit["verdict"] in ("PASS", "FAIL", "INCONCLUSIVE")
    assert found["strongest"]["low"] <= found["strongest"]["balanced_accuracy"]
    assert {"prior", "floor", "ceiling"} <= set(found)
    # What resumes a run is gone; the ledger of audits stays.
    assert [path.name for path in (project.folder / "runs").iterdir()] == ["audits.jsonl"]


def test_what_ships_is_the_extractor_alone(project: Project) -> None:
    shipped = {path.name for path in (project.folder / "artifacts/release").iterdir()}
    assert shipped == {"extractor.onnx", "manifest.json"}


def test_the_readmes_example_runs_on_the_release(project: Project) -> None:
    (example,) = re.findall(r"```python\n(.*?)```", (ROOT / "README.md").read_text(), re.DOTALL)
    done = subprocess.run(
        [sys.executable, "-c", example], cwd=project.folder, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    assert "(1, 16)" in done.stdout


def test_the_command_line_shows_what_was_found(project: Project) -> None:
    for shown in ("reports/audit.json", "artifacts/release"):
        done = subprocess.run(
            [sys.executable, "-c", "from tiprdc.cli.main import app; app()", "inspect", shown],
            cwd=project.folder, capture_output=True, text=True,
        )  # fmt: skip
        assert done.returncode == 0, done.stderr
        assert "skin_tone" in done.stdout


def test_a_second_repro_does_nothing(project: Project) -> None:
    start = time.monotonic()
    assert project.repro() == []
    assert time.monotonic() - start < 15  # 2 s on a machine that has nothing else to do


def test_a_variant_is_made_and_attacked_by_itself(project: Project) -> None:
    """The file that ships is the same, so nobody attacks it again."""
    project.repro("card")
    with project.edited("params.yaml"), project.edited("dvc.lock"):
        project.set({"export.variants": ["int8"]})
        ran = project.repro("card", "card-variant")
    assert sorted(ran) == [
        "audit-variant@int8",
        "card-variant@int8",
        "export",
        "export-variant@int8",
    ]
    there = project.folder / "reports/variants/int8"
    audit = json.loads((there / "audit.json").read_text())
    folder = project.folder / "artifacts/variants/int8"
    contract = read_contract(folder / "manifest.json")
    assert audit["model_sha256"] == contract.model_sha256 == sha256(folder / "extractor.onnx")
    plain = read_contract(project.folder / "artifacts/release/manifest.json")
    assert contract.variant is not None
    assert contract.variant.of == plain.model_sha256
    assert "This is a variant: int8 of model" in (there / "model_card.md").read_text()
    assert (there / "index.html").stat().st_size > 0


def test_the_cards_words_rerun_the_card_alone(project: Project) -> None:
    with project.edited("params.yaml"):
        project.set({"card.title": "Another title"})
        assert project.repro() == ["card"]
        assert "Another title" in (project.folder / "reports/model_card.md").read_text()


def test_where_it_runs_makes_nothing_stale(project: Project) -> None:
    project.repro("card")
    with project.edited("params.yaml"):
        project.set({"cluster.num_cpus": 1, "cluster.storage": "elsewhere"})
        assert project.stale() == set()


@pytest.mark.parametrize(
    ("file", "stages"),
    [
        ("tiprdc/objectives/jsd.py", {"train", "export", "tune"}),
        ("tiprdc/attacks/mlp.py", {"audit", "tune"}),
        ("tiprdc/datasets/avatars.py", {"prepare"}),
        # The search's page has the same style.
        ("tiprdc/reports/templates/report.html", {"card", "tune"}),
        ("tiprdc/cli/main.py", set()),
    ],
)
def test_edited_code_makes_stale_what_was_made_with_it(
    project: Project, file: str, stages: set[str]
) -> None:
    project.repro("card")
    with project.edited(file), (project.folder / file).open("a") as code:
        code.write("\n")
        code.flush()
        assert project.stale() == stages


def test_a_misspelt_key_stops_the_stage_and_loses_nothing(project: Project) -> None:
    with project.edited("params.yaml"):
        params = project.folder / "params.yaml"
        params.write_text(params.read_text().replace("  title:", "  titel:"))
        done = project.dvc("repro", "card")
        assert done.returncode != 0
        assert "card.titel: unknown key" in done.stdout
        assert "did you mean 'title'?" in done.stdout
        assert "Traceback" not in done.stdout
    project.repro("card")


def test_a_killed_training_goes_on_from_its_checkpoint(project: Project) -> None:
    epochs = 12
    with project.edited("params.yaml"), project.edited("dvc.lock"):
        project.set({"train.seed": 1, "train.schedule.epochs": epochs})
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
        done = project.dvc("repro", "train")
    assert done.returncode == 0, done.stdout
    first = re.search(rf"protected: epoch (\d+) of {epochs}", done.stdout)
    assert first is not None
    assert int(first[1]) >= 1
    with (project.folder / "reports/training.csv").open() as file:
        rows = list(csv.DictReader(file))
    for run in ("protected", "unprotected"):
        said = [int(row["epoch"]) for row in rows if row["run"] == run]
        assert said == list(range(1, epochs + 1))
