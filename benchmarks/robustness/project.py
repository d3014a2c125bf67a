"""A small project for fault tests: its folder, training command, cluster head and processes."""

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
"""`ray start` would require a token otherwise, and this head has none."""


class Project:
    """A folder with shards, params.yaml and the outputs of `python -m stages.train`.

    Args:
        folder: An empty folder.
        epochs, workers: Settings of training.
        storage: Folder for cluster.storage.
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
        """Start the training command."""
        self.commands += 1
        environment = {
            **{k: v for k, v in os.environ.items() if k != "RAY_ADDRESS"},
            **({"RAY_ADDRESS": self.address} if self.address else {}),
            **_RAY, "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1",
        }  # fmt: skip
        with (self.folder / "output.txt").open("ab") as output:
            return subprocess.Popen(
                [sys.executable, "-m", "stages.train"],
                cwd=self.folder, env=environment, stdout=output, stderr=output,
            )  # fmt: skip

    def finish(self, process: subprocess.Popen[bytes]) -> bool:
        """Wait for the end, restarting the command when it fails; return whether it finished."""
        while True:
            if _succeeds(process):
                return True
            if self.commands >= _COMMANDS:
                return False
            process = self.start()

    def events(self, event: str, role: str = "") -> list[dict[str, Any]]:
        """Log lines of an event after each run's last start from scratch."""
        events: list[dict[str, Any]] = []
        for line in read(self.folder / "logs" / "train.jsonl"):
            run = line.get("run", "")
            if line["event"] == "started" and not line["resumed"]:
                events = [e for e in events if e.get("run") != run or event == "started"]
            if line["event"] == event and run.startswith(role):
                events.append(line)
        return events

    def epochs_logged_once(self) -> bool:
        """Whether curves and event log have each epoch of both runs exactly once."""
        expected = list(range(1, self.epochs + 1))
        folder = self.folder / "reports" / "training"
        curves = pd.concat([pd.read_csv(file) for file in folder.glob("*.csv")])
        logged = [[line["number"] for line in self.events("epoch", role)] for role in ROLES]
        plotted = [curves[curves["run"] == role]["epoch"].tolist() for role in ROLES]
        return all(numbers == expected for numbers in [*logged, *plotted])

    def weights(self) -> torch.Tensor:
        """All weights of both runs `[P]`, float64."""
        files = [
            self.folder / "artifacts" / "checkpoint" / role / "networks.safetensors"
            for role in ROLES
        ]
        return torch.cat(
            [t.flatten().double() for file in files for _, t in sorted(load_file(file).items())]
        )

    def start_head(self) -> None:
        """Start the head of a separate cluster on a free port."""
        with socket.create_server(("127.0.0.1", 0)) as server:
            port = server.getsockname()[1]
        self.address = f"127.0.0.1:{port}"
        with (self.folder / "output.txt").open("ab") as output:
            self._head = subprocess.Popen(
                [
                    sys.executable, "-m", "ray.scripts.scripts", "start", "--head", "--block",
                    f"--port={port}", "--node-ip-address=127.0.0.1", "--include-dashboard=false",
                    f"--num-cpus={self.cores}",
                ],
                stdout=output, stderr=output, start_new_session=True,
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
        """Kill the head and all processes that it started."""
        if self._head:
            kill_all([psutil.Process(self._head.pid), *descendants(self._head)])
            self._head.wait()
            self._head = None


def training_workers(process: subprocess.Popen[bytes]) -> list[psutil.Process]:
    """Ray Train workers among this process's descendants."""
    return [child for child in descendants(process) if _WORKER in _command_line(child)]


def descendants(process: subprocess.Popen[bytes]) -> list[psutil.Process]:
    """All descendants of this process."""
    with suppress(psutil.NoSuchProcess):
        return psutil.Process(process.pid).children(recursive=True)
    return []


def kill_all(processes: list[psutil.Process]) -> int:
    """Kill these processes; return how many were alive."""
    alive = [process for process in processes if process.is_running()]
    for process in alive:
        with suppress(psutil.NoSuchProcess):
            process.send_signal(signal.SIGKILL)
    return len(alive)


def _command_line(process: psutil.Process) -> str:
    with suppress(psutil.NoSuchProcess, psutil.ZombieProcess):
        return " ".join(process.cmdline())
    return ""


def _succeeds(process: subprocess.Popen[bytes]) -> bool:
    try:
        return process.wait(_SECONDS) == 0
    except subprocess.TimeoutExpired:
        kill_all([psutil.Process(process.pid), *descendants(process)])
        process.wait()
        return False


def _write_shards(folder: Path) -> None:
    """A table of noise in which one column shows the secret and another the task."""
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
