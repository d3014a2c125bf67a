"""Time and memory of one training step: published schedule, ours, torchrun and Ray.

    python -m benchmarks.speed.step [--json] [--only papers|demo] [--batch 8] [--rounds 4]

Run it on an idle machine: threads that wait for a busy core multiply every time.

Two sizes: the paper's networks on pictures of its size, and the demo's networks and size. At each:

    published   three backwards for three networks and three optimisers, as published
    fused       ours: one backward
    bf16        ours, in mixed precision
    plain       ours with the project's objective, one process
    compiled    the same with its trunks through torch.compile (the demo's networks)
    ray1        the same in one worker of Ray Train
    torchrun    ours with the project's objective, two processes of plain DDP
    ray2        the same in two workers of Ray Train

Contenders take turns in an alternating order, each in its own process. A ratio is the median over
rounds of the ratio within a round, so that a drift of the machine cancels. The first turns warm up
and do not count. Seconds are of one step of all processes together; peak memory is that of the
largest process, libraries included (about 400 MiB).
"""

from __future__ import annotations

import json
import os
import platform
import secrets
import socket
import statistics
import subprocess
import sys
import tempfile
import threading
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from multiprocessing.connection import Connection, Listener
from pathlib import Path
from typing import Annotated, Any

import torch
import typer
from rich.console import Console
from rich.table import Table

from benchmarks.speed.contender import AS_PUBLISHED, cores
from pipelines.training.workers import ALLOCATOR

ROOT = Path(__file__).parents[2]
MEANING = {
    "fused_over_published": "ratio of steps a second; target: at least 2.6",
    "bf16_over_published": "the same; target: at least 3.5",
    "fused_peak_over_published": "peak memory; target: below 1",
    "compiled_over_plain": "seconds of a step; below 1 if compiling pays",
    "ray1_over_plain": "seconds of a step; target: at most 1.05",
    "ray2_over_torchrun": "seconds of a step; target: at most 1.05",
}
Settings = dict[str, Any]
Turn = dict[str, float]


def main(
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON, no table.")] = False,
    only: Annotated[str, typer.Option(help="papers, demo, or both.")] = "both",
    batch: Annotated[int, typer.Option(min=8, help="Batch of the paper's networks.")] = 8,
    rounds: Annotated[int, typer.Option(help="Turns that count, at the paper's size.")] = 4,
    steps: Annotated[int, typer.Option(help="Steps of a turn at the demo's size.")] = 16,
) -> None:
    """Time a step of every contender."""
    sizes = {"papers": (_papers(batch), rounds), "demo": (_demo(steps), 3 * rounds)}
    log = Console(stderr=True)
    results = {}
    for size in ("papers", "demo") if only == "both" else (only,):
        groups, turns = sizes[size]
        results[size] = {}
        for group in groups:
            log.print(f"{size}: {', '.join(c['name'] for c in group)} ...", highlight=False)
            results[size].update(_take_turns(group, turns))
    result = {**_headline(results), "meaning": MEANING, "machine": _machine(), "sizes": results}
    if as_json:
        typer.echo(json.dumps(result, indent=1))
    else:
        _print(results)


def _papers(batch: int) -> list[list[Settings]]:
    shared = {
        "networks": "papers", "width": 4096, "size": [218, 178], "batch": batch, "steps": 1,
        "private": {"private": 4}, "objective": AS_PUBLISHED,
    }  # fmt: skip
    # Two pairs of processes with 237 million parameters each would not fit a small machine.
    return _groups(shared, {**shared, "width": 1024})


def _demo(steps: int) -> list[list[Settings]]:
    shared = {
        "networks": "ours", "size": [32, 32], "batch": 128, "steps": steps,
        "private": {"private": 2}, "objective": AS_PUBLISHED,
    }  # fmt: skip
    return _groups(shared, {**shared, "objective": {}})


def _groups(shared: Settings, full: Settings) -> list[list[Settings]]:
    def contender(name: str, launcher: str, processes: int, base: Settings) -> Settings:
        return {
            "name": name, "launcher": launcher, "processes": processes, "schedule": "fused",
            "precision": "bf16" if name == "bf16" else "fp32",
            "compiled": name == "compiled", **base,
        }  # fmt: skip

    single = ["plain", "compiled"] if full["networks"] == "ours" else ["plain"]
    published = {**contender("published", "python", 1, shared), "schedule": "published"}
    ours = [contender(name, "python", 1, shared) for name in ("fused", "bf16")]
    return [
        [published, *ours],
        [
            *(contender(name, "python", 1, full) for name in single),
            contender("ray1", "ray", 1, full),
        ],
        [contender("torchrun", "torchrun", 2, full), contender("ray2", "ray", 2, full)],
    ]


def _take_turns(group: list[Settings], rounds: int) -> dict[str, Any]:
    """Rounds of turns; the first two warm up memory, caches and oneDNN's kernels."""
    with ExitStack() as stack:
        contenders = {c["name"]: stack.enter_context(_started(c)) for c in group}
        turns: dict[str, list[Turn]] = {name: [] for name in contenders}
        for number in range(rounds + 2):
            order = list(contenders) if number % 2 else list(reversed(contenders))
            for name in order:
                turns[name].append(_turn(contenders[name]))
    counted = {name: all_turns[2:] for name, all_turns in turns.items()}
    first = group[0]["name"]
    return {name: _summary(own, counted[first]) for name, own in counted.items()}


