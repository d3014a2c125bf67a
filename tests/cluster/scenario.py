"""What is tried, in the order of docs/cluster.md: a search, a job, the graph, a loss, the end."""

from __future__ import annotations

import os
import re
import shutil
import signal
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from pipelines.observability.event_log import read
from tests.cluster.doc_commands import told
from tests.cluster.namespaces import PROJECT, Host, StepError, make_switch, wait_for
from tests.cluster.provision import NOTHING, SSH_SERVER, admit, make_user, prepare_disk
from tests.cluster.step_log import Telling
from tests.helpers.shards import make_shards
from tests.helpers.small_project import SMALL, copy_project

ADDRESSES = {
    "laptop.example": "10.77.0.9",
    "head.example": "10.77.0.1",
    "worker-1.example": "10.77.0.2",
    "worker-2.example": "10.77.0.3",
}
"""Those of ray_cluster.yaml, and of who types."""
GRAPH = "/mnt/shared/graph"
# Each host sees this machine's cores. A worker that asks for all of them has a host of its own.
CORES = os.cpu_count() or 1
EPOCHS = 16
SETTINGS: dict[str, Any] = {
    **SMALL,
    "train.schedule.epochs": EPOCHS,
    "cluster.workers": 2,
    "cluster.cpus_per_worker": CORES,
    "cluster.network_interface": "eth0",
}
TOO_BUSY = ("Ray: it did not start within", "Failed to setup head node")
NODES = (
    "import ray; ray.init(address='auto', logging_level='ERROR', log_to_driver=False); "
    "print('alive:', *sorted(n['NodeManagerHostname'] for n in ray.nodes() if n['Alive']))"
)


