"""Connect to Ray: a local one for a stage, or the cluster that RAY_ADDRESS names."""

from __future__ import annotations

import logging
import os
import re
import socket
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, Any, ClassVar, Literal

import ray
from msgspec import Meta
from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

from pipelines.cluster import local_ray
from pipelines.cluster.environment import environment
from pipelines.cluster.errors import translated
from tiprdc.errors import ClusterError, ConfigError, check_range
from tiprdc.settings import Settings

_ROOT = Path(__file__).parents[2]
_TIMEOUT_SECONDS = 10.0
_HIDE_GPUS = "RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO"
_DEFAULTS = {
    "RAY_USAGE_STATS_ENABLED": "0",
    # Tune's own tables, which verbose=0 does not silence: ours are in search/trial_table.py.
    "RAY_AIR_NEW_OUTPUT": "0",
    # Seconds between two snapshots of a search; trials that ended later start again after a kill.
    "TUNE_GLOBAL_CHECKPOINT_S": "1",
    # A trial reports each epoch, and the objectives once, at its end.
    "TUNE_DISABLE_STRICT_METRIC_CHECKING": "1",
    # Ctrl-C ends the stage; with Tune's own handler a search would return as if it were complete.
    "TUNE_DISABLE_SIGINT_HANDLER": "1",
    # Without it a task to which no GPU was assigned sees, and uses, every GPU of its machine.
    _HIDE_GPUS: "1",
    # A worker imports torch first; on a busy machine that has taken longer than Ray's own 60 s.
    "RAY_TRAIN_WORKER_GROUP_START_TIMEOUT_S": "600",
    # How often Train looks for a report; a worker waits for it, so 2 s would be the shortest epoch.
    "RAY_TRAIN_HEALTH_CHECK_INTERVAL_S": "0.2",
}