def _turn(processes: list[Connection]) -> Turn:
    for process in processes:
        process.send_bytes(b"go")
    answers = [json.loads(process.recv_bytes()) for process in processes]
    return {
        "seconds": max(a["seconds"] for a in answers),
        "cpu_seconds": sum(a["cpu_seconds"] for a in answers),
        "peak_mib": max(a["peak_mib"] for a in answers),
    }


def _summary(turns: list[Turn], reference: list[Turn]) -> dict[str, float]:
    """Medians of a contender, and of its ratios to the group's first in the same round."""
    peak = max(turn["peak_mib"] for turn in turns)
    ratios = {
        f"{key}_ratio": statistics.median(
            a[key] / b[key] for a, b in zip(turns, reference, strict=True)
        )
        for key in ("seconds", "cpu_seconds")
    }
    medians = {key: statistics.median(t[key] for t in turns) for key in ("seconds", "cpu_seconds")}
    return {**medians, **ratios, "peak_mib": peak, "turns": len(turns)}


@contextmanager
def _started(settings: Settings) -> Iterator[list[Connection]]:
    """A contender that is ready: the connections to its processes."""
    key = secrets.token_bytes(16)
    with tempfile.TemporaryFile() as errors, Listener(("127.0.0.1", 0), authkey=key) as listener:
        arguments = json.dumps({**settings, "address": listener.address, "key": key.hex()})
        process = subprocess.Popen(
            [*_command(settings), arguments], cwd=ROOT, env=_environment(settings),
            stdout=errors, stderr=errors,
        )  # fmt: skip
        connections: list[Connection] = []
        threading.Thread(
            target=_connect_after_exit, args=(process, listener.address), daemon=True
        ).start()
        try:
            for _ in range(settings["processes"]):
                connections.append(listener.accept())
                ready = json.loads(connections[-1].recv_bytes())
                if ready["threads"] != _threads(settings):
                    sys.exit(f"{settings['name']} has {ready['threads']} threads")
            yield connections
            for connection in connections:
                connection.send_bytes(b"end")
            process.wait(120)
        except (EOFError, ConnectionError):
            errors.seek(0)
            log = errors.read().decode()[-4000:]
            sys.exit(f"{log}\n{settings['name']} ended before its turn")
        finally:
            for connection in connections:
                connection.close()
            process.kill()
            process.wait()


def _connect_after_exit(process: subprocess.Popen[bytes], address: Any) -> None:
    """`accept` has no time limit: this ends it after a contender has exited."""
    process.wait()
    with suppress(OSError):
        socket.create_connection(address).close()


def _command(settings: Settings) -> list[str]:
    if settings["launcher"] == "torchrun":
        run = ["torch.distributed.run", "--standalone", "--nproc-per-node", "2", "-m"]
        return [sys.executable, "-m", *run, "benchmarks.speed.contender"]
    return [sys.executable, "-m", "benchmarks.speed.contender"]


def _environment(settings: Settings) -> dict[str, str]:
    """As many threads as cores, over all processes; Ray Train sets those of its workers itself.

    All contenders have the allocator settings of the project's Ray Train workers.
    """
    variables = {k: v for k, v in os.environ.items() if k not in ("OMP_NUM_THREADS", "RAY_ADDRESS")}
    variables = {**ALLOCATOR, **variables}
    if settings["launcher"] != "ray":
        variables["OMP_NUM_THREADS"] = str(_threads(settings))
    if settings["launcher"] == "torchrun":
        variables["GLOO_SOCKET_IFNAME"] = "lo"
    return variables


def _threads(settings: Settings) -> int:
    """Threads of each process, the same for all contenders that are compared."""
    return max(cores() // int(settings["processes"]), 1)


def _headline(results: dict[str, dict[str, Any]]) -> dict[str, float]:
    """The gains at the paper's size, for which they are claimed; Ray's costs at the demo's size,
    where steps are short and costs show most."""
    gains = results.get("papers") or results["demo"]
    costs = results.get("demo") or results["papers"]
    compiled = costs.get("compiled")
    return {
        "fused_over_published": 1 / gains["fused"]["seconds_ratio"],
        "bf16_over_published": 1 / gains["bf16"]["seconds_ratio"],
        "fused_peak_over_published": gains["fused"]["peak_mib"] / gains["published"]["peak_mib"],
        **({"compiled_over_plain": compiled["seconds_ratio"]} if compiled else {}),
        "ray1_over_plain": costs["ray1"]["seconds_ratio"],
        "ray2_over_torchrun": costs["ray2"]["seconds_ratio"],
    }


def _machine() -> dict[str, Any]:
    return {
        "cores": cores(),
        "python": platform.python_version(),
        "torch": torch.__version__,
        "platform": platform.platform(),
        "load_after": round(os.getloadavg()[0], 2),
    }


def _print(results: dict[str, dict[str, Any]]) -> None:
    for size, contenders in results.items():
        table = Table("contender", "s a step", "CPU s", "ratio", "peak MiB", title=size)
        for name, figure in contenders.items():
            table.add_row(
                name, f"{figure['seconds']:.3f}", f"{figure['cpu_seconds']:.3f}",
                f"{figure['seconds_ratio']:.3f}", f"{figure['peak_mib']:,.0f}",
            )  # fmt: skip
        Console().print(table)
    for name, value in _headline(results).items():
        Console().print(f"{name}: {value:.3f} ({MEANING[name]})", highlight=False)


if __name__ == "__main__":
    typer.run(main)