class Story:
    """The hosts, and what is done on them.

    Args:
        telling: Runs the steps.
        disks: An empty folder on a file system of its own.
        workers: Hosts beside the head, 1 or 2.
    """

    def __init__(self, telling: Telling, disks: Path, workers: int) -> None:
        self.telling = telling
        self.shared = disks / "shared"
        self.hosts = {
            name: Host(
                name, address, disks, self.shared,
                NOTHING if name.startswith("laptop") else SSH_SERVER,
            )
            for name, address in list(ADDRESSES.items())[: 2 + workers]
        }  # fmt: skip
        self.laptop, self.head, *self.workers = self.hosts.values()

    def play(self) -> None:
        """Everything, up to the first step that fails."""
        self.boot()
        self.prepare()
        self.start()
        self.search()
        self.job()
        self.graph()
        self.stop()

    def keep_logs(self) -> None:
        """What Ray wrote on each host that is up, beside the steps' logs."""
        for host in self.hosts.values():
            for session in host.see("tmp/ray").glob("session_2*/logs"):
                copy = self.telling.folder / "ray" / host.name / session.parent.name
                shutil.copytree(session, copy, ignore_dangling_symlinks=True, dirs_exist_ok=True)

    def end(self) -> None:
        """Hosts that are up go down, whatever they do."""
        for host in self.hosts.values():
            host.shut_down()

    # --- steps ---------------------------------------------------------------------------------

    def boot(self) -> None:
        with self.telling.step("Boot the hosts") as seen:
            make_switch()
            self.shared.mkdir()
            self.shared.chmod(0o777)
            for host in self.hosts.values():
                prepare_disk(host, ADDRESSES)
                host.boot(self.telling.log)
                make_user(host, self.telling.log)
            seen["hosts"] = len(self.hosts)

    def prepare(self) -> None:
        with self.telling.step("Clone, key and token on the laptop"):
            project = self.shared / "repository"
            copy_project(project, SETTINGS)
            self._as_owner(project)
            self.on_laptop("git init -q && git pull -q /mnt/shared/repository")
            self.on_laptop(f"mkdir -m 700 -p ~/.ssh && {told('ssh-keygen')}")
            key = self.on_laptop("cat ~/.ssh/tiprdc_cluster.pub").strip()
            for host in (self.head, *self.workers):
                admit(host, key, self.telling.log)
            self.on_laptop(told("get-auth-token"))
            # A search needs shards, wherever they are from; the graph below makes its own.
            make_shards(self.laptop.see(PROJECT) / "artifacts" / "shards", "table", people=400)

    def start(self) -> None:
        with self.telling.step("ray up ray_cluster.yaml") as seen:
            for name in set(ADDRESSES) - set(self.hosts):
                self.on_laptop(f"sed -i /{name}/d ray_cluster.yaml")
            self.on_laptop(f"{told('ray up')} --yes", 400)
            began = time.monotonic()
            try:
                self.wait_until_all_are_alive(240)
            except StepError:
                # The head does not try again where Ray's start on a worker failed.
                self.on_laptop(f"{told('ray up')} --yes", 400)
                self.wait_until_all_are_alive(300)
            seen["workers after the head, s"] = round(time.monotonic() - began)

    def search(self) -> None:
        with self.telling.step("ray submit: a search") as seen:
            self.on_laptop(told("mkdir -p tiprdc"))
            self.on_laptop(told("rsync-up"))
            self.on_laptop(told("ray submit", trials="4", seeds="1"), 400)
            self.on_laptop(told("rsync-down"))
            front = self.on_laptop("cat reports/tuning/front.csv").strip().splitlines()
            seen["settings in front.csv"] = len(front) - 1
        with self.telling.step("ray submit: a mistake ends with an exit code") as seen:
            wrong = told("ray submit", trials="0", seeds="1")
            try:
                self.on_laptop(wrong, 300)
            except StepError as error:
                if "tune.trials" not in error.said or "Traceback" in error.said:
                    raise
                seen["exit code"] = re.findall(r"ended with (\d+)", str(error))[0]
            else:
                raise StepError(f"{wrong}\n  ended with 0")

    def job(self) -> None:
        with self.telling.step("ray job submit: the same as a job") as seen, self.dashboard():
            said = self.on_laptop(told("ray job submit", trials="2"), 200)
            job = re.findall(r"raysubmit_\w+", said)[0]
            logs = told("ray job logs").replace("raysubmit_...", job)
            self.on_laptop(logs, 400)
            said = self.on_laptop(logs.replace("job logs", "job status").replace(" --follow", ""))
            if "SUCCEEDED" not in said.upper():
                raise StepError(f"{job}: {said}")
            seen["state"] = "SUCCEEDED"

    def graph(self) -> None:
        with self.telling.step("dvc repro prepare in a clone on the head"):
            self.on_head(
                told("git clone").replace("REPO", "/mnt/shared/repository"), folder="/mnt/shared"
            )
            self.on_head(f"{told('dvc repro')} prepare", 300)
        with self.telling.step("dvc repro train on two hosts, one is lost") as seen:
            self.train_and_lose_a_host(seen)
        with self.telling.step("dvc repro: the rest of the graph"):
            self.on_head(told("dvc repro"), 600)
        with self.telling.step("dvc repro: nothing to do"):
            said = self.on_head(told("dvc repro"), 120)
            if "Data and pipelines are up to date" not in said:
                raise StepError(said)

    def stop(self) -> None:
        with self.telling.step("ray down ray_cluster.yaml") as seen:
            before = self._servers()
            self.on_laptop(f"{told('ray down')} --yes", 300)
            # It stops the head; workers end when they have missed it for a minute.
            deadline = time.monotonic() + 120
            while (after := self._servers()) and time.monotonic() < deadline:
                time.sleep(1)
            seen.update({"Ray's servers before": before, "after": after})
            if after or not before:
                raise StepError(f"{before} of Ray's servers before, {after} after `ray down`")

    def _servers(self) -> int:
        return sum(host.processes("ray/core/src/ray") for host in (self.head, *self.workers))

    # --- how -----------------------------------------------------------------------------------

    def on_laptop(self, line: str, seconds: float = 120) -> str:
        command = self.laptop.typed(line)
        for _ in range(3):
            try:
                return self.telling.run(command, line, seconds)
            except StepError as error:
                # On a busy machine Ray may not start in time, and says so.
                if not any(words in error.said for words in TOO_BUSY):
                    raise
        return self.telling.run(command, line, seconds)

    def on_head(self, line: str, seconds: float = 120, folder: str = GRAPH) -> str:
        """As in `ray attach`: a login shell on the head, over SSH."""
        attached = f"ray exec ray_cluster.yaml 'cd {folder} && {line}'"
        return self.on_laptop(attached, seconds)

    def wait_until_all_are_alive(self, seconds: float) -> None:
        """Wait for Ray on each host, then ask Ray itself, on the head."""
        machines = (self.head, *self.workers)
        deadline = time.monotonic() + seconds
        # Asking Ray takes a core for seconds, which hosts that start want for themselves.
        wait_for(
            lambda: all(host.processes("DashboardAgent|dashboard/agent.py") for host in machines),
            "Ray to run on all hosts", seconds,
        )  # fmt: skip
        line = f'RAY_AUTH_MODE=token python -c "{NODES}"'
        wanted, alive = [host.name for host in machines], list[str]()
        while alive != wanted:
            if time.monotonic() > deadline:
                raise StepError(f"after {seconds:.0f} s Ray has {alive}, not {wanted}")
            said = self.telling.run(self.head.typed(line), line, 120)
            alive = re.findall(r"alive: (.*)", said)[0].split()

    @contextmanager
    def dashboard(self) -> Iterator[None]:
        """`ray dashboard` on the laptop, until it is no longer needed."""
        line = told("ray dashboard").removesuffix("&")
        tunnel = subprocess.Popen(
            self.laptop.typed(f"exec {line}"), stdin=subprocess.DEVNULL, stdout=self.telling.log,
            stderr=subprocess.STDOUT, start_new_session=True,
        )  # fmt: skip
        answers = "python -c 'import socket; socket.create_connection((\"127.0.0.1\", 8265))'"
        try:
            wait_for(lambda: self._ok(self.laptop, answers), "the dashboard to answer", 120)
            yield
        finally:
            _end(tunnel)

    def train_and_lose_a_host(self, seen: dict[str, Any]) -> None:
        """Start training, kill a worker's host after two checkpoints, boot it again, wait."""
        line = f"{told('dvc repro')} train"
        attached = f"ray exec ray_cluster.yaml 'cd {GRAPH} && {line}'"
        training = subprocess.Popen(
            self.laptop.typed(attached), stdin=subprocess.DEVNULL, stdout=self.telling.log,
            stderr=subprocess.STDOUT, start_new_session=True,
        )  # fmt: skip
        try:
            self.wait_for_news(training, lambda: len(self.news("checkpoint")) >= 2, 600)
            busy = [host for host in self.hosts.values() if host.processes("RayTrainWorker")]
            seen["trained on"] = " and ".join(host.name for host in busy)
            if len(busy) != 2:
                raise StepError(f"two workers on {len(busy)} hosts")
            victim = busy[-1]
            victim.kill()
            began = time.monotonic()
            seen["killed"] = victim.name
            kept = int(self.news("checkpoint")[-1]["number"])
            seen["after epoch"] = kept
            spare = len(self.hosts) - 1 > len(busy)
            if not spare:
                victim.boot(self.telling.log)
            self.wait_for_news(training, lambda: len(self.news("started")) >= 2, 400)
            seen["training went on after, s"] = round(time.monotonic() - began)
            if spare:
                victim.boot(self.telling.log)
            self.wait_until_all_are_alive(400)
            seen["all hosts there after, s"] = round(time.monotonic() - began)
            if training.wait(600):
                raise StepError("training failed")
        finally:
            _end(training)
        again = self.news("started")[1]
        seen["from epoch"] = again["epoch"]
        if not again["resumed"]:
            raise StepError("training began afresh")

    def news(self, event: str) -> list[dict[str, Any]]:
        """What the journal of training says of this event, in the order of time."""
        journal = self.shared / "graph" / "logs" / "train.jsonl"
        return [line for line in read(journal) if line["event"] == event]

    def wait_for_news(
        self, training: subprocess.Popen[bytes], happened: Callable[[], bool], seconds: float
    ) -> None:
        def ended_or_happened() -> bool:
            if training.poll() is not None:
                raise StepError(f"training ended with {training.returncode}")
            return happened()

        wait_for(ended_or_happened, "news of training", seconds)

    def _ok(self, host: Host, line: str) -> bool:
        return subprocess.run(host.typed(line), capture_output=True).returncode == 0

    def _as_owner(self, path: Path) -> None:
        """Give it to the hosts' user, who has the same number on all of them."""
        user = self.laptop.see("home/ray").stat()
        subprocess.run(["chown", "-R", f"{user.st_uid}:{user.st_gid}", str(path)], check=True)


def _end(process: subprocess.Popen[bytes]) -> None:
    """What somebody typed on a host, and what that started: nsenter alone would leave it there."""
    if process.poll() is None:
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()