class ClusterConfig(Settings, frozen=True, kw_only=True):
    """Where and how a stage runs, which changes no result (`cluster`)."""

    params_key: ClassVar[str] = "cluster"

    workers: Annotated[
        Annotated[int, Meta(ge=1, le=1024)] | tuple[Annotated[int, Meta(ge=1, le=1024)], ...],
        Meta(
            description="Workers that train one extractor together. [least, most]: as many as "
            "there is room for, also while it runs. The batch stays the same.",
        ),
    ] = 1
    cpus_per_worker: Annotated[
        int, Meta(ge=1, le=1024, description="CPU cores for each of them.")
    ] = 1
    gpus_per_worker: Annotated[int, Meta(ge=0, le=64, description="GPUs for each of them.")] = 0
    cpus_per_trial: Annotated[
        float, Meta(ge=0.1, le=1000, description="CPU cores for each trial of a search.")
    ] = 1.0
    gpus_per_trial: Annotated[
        float,
        Meta(ge=0, le=100, description="GPUs for each trial of a search; a fraction shares one."),
    ] = 0.0
    gpus_per_attack: Annotated[
        float, Meta(ge=0, le=1, description="GPUs for each attack of an audit that can use one.")
    ] = 0.0
    retries: Annotated[
        int,
        Meta(ge=0, le=100, description="How often a run resumes by itself after losing a worker."),
    ] = 3
    checkpoint_every: Annotated[
        int,
        Meta(
            ge=1, le=1000,
            description="Epochs between two checkpoints; a killed run resumes from the last.",
        ),
    ] = 1  # fmt: skip
    most_seconds: Annotated[
        int,
        Meta(
            ge=10, le=1_000_000,
            description="Seconds after which an audit's unfinished attacks count as failed.",
        ),
    ] = 3600  # fmt: skip
    start_seconds: Annotated[
        int,
        Meta(
            ge=30, le=3600,
            description="Seconds that a local Ray may take to start; it is tried twice.",
        ),
    ] = 60  # fmt: skip
    num_cpus: Annotated[
        int,
        Meta(ge=0, le=4096, description="CPU cores that a local Ray may use; 0: all of them."),
    ] = 0
    network_interface: Annotated[
        str,
        Meta(
            description="Network interface over which workers exchange gradients, such as eth0; "
            "empty: the loopback on one machine, Gloo's choice on a cluster, which can fail on "
            "machines with several.",
        ),
    ] = ""
    storage: Annotated[
        str,
        Meta(
            min_length=1,
            description="Where a killed run's checkpoints are: a folder that all machines see, or "
            "a URI such as s3://bucket/runs.",
        ),
    ] = "runs"
    shards: Annotated[
        Literal["local", "streamed"],
        Meta(
            description="local: training workers read artifacts/shards on a disk of their own or "
            "a shared one. streamed: the stage sends them their records.",
        ),
    ] = "local"
    patience: Annotated[
        float,
        Meta(
            ge=0, le=86_400,
            description="Seconds that storage may be full or unreachable before a run fails.",
        ),
    ] = 120.0  # fmt: skip
    dashboard: Annotated[
        bool, Meta(description="Whether a local Ray serves its dashboard on 127.0.0.1.")
    ] = False
    log: Annotated[
        str,
        Meta(
            description="Folder of the event logs, <stage>.jsonl, one JSON object a line; empty: "
            "no log.",
        ),
    ] = "logs"
    metrics_port: Annotated[
        int,
        Meta(
            ge=0, le=65_535,
            description="Port on which a stage serves /metrics while it runs, 1,024 to 65,535; 0: "
            "none.",
        ),
    ] = 0  # fmt: skip
    metrics_host: Annotated[
        str,
        Meta(
            min_length=1,
            description="Address of /metrics; any but 127.0.0.1 shows names of attributes and "
            "figures of the audit to other machines.",
        ),
    ] = "127.0.0.1"
    metrics_folder: Annotated[
        str,
        Meta(
            description="Folder of node_exporter's textfile collector, for tiprdc_<stage>.prom; "
            "empty: none.",
        ),
    ] = ""
    pushgateway: Annotated[
        str, Meta(description="host:port of a Prometheus Pushgateway; empty: none.")
    ] = ""

    def _check(self) -> None:
        if isinstance(self.workers, tuple) and (len(self.workers) != 2 or self.fewest > self.most):
            raise ConfigError("cluster.workers", list(self.workers), "a number, or [least, most]")
        if self.metrics_port:
            check_range("cluster.metrics_port", self.metrics_port, 1024, 65_535)

    @property
    def fewest(self) -> int:
        """Workers without which training does not start."""
        return self.workers if isinstance(self.workers, int) else self.workers[0]

    @property
    def most(self) -> int:
        """Workers at most."""
        return self.workers if isinstance(self.workers, int) else self.workers[-1]

    def resources(self) -> dict[str, float]:
        """What one training worker asks Ray for."""
        wanted = {"CPU": float(self.cpus_per_worker)}
        return {**wanted, "GPU": float(self.gpus_per_worker)} if self.gpus_per_worker else wanted


@contextmanager
def connect(config: ClusterConfig) -> Iterator[None]:
    """Connect to Ray for the block, and translate Ray's errors (`ray_errors.py`).

    The environment variable RAY_ADDRESS (`host:port` of the head, or `auto`) names a cluster.
    Without it, a local Ray starts and stops with the block. An inner `connect` starts nothing.

    Raises:
        ClusterError: The address does not answer, or a worker was lost.
        TiprdcError: A worker raised it.
    """
    address = os.environ.get("RAY_ADDRESS", "")
    defaults = {name: os.environ.get(name, value) for name, value in _DEFAULTS.items()}
    with environment(defaults), translated():
        if ray.is_initialized():
            yield
            return
        try:
            if address in ("", "local"):
                _start_local(config)
            else:
                _join_cluster(address, config)
            yield
        finally:
            ray.shutdown()


def _start_local(config: ClusterConfig) -> None:
    available = config.num_cpus or os.cpu_count() or 1
    if config.fewest * config.cpus_per_worker > available:
        raise ClusterError(
            "cluster.workers", f"{config.fewest} x {config.cpus_per_worker} cores",
            f"at most the {available} cores of this machine (cluster.num_cpus)",
            "set cluster.workers or cluster.cpus_per_worker lower, or set RAY_ADDRESS to a cluster",
        )  # fmt: skip
    local_ray.start(
        num_cpus=available,
        dashboard=config.dashboard,
        seconds=config.start_seconds,
        network_interface=config.network_interface,
    )


