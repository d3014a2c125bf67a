"""Speed and memory of a release on a device, compared with the same network in torch.

    python -m benchmarks.speed.extract [--release DIR] [--variants DIR] [--checkpoint DIR]

    fp32         tiprdc.runtime.extractor.Extractor, as `tiprdc extract` uses it
    int8, fp16   the same with a variant, if export.variants has one
    torch        the network that was exported, eager, in inference mode

All use one thread and the same random records of the release's kind. The contenders take turns,
each turn in its own process. A ratio to torch is the median over rounds of the ratio within a
round, so that a drift of the machine cancels. The first round warms up the disk and does not count.

    latency_ms   of one record, median over the calls
    rate         records a second at batch 64
    peak_mib     largest memory of the process, libraries included
    ready_s      from the start of the process to the first features

Also: the size of each file; the mean and maximum difference of features from torch's on real
records, from the manifests (a feature's standard deviation is 1); the size of the wheel; and the
time of `import tiprdc.runtime.extractor` beyond Python itself.
"""

from __future__ import annotations

import json
import os
import platform
import re
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import typer
from numpy.typing import NDArray

from tiprdc.formats.manifest import MODEL, VARIANTS, Contract, read_contract

ROOT = Path(__file__).parents[2]
TORCH = "torch"
BATCH = 64
Turn = dict[str, float]
Features = Callable[[NDArray[Any]], NDArray[np.float32]]


