"""Does a test notice if the auditor is made wrong? One wrong thing at a time, in a copy.

    python -m benchmarks.auditor.mutants [--only NAME] [--again] [--table]

Each mutant of mutants.toml replaces a piece of one file, as a mistake would, in a copy
of the repository, and runs the tests that should notice. It is killed if one fails. A piece of text
that is no longer there, tests that fail without any mutant or a mutant that cannot be imported end
the run: they would be counted as what they are not.

Results are kept in mutants.csv: only what is not known to be killed is tried, unless `--again` is
given, which starts anew. `--table` writes the results into docs/auditor.md.
"""

from __future__ import annotations

import csv
import importlib
import itertools
import multiprocessing
import os
import shutil
import sys
import tempfile
import tomllib
import traceback
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Annotated

import pytest
import typer
from rich.console import Console

ROOT = Path(__file__).parents[2]
COPIED = ("tiprdc", "tests", "pipelines", "stages", "benchmarks", "pyproject.toml")
RESULTS = Path(__file__).with_name("mutants.csv")
LONGEST = 600
"""Seconds; a mutant that hangs is killed, and counts as noticed."""
_CLOCK = itertools.count(1_000_000_000)
LIBRARIES = (
    "jsonschema", "onnxruntime", "pandas", "pyarrow.parquet", "scipy.stats", "torch",
    "torchmetrics", "sklearn.decomposition", "sklearn.ensemble", "sklearn.linear_model",
    "sklearn.neighbors",
)  # fmt: skip


@dataclass(frozen=True, kw_only=True)
class Mutant:
    """One wrong thing.

    Args:
        says: What is wrong, in a few words.
        file: Where.
        old, new: The piece of text, which occurs there exactly once, and what it becomes.
        tests: Arguments of pytest.
    """

    says: str
    file: str
    old: str
    new: str
    tests: tuple[str, ...]

    def apply(self, root: Path) -> None:
        """Change the copy.

        Raises:
            ValueError: The piece is not there once.
        """
        path = root / self.file
        text = path.read_text()
        if text.count(self.old) != 1:
            raise ValueError(
                f"{self.says}: {self.file} has {self.old!r} {text.count(self.old)} times"
            )
        write(path, text.replace(self.old, self.new))


def write(path: Path, text: str) -> None:
    """With a time of its own: bytecode of a file of the same size and second would be run."""
    path.write_text(text)
    os.utime(path, (next(_CLOCK),) * 2)


def mutants() -> list[Mutant]:
    """All of mutants.toml."""
    raw = tomllib.loads(Path(__file__).with_name("mutants.toml").read_text())
    return [
        Mutant(
            says=one["says"], file=group["file"], old=one["old"], new=one["new"],
            tests=tuple((one.get("tests") or group["tests"]).split()),
        )
        for group in raw["group"] for one in group["mutant"]
    ]  # fmt: skip


def main(
    only: Annotated[str, typer.Option(help="Mutants whose description holds this.")] = "",
    again: Annotated[bool, typer.Option("--again", help="Forget what was killed before.")] = False,
    table: Annotated[bool, typer.Option("--table", help="Also write docs/auditor.md.")] = False,
) -> None:
    """Run every mutant that is not known to be killed; exit code 1 if fewer than 95 % are."""
    console, every = Console(stderr=True), mutants()
    killed = {} if again else _read(every)
    chosen = [m for m in every if only in m.says and not killed.get(m)]
    with tempfile.TemporaryDirectory() as temporary:
        copy = Path(temporary)
        for name in COPIED:
            source = ROOT / name
            (shutil.copytree if source.is_dir() else shutil.copy2)(source, copy / name)
        _check(every, copy)
        if chosen:
            _load_libraries()
        for tests in dict.fromkeys(m.tests for m in chosen):
            if _fails(copy, tests):
                raise SystemExit(f"these tests fail without any mutant: {' '.join(tests)}")
        for mutant in chosen:
            killed[mutant] = _killed(mutant, copy)
            state = "killed" if killed[mutant] else "SURVIVED"
            console.print(f"{state:9} {mutant.says}", highlight=False)
            _write(killed)
    share = sum(killed.values()) / len(every)
    console.print(f"{sum(killed.values())} of {len(every)} killed ({share:.0%})", highlight=False)
    if table:
        from benchmarks.auditor.tables import put  # loads our library: not before the forks

        put(ROOT / "docs" / "auditor.md", "mutants", "\n".join(_lines(every, killed)))
    raise SystemExit(share < 0.95)


