"""A project that is trained and hurt: its folder, its command, its head and its processes."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import psutil
import torch
from ruamel.yaml import YAML
from safetensors.torch import load_file

from pipelines.observability.event_log import read
from tiprdc.datasets.schema import (
    Attribute,
    Column,
    Records,
    Schema,
    Split,
    write_schema,
    write_shard,
)

ROOT = Path(__file__).parents[2]
ROLES = ("protected", "unprotected")
_PEOPLE, _COMMANDS, _SECONDS = 400, 3, 600.0
_WORKER = "TrainWorker"
_RAY = {"RAY_AUTH_MODE": "disabled"}
"""A head that `ray start` makes asks for a token otherwise, and this one has none to give."""


class Project:
    """A folder with shards, params.yaml and whatever `python -m stages.train` leaves.

    Args:
        folder: A new one.
        epochs, workers: Of training.
        storage: Its folder of cluster.storage.
    """

    def __init__(self, folder: Path, epochs: int, workers: int, storage: Path) -> None:
        self.folder, self.epochs, self.storage = folder, epochs, storage
        self.address, self.cores, self.commands = "", 2 * workers, 0
        self._head: subprocess.Popen[bytes] | None = None
        _write_shards(folder / "artifacts" / "shards")
        yaml = YAML()
        params = yaml.load(ROOT / "params.yaml")
        params["train"]["extractor"].update(width=8, features=4)
        params["train"]["objective"].update(memory=256)
        params["train"]["schedule"].update(epochs=epochs, batch=32)
        params["cluster"].update(
            num_cpus=self.cores, workers=workers, storage=str(storage), patience=60.0
        )
        yaml.dump(params, folder / "params.yaml")

    def start(self) -> subprocess.Popen[bytes]:
        """Give the command."""
        self.commands += 1
        kept = {k: v for k, v in os.environ.items() if k != "RAY_ADDRESS"}
        there = {"RAY_ADDRESS": self.address} if self.address else {}
        with (self.folder / "said.txt").open("ab") as said:
            return subprocess.Popen(
                [sys.executable, "-m", "stages.train"], cwd=self.folder, stdout=said, stderr=said,
                env={**kept, **there, **_RAY, "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"},
            )  # fmt: skip

    def finish(self, process: subprocess.Popen[bytes]) -> bool:
        """Wait for the end; give the command again where it failed. Whether it came to an end."""
        while True:
            if _ends_well(process):
                return True
            if self.commands >= _COMMANDS:
                return False
            process = self.start()

    def events(self, event: str, role: str = "") -> list[dict[str, Any]]:
        """Lines of the journal after each run's last fresh start."""
        found: list[dict[str, Any]] = []
        for line in read(self.folder / "logs" / "train.jsonl"):
            run = line.get("run", "")
            if line["event"] == "started" and not line["resumed"]:
                found = [one for one in found if one.get("run") != run or event == "started"]
            if line["event"] == event and run.startswith(role):
                found.append(line)
        return found

    def once(self) -> bool:
        """Whether curves and journal have each epoch of both runs once."""
        wanted = list(range(1, self.epochs + 1))
        curves = pd.read_csv(self.folder / "reports" / "training.csv")
        told = [[line["number"] for line in self.events("epoch", role)] for role in ROLES]
        drawn = [curves[curves["run"] == role]["epoch"].tolist() for role in ROLES]
        return all(numbers == wanted for numbers in [*told, *drawn])

    def players(self) -> torch.Tensor:
        """All weights of both runs `[P]`, float64."""
        files = [
            self.folder / "artifacts" / "checkpoint" / role / "networks.safetensors"
            for role in ROLES
        ]
        return torch.cat(
            [t.flatten().double() for file in files for _, t in sorted(load_file(file).items())]
        )

    def start_head(self) -> None:
        """A head of a cluster of its own, on a port that is free."""
        with socket.create_server(("127.0.0.1", 0)) as server:
            port = server.getsockname()[1]
        self.address = f"127.0.0.1:{port}"
        with (self.folder / "said.txt").open("ab") as said:
            self._head = subprocess.Popen(
                [
                    sys.executable, "-m", "ray.scripts.scripts", "start", "--head", "--block",
                    f"--port={port}", "--node-ip-address=127.0.0.1", "--include-dashboard=false",
                    f"--num-cpus={self.cores}",
                ],
                stdout=said, stderr=said, start_new_session=True,
                env={**os.environ, **_RAY, "RAY_USAGE_STATS_ENABLED": "0", "OMP_NUM_THREADS": "1"},
            )  # fmt: skip
        self._wait_for_head(port)

    def _wait_for_head(self, port: int) -> None:
        deadline = time.monotonic() + _SECONDS
        while time.monotonic() < deadline:
            with suppress(OSError), socket.create_connection(("127.0.0.1", port), 1):
                return
            time.sleep(0.2)
        raise TimeoutError("the head did not start")

    def kill_head(self) -> None:
        """The head and all that it started, at once."""
        if self._head:
            kill_all([psutil.Process(self._head.pid), *descendants(self._head)])
            self._head.wait()
            self._head = None


def training_workers(process: subprocess.Popen[bytes]) -> list[psutil.Process]:
    """Those of Ray Train that this process started."""
    return [found for found in descendants(process) if _WORKER in _title(found)]


def descendants(process: subprocess.Popen[bytes]) -> list[psutil.Process]:
    """Everything that this process started, however deep."""
    with suppress(psutil.NoSuchProcess):
        return psutil.Process(process.pid).children(recursive=True)
    return []


def kill_all(processes: list[psutil.Process]) -> int:
    """Kill those of these that live; how many did."""
    living = [process for process in processes if process.is_running()]
    for process in living:
        with suppress(psutil.NoSuchProcess):
            process.send_signal(signal.SIGKILL)
    return len(living)


def _title(process: psutil.Process) -> str:
    with suppress(psutil.NoSuchProcess, psutil.ZombieProcess):
        return " ".join(process.cmdline())
    return ""


def _ends_well(process: subprocess.Popen[bytes]) -> bool:
    try:
        return process.wait(_SECONDS) == 0
    except subprocess.TimeoutExpired:
        kill_all([psutil.Process(process.pid), *descendants(process)])
        process.wait()
        return False


def _write_shards(folder: Path) -> None:
    """A table of noise in which one column tells the secret and another the task."""
    rng, digests = np.random.default_rng(0), []
    splits: tuple[Split, ...] = ("extractor-train",)
    for split in splits:
        secret, task = rng.integers(0, 2, (2, _PEOPLE))
        noise = rng.normal(size=(_PEOPLE, 4))
        noise[:, 0] += secret
        noise[:, 1] += task
        people = np.arange(_PEOPLE).astype(str)
        records = Records(noise.astype(np.float32), {"secret": secret, "task": task}, people)
        digests.append(write_shard(folder / split / "part-00000.parquet", records))
    schema = Schema(
        dataset="planted", modality="table", shape=(4,),
        attributes=(
            Attribute(name="secret", classes=("off", "on")),
            Attribute(name="task", classes=("no", "yes")),
        ),
        private=("secret",), utility=("task",),
        columns=tuple(Column(name=name) for name in "abcd"),
        people=dict.fromkeys(splits, _PEOPLE), records=dict.fromkeys(splits, _PEOPLE),
    )  # fmt: skip
    write_schema(folder, schema, digests)
