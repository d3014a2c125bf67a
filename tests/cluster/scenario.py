"""Steps of the cluster test, in the order of docs/cluster.md: search, job, graph, stop."""

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
from tests.cluster.doc_commands import doc_command
from tests.cluster.namespaces import PROJECT, Host, StepError, make_switch, wait_for
from tests.cluster.provision import IDLE, SSH_SERVER, authorize_key, make_user, prepare_disk
from tests.cluster.step_log import StepLog
from tests.helpers.shards import make_shards
from tests.helpers.small_project import SMALL, copy_project

ADDRESSES = {
    "laptop.example": "10.77.0.9",
    "head.example": "10.77.0.1",
    "worker-1.example": "10.77.0.2",
    "worker-2.example": "10.77.0.3",
}
"""The hosts of ray_cluster.yaml, and the laptop on which the commands are typed."""
GRAPH = "/mnt/shared/graph"
# Each host has this machine's cores. A worker that needs all of them runs alone on its host.
CORES = os.cpu_count() or 1
EPOCHS = 16
SETTINGS: dict[str, Any] = {
    **SMALL,
    "train.schedule.epochs": EPOCHS,
    "cluster.workers": 2,
    "cluster.cpus_per_worker": CORES,
    "cluster.network_interface": "eth0",
}
AGENT = "DashboardAgent|dashboard/agent.py"
"""Command line of the last process that Ray starts on a node."""
TOO_BUSY = ("Ray: it did not start within", "Failed to setup head node")
NODES = (
    "import ray; ray.init(address='auto', logging_level='ERROR', log_to_driver=False); "
    "print('alive:', *sorted(n['NodeManagerHostname'] for n in ray.nodes() if n['Alive']))"
)