def _read(every: list[Mutant]) -> dict[Mutant, bool]:
    """What is known of the mutants as they are."""
    if not RESULTS.exists():
        return {}
    with RESULTS.open(newline="") as stream:
        known = {(row["file"], row["mutant"]): row["result"] for row in csv.DictReader(stream)}
    return {m: known[m.file, m.says] == "killed" for m in every if (m.file, m.says) in known}


def _write(killed: dict[Mutant, bool]) -> None:
    with RESULTS.open("w", newline="") as stream:
        writer = csv.writer(stream, lineterminator="\n")
        writer.writerow(["file", "mutant", "result"])
        for mutant, dead in killed.items():
            writer.writerow([mutant.file, mutant.says, "killed" if dead else "survived"])


def _check(chosen: list[Mutant], copy: Path) -> None:
    for mutant in chosen:
        before = (copy / mutant.file).read_text()
        mutant.apply(copy)
        write(copy / mutant.file, before)


def _killed(mutant: Mutant, copy: Path) -> bool:
    path = copy / mutant.file
    before = path.read_text()
    try:
        mutant.apply(copy)
        return _fails(copy, mutant.tests)
    finally:
        write(path, before)


def _fails(copy: Path, tests: tuple[str, ...]) -> bool:
    """Whether a test fails, in a fork that has loaded the libraries but nothing of ours.

    Raises:
        RuntimeError: They did not run at all.
    """
    log = copy / "log.txt"
    child = multiprocessing.get_context("fork").Process(target=_run, args=(copy, tests, log))
    child.start()
    child.join(LONGEST)
    if child.is_alive():
        child.kill()
        child.join()
        return True
    if child.exitcode not in (0, 1):
        raise RuntimeError(f"pytest ended with {child.exitcode}:\n{log.read_text()[-2000:]}")
    return child.exitcode == 1


def _run(copy: Path, tests: tuple[str, ...], log: Path) -> None:
    with log.open("w") as stream:
        os.dup2(stream.fileno(), 1)
        os.dup2(stream.fileno(), 2)
    os.chdir(copy)
    sys.path[:] = [str(copy), *(p for p in sys.path if p and Path(p).resolve() != ROOT)]
    code = 98  # whatever ends otherwise than by pytest's own count is trouble, no failing test
    try:
        code = int(pytest.main(["-x", "-q", "-p", "no:cacheprovider", *tests]))
    except BaseException:
        traceback.print_exc()
    wrong = [n for n, m in sys.modules.items() if n.startswith("tiprdc.") and not _in(copy, m)]
    sys.stdout.flush()
    os._exit(99 if wrong else code)


def _in(copy: Path, module: ModuleType) -> bool:
    return Path(module.__file__ or copy).is_relative_to(copy)


def _load_libraries() -> None:
    """What every test imports and no mutant changes: seconds saved for each of them."""
    for name in LIBRARIES:
        importlib.import_module(name)


def _lines(every: list[Mutant], killed: dict[Mutant, bool]) -> list[str]:
    count = sum(killed.values())
    said = {True: "killed", False: "**survived**", None: "not tried"}
    rows = [f"| {m.says} | `{m.file}` | {said[killed.get(m)]} |" for m in every]
    head = f"{count} of {len(every)} killed ({count / len(every):.0%})."
    return [head, "", "| what is made wrong | where | |", "|---|---|---|", *rows]


if __name__ == "__main__":
    typer.run(main)