def _join_cluster(address: str, config: ClusterConfig) -> None:
    if address != "auto":
        _check_address(address)
    variables = {_HIDE_GPUS: os.environ.get(_HIDE_GPUS, _DEFAULTS[_HIDE_GPUS])}
    if config.network_interface:
        variables["GLOO_SOCKET_IFNAME"] = config.network_interface
    try:
        ray.init(
            address=address,
            log_to_driver=False,
            logging_level=logging.ERROR,
            runtime_env={
                "py_modules": [str(_ROOT / "pipelines"), str(_ROOT / "tiprdc")],
                "env_vars": variables,
                "excludes": ["**/__pycache__"],
            },
        )
    except (ConnectionError, RuntimeError) as error:
        # Ray's messages have several lines, and the first may say nothing.
        text = " ".join(str(error).split())
        raise _other_versions(address, text) or _no_answer(address, text) from error


def _other_versions(address: str, text: str) -> ClusterError | None:
    """What to do if Ray refused the cluster for its versions: it names the cluster's first."""
    versions = re.findall(r"Ray: (\S+) Python: (\S+)", text)
    if len(versions) < 2:
        return None
    (their_ray, their_python), (our_ray, our_python), *_ = versions
    return ClusterError(
        "RAY_ADDRESS",
        f"{address} runs Ray {their_ray} on Python {their_python}, this process Ray {our_ray} on"
        f" Python {our_python}",
        "the same versions of both on every machine",
        f"here, make an environment of Python {their_python} with ray=={their_ray}, or start the"
        " cluster with the versions of this process",
    )


def _check_address(address: str) -> None:
    """Check for an answer before connecting: Ray ends this process after two minutes of silence.

    Source: ray-project/ray#46863 (no time limit can be set; check in a process of its own).
    """
    host, _, port = address.rpartition(":")
    if "://" in address or not host or not port.isdecimal():
        raise _no_answer(address, "not an address of a head")
    try:
        socket.create_connection(
            (host.strip("[]"), int(port)), timeout=_TIMEOUT_SECONDS / 2
        ).close()
    except (OSError, OverflowError) as error:
        raise _no_answer(address, getattr(error, "strerror", None) or str(error)) from None
    command = [sys.executable, "-m", "ray.scripts.scripts", "health-check", "--address", address]
    try:
        check = subprocess.run(command, capture_output=True, text=True, timeout=_TIMEOUT_SECONDS)
    except subprocess.TimeoutExpired:
        raise _no_answer(address, "something listens there, but it is not a Ray head") from None
    if check.returncode:
        reason = (check.stderr.strip().splitlines() or ["unknown reason"])[-1]
        if "InvalidAuthToken" in reason:
            raise ClusterError(
                "RAY_ADDRESS", f"{address} requires the token of the cluster",
                hint="set RAY_AUTH_MODE=token, with the head's token in ~/.ray/auth_token",
            )  # fmt: skip
        raise _no_answer(address, reason)


def _no_answer(address: str, reason: str) -> ClusterError:
    return ClusterError(
        "RAY_ADDRESS", f"{address} does not answer: {reason}",
        "host:port of a running head (the port is usually 6379) of the same Ray, or auto",
        "start it with `ray start --head`, or unset RAY_ADDRESS to run on this machine",
    )  # fmt: skip


def max_parallel(demand: Mapping[str, float]) -> int:
    """How many tasks fit into the present cluster at once, if it is idle; at least 1.

    Args:
        demand: Resource (`CPU`, `GPU`) -> amount for one task.
    """
    available = ray.cluster_resources()  # type: ignore[no-untyped-call]  # Ray's
    counts = (available.get(name, 0.0) / amount for name, amount in demand.items() if amount)
    return max(1, int(min(counts, default=1.0)))


def on_driver_node() -> dict[str, Any]:
    """Options that pin an actor to the node of this process, so that it outlives every worker node.
    It takes no core."""
    node = ray.get_runtime_context().get_node_id()
    return {"num_cpus": 0, "scheduling_strategy": NodeAffinitySchedulingStrategy(node, soft=False)}