def main(
    release: Annotated[Path, typer.Option(help="The release.")] = Path("artifacts/release"),
    variants: Annotated[Path, typer.Option(help="Folder of its variants.")] = Path(
        "artifacts/variants"
    ),
    checkpoint: Annotated[Path, typer.Option(help="The network that was exported.")] = Path(
        "artifacts/checkpoint/protected"
    ),
    rounds: Annotated[int, typer.Option(min=1, help="Turns that count.")] = 5,
    seconds: Annotated[float, typer.Option(help="Of each measurement in a turn.")] = 2.0,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Run all turns and print the figures."""
    releases = {"fp32": release} | {
        name: variants / name for name in VARIANTS if (variants / name / "manifest.json").is_file()
    }
    folders = {**releases, TORCH: checkpoint}
    turns: dict[str, list[Turn]] = {name: [] for name in folders}
    for number in range(rounds + 1):
        # The order alternates.
        for name in folders if number % 2 else reversed(folders):
            figures = _turn(name, folders[name], release, seconds)
            if number:
                turns[name].append(figures)
    result: dict[str, Any] = {
        "contenders": {name: _medians(turns[name]) for name in folders},
        "ratios": {name: _ratios(turns[TORCH], turns[name]) for name in releases},
        "files": {name: _file_figures(folder) for name, folder in releases.items()},
        "wheel_kib": round(_wheel() / 1024, 1),
        "import_s": _import_seconds(),
        "machine": {
            "cores": os.cpu_count(), "python": platform.python_version(),
            "platform": platform.platform(), "load": round(os.getloadavg()[0], 2),
            "rounds": rounds,
        },
    }  # fmt: skip
    if as_json:
        typer.echo(json.dumps(result, indent=1))
        return
    rows = result.pop("contenders")
    rows |= {f"{n}, times better": ratios for n, ratios in result.pop("ratios").items()}
    rows |= {f"{n}, file": figures for n, figures in result.pop("files").items()}
    for name, figures in rows.items():
        typer.echo(f"{name:<20}" + "  ".join(f"{k} {v:,.4g}" for k, v in figures.items()))
    for name, value in result.items():
        typer.echo(f"{name:<20}{value}")


def _turn(name: str, folder: Path, release: Path, seconds: float) -> Turn:
    arguments = (name, str(folder), str(release), seconds)
    call = f"from benchmarks.speed.extract import run_turn; run_turn(*{arguments!r})"
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "STARTED": str(time.time())}
    process = subprocess.run(
        [sys.executable, "-c", call], cwd=Path.cwd(), env=environment, check=True,
        capture_output=True, text=True,
    )  # fmt: skip
    turn: Turn = json.loads(process.stdout)
    return turn


def run_turn(name: str, folder: str, release: str, seconds: float) -> None:
    """One turn, in its own process."""
    features = _open(name, Path(folder))
    contract = read_contract(Path(release) / "manifest.json")
    x = _records(contract, BATCH)
    features(x[:1])
    ready = time.time() - float(os.environ["STARTED"])
    latency = _times(lambda: features(x[:1]), seconds)
    batch = _times(lambda: features(x), seconds)
    figures = {
        "latency_ms": 1000 * statistics.median(latency),
        "rate": BATCH / statistics.median(batch),
        "peak_mib": _peak() / 1024,
        "ready_s": ready,
    }
    sys.stdout.write(json.dumps(figures))


def _peak() -> int:
    """KiB; getrusage would include the memory of the parent at the time of the fork."""
    status = Path("/proc/self/status").read_text()
    return int(re.findall(r"VmHWM:\s+(\d+) kB", status)[0])


def _open(name: str, folder: Path) -> Features:
    if name != TORCH:
        from tiprdc.runtime.extractor import Extractor

        return Extractor.load(folder)
    import torch

    from tiprdc.training.checkpoint import load_extractor

    torch.set_num_threads(1)
    network = load_extractor(folder)

    def features(x: NDArray[Any]) -> NDArray[np.float32]:
        with torch.inference_mode():
            z: NDArray[np.float32] = network(torch.from_numpy(x)).numpy()
        return z

    return features


def _records(contract: Contract, count: int) -> NDArray[Any]:
    rng, shape = np.random.default_rng(0), (count, *contract.input_shape)
    if contract.modality == "image":
        return rng.integers(0, 256, shape, dtype=np.uint8)
    if contract.modality == "text":
        return rng.integers(1, contract.input.vocabulary_size, shape, dtype=np.int32)
    return rng.integers(0, 2, shape).astype(np.float32)


def _times(call: Callable[[], object], seconds: float) -> list[float]:
    """Seconds of each call, repeated for this long after a warm-up."""
    for _ in range(5):
        call()
    times: list[float] = []
    end = time.perf_counter() + seconds
    while time.perf_counter() < end:
        start = time.perf_counter()
        call()
        times.append(time.perf_counter() - start)
    return times


def _medians(turns: list[Turn]) -> Turn:
    return {key: statistics.median(turn[key] for turn in turns) for key in turns[0]}


def _ratios(reference: list[Turn], turns: list[Turn]) -> dict[str, float]:
    """Median of reference / turn within each round; for the rate, of turn / reference."""
    pairs = list(zip(reference, turns, strict=True))
    ratios = {key: [a[key] / b[key] for a, b in pairs] for key in pairs[0][0]}
    ratios["rate"] = [1 / ratio for ratio in ratios["rate"]]
    return {key: round(statistics.median(values), 2) for key, values in ratios.items()}


def _file_figures(folder: Path) -> dict[str, float]:
    """Size of the file, and its differences from torch on real records."""
    contract = read_contract(folder / "manifest.json")
    parity = contract.parity
    size = contract.files[MODEL].bytes
    return {"kib": size / 1024, "mean_abs": parity.mean_abs, "max_abs": parity.max_abs}


def _wheel() -> int:
    """Bytes of the wheel."""
    build = "from setuptools import build_meta as b; import sys; b.build_wheel(sys.argv[1])"
    listing = subprocess.run(
        ["git", "ls-files", "-z", "tiprdc", "pyproject.toml", "README.md", "LICENSE"],
        cwd=ROOT, capture_output=True, text=True, check=True,
    )  # fmt: skip
    with tempfile.TemporaryDirectory() as name:
        source = Path(name) / "source"
        for file in filter(None, listing.stdout.split("\0")):
            (source / file).parent.mkdir(parents=True, exist_ok=True)
            (source / file).write_bytes((ROOT / file).read_bytes())
        subprocess.run(
            [sys.executable, "-c", build, name], cwd=source, check=True, capture_output=True
        )
        (wheel,) = Path(name).glob("*.whl")
        return wheel.stat().st_size


def _import_seconds() -> dict[str, float]:
    """Wall time, and CPU time, which does not depend on the load of the machine."""

    def run(script: str) -> tuple[float, float]:
        before, start = resource.getrusage(resource.RUSAGE_CHILDREN), time.perf_counter()
        subprocess.run([sys.executable, "-c", script], check=True)
        clock, after = time.perf_counter() - start, resource.getrusage(resource.RUSAGE_CHILDREN)
        return clock, after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime

    pairs = [(run("import tiprdc.runtime.extractor"), run("pass")) for _ in range(7)]
    clock, cpu = (statistics.median(one[n] - two[n] for one, two in pairs) for n in (0, 1))
    return {"clock": round(clock, 3), "cpu": round(cpu, 3)}


if __name__ == "__main__":
    typer.run(main)
