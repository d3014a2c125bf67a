"""Mutation tests of the auditor: each mutant must make a test fail.

    python -m benchmarks.auditor.mutants [--only NAME] [--again] [--table]

Each mutant of mutants.toml introduces one error into one file of a copy of the repository and runs
the tests that should fail. It is killed if one fails. The run ends with an error if a text to
replace is missing, if tests fail without any mutant, or if a mutant cannot be imported, since such
results would be wrong.

Results are stored in mutants.csv. Only mutants not recorded as killed are run, unless `--again` is
given. `--table` writes the results into docs/auditor.md.
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
TIMEOUT = 600
"""Seconds; a mutant that hangs longer counts as killed."""
_CLOCK = itertools.count(1_000_000_000)
LIBRARIES = (
    "jsonschema", "onnxruntime", "pandas", "pyarrow.parquet", "scipy.stats", "torch",
    "torchmetrics", "sklearn.decomposition", "sklearn.ensemble", "sklearn.linear_model",
    "sklearn.neighbors",
)  # fmt: skip


@dataclass(frozen=True, kw_only=True)
class Mutant:
    """One error to introduce.

    Args:
        description: Short description of the error.
        file: File to change.
        old, new: Text that occurs in the file exactly once, and its replacement.
        tests: Arguments of pytest.
    """

    description: str
    file: str
    old: str
    new: str
    tests: tuple[str, ...]

    def apply(self, root: Path) -> None:
        """Change the file in the copy at `root`.

        Raises:
            ValueError: The text does not occur exactly once.
        """
        path = root / self.file
        text = path.read_text()
        if text.count(self.old) != 1:
            raise ValueError(
                f"{self.description}: {self.file} has {self.old!r} {text.count(self.old)} times"
            )
        write(path, text.replace(self.old, self.new))


def write(path: Path, text: str) -> None:
    """Write with a unique time: else Python could run stale bytecode of the same size and time."""
    path.write_text(text)
    os.utime(path, (next(_CLOCK),) * 2)


def mutants() -> list[Mutant]:
    """All mutants of mutants.toml."""
    raw = tomllib.loads(Path(__file__).with_name("mutants.toml").read_text())
    return [
        Mutant(
            description=entry["description"], file=group["file"],
            old=entry["old"], new=entry["new"],
            tests=tuple((entry.get("tests") or group["tests"]).split()),
        )
        for group in raw["group"] for entry in group["mutant"]
    ]  # fmt: skip


def main(
    only: Annotated[
        str, typer.Option(help="Run only mutants whose description contains this.")
    ] = "",
    again: Annotated[
        bool, typer.Option("--again", help="Run all mutants, also those recorded as killed.")
    ] = False,
    table: Annotated[bool, typer.Option("--table", help="Also write docs/auditor.md.")] = False,
) -> None:
    """Run all mutants not recorded as killed; exit code 1 if fewer than 95 % are killed."""
    console, every = Console(stderr=True), mutants()
    killed = {} if again else _read(every)
    chosen = [m for m in every if only in m.description and not killed.get(m)]
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
            console.print(f"{state:9} {mutant.description}", highlight=False)
            _write(killed)
    share = sum(killed.values()) / len(every)
    console.print(f"{sum(killed.values())} of {len(every)} killed ({share:.0%})", highlight=False)
    if table:
        from benchmarks.auditor.tables import (
            put,  # imports the library under test, so not before the forks
        )

        put(ROOT / "docs" / "auditor.md", "mutants", "\n".join(_lines(every, killed)))
    raise SystemExit(share < 0.95)


def _read(every: list[Mutant]) -> dict[Mutant, bool]:
    """Recorded results: whether each mutant was killed."""
    if not RESULTS.exists():
        return {}
    with RESULTS.open(newline="") as stream:
        known = {(row["file"], row["mutant"]): row["result"] for row in csv.DictReader(stream)}
    return {
        m: known[m.file, m.description] == "killed"
        for m in every
        if (m.file, m.description) in known
    }


def _write(killed: dict[Mutant, bool]) -> None:
    with RESULTS.open("w", newline="") as stream:
        writer = csv.writer(stream, lineterminator="\n")
        writer.writerow(["file", "mutant", "result"])
        for mutant, is_killed in killed.items():
            writer.writerow(
                [mutant.file, mutant.description, "killed" if is_killed else "survived"]
            )


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
    """Whether a test fails, in a fork with loaded libraries but no modules of this project.

    Raises:
        RuntimeError: They did not run at all.
    """
    log = copy / "log.txt"
    child = multiprocessing.get_context("fork").Process(target=_run, args=(copy, tests, log))
    child.start()
    child.join(TIMEOUT)
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
    code = 98  # any other end than pytest's own exit code is an error, not a failing test
    try:
        code = int(pytest.main(["-x", "-q", "-p", "no:cacheprovider", *tests]))
    except BaseException:
        traceback.print_exc()
    outside = [n for n, m in sys.modules.items() if n.startswith("tiprdc.") and not _in(copy, m)]
    sys.stdout.flush()
    os._exit(99 if outside else code)


def _in(copy: Path, module: ModuleType) -> bool:
    return Path(module.__file__ or copy).is_relative_to(copy)


def _load_libraries() -> None:
    """Import the libraries of all tests once, which saves seconds for each mutant."""
    for name in LIBRARIES:
        importlib.import_module(name)


def _lines(every: list[Mutant], killed: dict[Mutant, bool]) -> list[str]:
    """What docs/auditor.md states: the count, and every mutant that survived."""
    count = sum(killed.values())
    survivors = [f"- survived: {m.description} (`{m.file}`)" for m in every if not killed.get(m)]
    head = f"{count} of {len(every)} killed; benchmarks/auditor/mutants.csv names each."
    return [head, *survivors]


if __name__ == "__main__":
    typer.run(main)