class ClusterScenario:
    """The hosts, and the steps on them.

    Args:
        step_log: Runs commands and logs them.
        disks: An empty folder on a file system of its own.
        workers: Hosts beside the head, 1 or 2.
    """

    def __init__(self, step_log: StepLog, disks: Path, workers: int) -> None:
        self.step_log = step_log
        self.shared = disks / "shared"
        self.hosts = {
            name: Host(
                name, address, disks, self.shared,
                IDLE if name.startswith("laptop") else SSH_SERVER,
            )
            for name, address in list(ADDRESSES.items())[: 2 + workers]
        }  # fmt: skip
        self.laptop, self.head, *self.workers = self.hosts.values()

    def run(self) -> None:
        """Run all steps, up to the first that fails."""
        self.boot()
        self.prepare()
        self.start()
        self.search()
        self.job()
        self.graph()
        self.stop()

    def copy_ray_logs(self) -> None:
        """Copy Ray's logs of each running host beside the logs of the steps."""
        for host in self.hosts.values():
            for session in host.outside_path("tmp/ray").glob("session_2*/logs"):
                copy = self.step_log.folder / "ray" / host.name / session.parent.name
                shutil.copytree(session, copy, ignore_dangling_symlinks=True, dirs_exist_ok=True)

    def shut_down(self) -> None:
        """Kill all running hosts."""
        for host in self.hosts.values():
            host.shut_down()

    # --- steps ---------------------------------------------------------------------------------

    def boot(self) -> None:
        with self.step_log.step("Boot the hosts") as figures:
            make_switch()
            self.shared.mkdir()
            self.shared.chmod(0o777)
            for host in self.hosts.values():
                prepare_disk(host, ADDRESSES)
                host.boot(self.step_log.log)
                make_user(host, self.step_log.log)
            figures["hosts"] = len(self.hosts)

    def prepare(self) -> None:
        with self.step_log.step("Clone, key and token on the laptop"):
            project = self.shared / "repository"
            copy_project(project, SETTINGS)
            self._as_owner(project)
            self.on_laptop("git init -q && git pull -q /mnt/shared/repository")
            self.on_laptop(f"mkdir -m 700 -p ~/.ssh && {doc_command('ssh-keygen')}")
            key = self.on_laptop("cat ~/.ssh/tiprdc_cluster.pub").strip()
            for host in (self.head, *self.workers):
                authorize_key(host, key, self.step_log.log)
            self.on_laptop(doc_command("get-auth-token"))
            # Shards for the search; the graph below makes its own.
            shards = self.laptop.outside_path(PROJECT) / "artifacts" / "shards"
            make_shards(shards, "table", people=400)

    def start(self) -> None:
        with self.step_log.step("ray up ray_cluster.yaml") as figures:
            for name in set(ADDRESSES) - set(self.hosts):
                self.on_laptop(f"sed -i /{name}/d ray_cluster.yaml")
            self.on_laptop(f"{doc_command('ray up')} --yes", 400)
            began = time.monotonic()
            try:
                self.wait_until_all_nodes_are_alive(240)
            except StepError:
                # The head does not retry a failed start of Ray on a worker.
                self.on_laptop(f"{doc_command('ray up')} --yes", 400)
                self.wait_until_all_nodes_are_alive(300)
            figures["workers after the head, s"] = round(time.monotonic() - began)

    def search(self) -> None:
        with self.step_log.step("ray submit: a search") as figures:
            self.on_laptop(doc_command("mkdir -p tiprdc"))
            self.on_laptop(doc_command("rsync-up"))
            self.on_laptop(doc_command("ray submit", trials="4", seeds="1"), 400)
            self.on_laptop(doc_command("rsync-down"))
            front = self.on_laptop("cat reports/tuning/front.csv").strip().splitlines()
            figures["settings in front.csv"] = len(front) - 1
        with self.step_log.step("ray submit: an invalid setting ends with an exit code") as figures:
            wrong = doc_command("ray submit", trials="0", seeds="1")
            try:
                self.on_laptop(wrong, 300)
            except StepError as error:
                if "tune.trials" not in error.output or "Traceback" in error.output:
                    raise
                figures["exit code"] = re.findall(r"ended with (\d+)", str(error))[0]
            else:
                raise StepError(f"{wrong}\n  ended with 0")

    def job(self) -> None:
        with self.step_log.step("ray job submit: the search as a job") as figures, self.dashboard():
            output = self.on_laptop(doc_command("ray job submit", trials="2"), 200)
            job = re.findall(r"raysubmit_\w+", output)[0]
            logs = doc_command("ray job logs").replace("raysubmit_...", job)
            self.on_laptop(logs, 400)
            output = self.on_laptop(logs.replace("job logs", "job status").replace(" --follow", ""))
            if "SUCCEEDED" not in output.upper():
                raise StepError(f"{job}: {output}")
            figures["state"] = "SUCCEEDED"

    def graph(self) -> None:
        with self.step_log.step("dvc repro prepare in a clone on the head"):
            clone = doc_command("git clone").replace("REPO", "/mnt/shared/repository")
            self.on_head(clone, folder="/mnt/shared")
            self.on_head(f"{doc_command('dvc repro')} prepare", 300)
        with self.step_log.step("dvc repro train on two hosts, one is killed") as figures:
            self.train_and_lose_a_host(figures)
        with self.step_log.step("dvc repro: the rest of the graph"):
            self.on_head(doc_command("dvc repro"), 600)
        with self.step_log.step("dvc repro: up to date"):
            output = self.on_head(doc_command("dvc repro"), 120)
            if "Data and pipelines are up to date" not in output:
                raise StepError(output)

    def stop(self) -> None:
        with self.step_log.step("ray down ray_cluster.yaml") as figures:
            before = self._count_servers()
            self.on_laptop(f"{doc_command('ray down')} --yes", 300)
            # It stops the head; workers end after a minute without a head.
            deadline = time.monotonic() + 120
            while (after := self._count_servers()) and time.monotonic() < deadline:
                time.sleep(1)
            figures.update({"Ray servers before": before, "after": after})
            if after or not before:
                raise StepError(f"{before} Ray servers before, {after} after `ray down`")

    def _count_servers(self) -> int:
        return sum(host.count_processes("ray/core/src/ray") for host in (self.head, *self.workers))

    # --- tools ---------------------------------------------------------------------------------

    def on_laptop(self, line: str, seconds: float = 120) -> str:
        command = self.laptop.shell_command(line)
        for _ in range(3):
            try:
                return self.step_log.run(command, line, seconds)
            except StepError as error:
                # On a busy machine Ray may time out at its start.
                if not any(message in error.output for message in TOO_BUSY):
                    raise
        return self.step_log.run(command, line, seconds)

    def on_head(self, line: str, seconds: float = 120, folder: str = GRAPH) -> str:
        """Run a line in a login shell on the head, over SSH, as `ray attach` would."""
        attached = f"ray exec ray_cluster.yaml 'cd {folder} && {line}'"
        return self.on_laptop(attached, seconds)

    def wait_until_all_nodes_are_alive(self, seconds: float) -> None:
        """Wait for Ray's processes on each host, then until Ray on the head lists all nodes."""
        machines = (self.head, *self.workers)
        deadline = time.monotonic() + seconds
        # A query of Ray takes a core for seconds, which would slow down starting hosts.
        wait_for(
            lambda: all(machine.count_processes(AGENT) for machine in machines),
            "Ray to run on all hosts", seconds,
        )  # fmt: skip
        line = f'RAY_AUTH_MODE=token python -c "{NODES}"'
        expected, alive = [host.name for host in machines], list[str]()
        while alive != expected:
            if time.monotonic() > deadline:
                raise StepError(f"after {seconds:.0f} s Ray has {alive}, not {expected}")
            output = self.step_log.run(self.head.shell_command(line), line, 120)
            alive = re.findall(r"alive: (.*)", output)[0].split()

    @contextmanager
    def dashboard(self) -> Iterator[None]:
        """Run `ray dashboard` on the laptop while the context is open."""
        line = doc_command("ray dashboard").removesuffix("&")
        tunnel = subprocess.Popen(
            self.laptop.shell_command(f"exec {line}"), stdin=subprocess.DEVNULL,
            stdout=self.step_log.log, stderr=subprocess.STDOUT, start_new_session=True,
        )  # fmt: skip
        answers = "python -c 'import socket; socket.create_connection((\"127.0.0.1\", 8265))'"
        try:
            wait_for(lambda: self._ok(self.laptop, answers), "the dashboard to answer", 120)
            yield
        finally:
            _kill_group(tunnel)

    def train_and_lose_a_host(self, figures: dict[str, Any]) -> None:
        """Train, kill a worker's host after two checkpoints, boot it again, wait for the end."""
        line = f"{doc_command('dvc repro')} train"
        attached = f"ray exec ray_cluster.yaml 'cd {GRAPH} && {line}'"
        training = subprocess.Popen(
            self.laptop.shell_command(attached), stdin=subprocess.DEVNULL, stdout=self.step_log.log,
            stderr=subprocess.STDOUT, start_new_session=True,
        )  # fmt: skip
        try:
            self.wait_for_event(training, lambda: len(self.events("checkpoint")) >= 2, 600)
            busy = [host for host in self.hosts.values() if host.count_processes("RayTrainWorker")]
            figures["trained on"] = " and ".join(host.name for host in busy)
            if len(busy) != 2:
                raise StepError(f"two workers on {len(busy)} hosts")
            victim = busy[-1]
            victim.kill()
            began = time.monotonic()
            figures["killed"] = victim.name
            figures["after epoch"] = int(self.events("checkpoint")[-1]["number"])
            spare = len(self.hosts) - 1 > len(busy)
            if not spare:
                victim.boot(self.step_log.log)
            self.wait_for_event(training, lambda: len(self.events("started")) >= 2, 400)
            figures["training resumed after, s"] = round(time.monotonic() - began)
            if spare:
                victim.boot(self.step_log.log)
            self.wait_until_all_nodes_are_alive(400)
            figures["all hosts alive after, s"] = round(time.monotonic() - began)
            if training.wait(600):
                raise StepError("training failed")
        finally:
            _kill_group(training)
        restart = self.events("started")[1]
        figures["from epoch"] = restart["epoch"]
        if not restart["resumed"]:
            raise StepError("training started from epoch 0 instead of resuming")

    def events(self, event: str) -> list[dict[str, Any]]:
        """Lines of training's event log with this event, in order of time."""
        log = self.shared / "graph" / "logs" / "train.jsonl"
        return [line for line in read(log) if line["event"] == event]

    def wait_for_event(
        self, training: subprocess.Popen[bytes], happened: Callable[[], bool], seconds: float
    ) -> None:
        def ended_or_happened() -> bool:
            if training.poll() is not None:
                raise StepError(f"training ended with {training.returncode}")
            return happened()

        wait_for(ended_or_happened, "an event of training", seconds)

    def _ok(self, host: Host, line: str) -> bool:
        return subprocess.run(host.shell_command(line), capture_output=True).returncode == 0

    def _as_owner(self, path: Path) -> None:
        """Give a folder to the hosts' user, who has the same ID on all of them."""
        user = self.laptop.outside_path("home/ray").stat()
        subprocess.run(["chown", "-R", f"{user.st_uid}:{user.st_gid}", str(path)], check=True)


def _kill_group(process: subprocess.Popen[bytes]) -> None:
    """Kill a command on a host and its children; killing nsenter alone would leave them."""
    if process.poll() is None:
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()
