"""Compare methods on Ray: a cell is a data set, a method and a seed, and one task of a worker.

What does not depend on the method is made once: the shards of a data set, and for each seed the
unprotected twin, the ceiling and the floor (the *reference*). Every method is fitted on
extractor-train and attacked by the same attacks as its reference. A cell that is in the file
already, with the same settings, data and code, is not run again.
"""

from __future__ import annotations

import csv
import hashlib
import io
import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, TypeVar

import msgspec
import ray

from pipelines import sharding
from pipelines.cluster import ClusterConfig, connect
from pipelines.comparison import cell as one_cell
from pipelines.comparison.cell import Cell, ComparisonConfig, Reference
from pipelines.observability.progress import Progress, console
from pipelines.sharding import PrepareConfig, prepare
from tiprdc.audit.config import AuditConfig
from tiprdc.datasets.schema import Schema, read_schema

T = TypeVar("T")
_LIBRARY = Path(__file__).parents[2] / "tiprdc"
COLUMNS = (
    "dataset", "method", "seed", "attribute", "role", "prior", "floor", "ceiling", "unprotected",
    "value", "low", "high",
    "accuracy", "accuracy_low", "accuracy_high", "attack", "known", "features", "psnr", "ssim",
    "r2", "train_seconds", "milliseconds_a_record", "settings",
)  # fmt: skip
"""Of a row: one attribute of one cell. The first twelve never change their place."""


def absent(config: PrepareConfig) -> str | None:
    """Why a data set cannot be had, a sentence; None if it can."""
    path = getattr(config.section, "path", None)
    if path is None or Path(path).exists():
        return None
    return f"{path} is not there: name your own copy in the data set's section, or leave it out"


def make_shards(config: PrepareConfig, cluster: ClusterConfig, folder: Path) -> Schema:
    """The shards of these settings, prepared if they are not in the folder yet.

    Another file or other code of the readers prepares them again; of pictures only the file that
    lists them is looked at.
    """
    path = Path(getattr(config.section, "path", ""))
    files = [path] if path.is_file() else []
    files += [
        *sorted((_LIBRARY / "datasets").glob("*.py")),
        Path(sharding.__file__),
    ]
    wanted = json.dumps([msgspec.to_builtins(config), _digest(files)], sort_keys=True)
    noted = folder / "prepared.json"
    if not noted.exists() or noted.read_text() != wanted:
        prepare(config, cluster, out=folder)
        noted.write_text(wanted)
    return read_schema(folder)


def refer(
    config: ComparisonConfig, cluster: ClusterConfig, shards: Path, known: Reference | None
) -> Iterator[Reference]:
    """The ceiling, the floor and the unprotected twin of each seed; more seeds each time, all last.

    Args:
        config: Who attacks.
        cluster: Where.
        shards: Folder of the data set's shards.
        known: What is known already; kept if it is of the same settings.
    """
    settings = _settings(config, read_schema(shards))
    levels = dict(known.levels) if known and known.settings == settings else {}
    missing = [seed for seed in config.seeds if seed not in levels]
    here = str(shards.resolve())
    yield Reference(here, dict(levels), settings)
    tasks = {seed: (config, here, seed) for seed in missing}
    for seed, found in spread(one_cell.refer, tasks, cluster, "reference"):
        levels[seed] = found
        yield Reference(here, dict(levels), settings)


def run_cells(
    wanted: Sequence[Cell],
    configs: Mapping[str, ComparisonConfig],
    cluster: ClusterConfig,
    references: Mapping[str, Reference],
    out: Callable[[Cell], Path],
) -> None:
    """Run what is not in the files yet, cells side by side, and add their rows as they end.

    Args:
        wanted: Cells in any order.
        configs: Data set -> who attacks, and the methods' knobs.
        cluster: Where.
        references: Data set -> what `refer` found.
        out: A cell's CSV; several cells may share it.
    """
    for path, settings in {out(cell): references[cell.dataset].settings for cell in wanted}.items():
        _keep(path, settings)
    waiting = [cell for cell in wanted if cell not in finished(out(cell))]
    tasks = {cell: (cell, configs[cell.dataset], references[cell.dataset]) for cell in waiting}
    for cell, found in spread(one_cell.run, tasks, cluster, "comparison"):
        if isinstance(found, str):
            console.print(f"{cell.dataset}, {cell.method}: left out: {found}", markup=False)
        else:
            _add(out(cell), found)


def spread(
    function: Callable[..., T], tasks: Mapping[Any, tuple[Any, ...]], cluster: ClusterConfig,
    label: str,
) -> Iterator[tuple[Any, T]]:  # fmt: skip
    """Call a function once for each task on Ray, one core each; results as they come.

    Raises:
        ClusterError: A worker was lost.
        TiprdcError: A worker raised it.
    """
    if not tasks:
        return
    remote: Any = ray.remote(num_cpus=1, max_retries=1)(function)
    with connect(cluster), Progress("cell") as progress:
        progress.add(label, len(tasks))
        names = {remote.remote(*arguments): key for key, arguments in tasks.items()}
        waiting = list(names)
        while waiting:
            done, waiting = ray.wait(waiting)
            yield names[done[0]], ray.get(done[0])
            progress.update(label, len(tasks) - len(waiting))


def clear(path: Path) -> None:
    """A file with its header alone: a cell that could not be run."""
    _keep(path, "")


def finished(path: Path) -> set[Cell]:
    """The cells of which a file has rows."""
    return {Cell(row["dataset"], row["method"], int(row["seed"])) for row in _rows(path)}


def _settings(config: ComparisonConfig, schema: Schema) -> str:
    """Digest of settings, data and code; the seeds decide which cells there are, not what they are.

    The code is what makes features or figures, not what reads data, shows or judges.
    """
    files = [Path(one_cell.__file__)]
    for folder in ("attacks", "baselines", "models", "objectives", "statistics", "training"):
        files += sorted((_LIBRARY / folder).glob("*.py"))
    asked = {
        **msgspec.to_builtins(config),
        "seeds": None,
        "data": schema.digest,
        "code": _digest(files),
    }
    asked["raw"] = AuditConfig().raw_attacks(schema.modality)
    # The same shards with another attribute to hide are another comparison.
    asked["attributes"] = [schema.private, schema.utility]
    return hashlib.sha256(json.dumps(asked, sort_keys=True).encode()).hexdigest()[:12]


def _digest(files: Sequence[Path]) -> str:
    return hashlib.sha256(b"".join(file.read_bytes() for file in files)).hexdigest()


def _rows(path: Path) -> list[dict[str, str]]:
    if not path.exists():
        return []
    with path.open(newline="") as stream:
        return list(csv.DictReader(stream))


def _keep(path: Path, settings: str) -> None:
    """Only the rows of these settings, in a file that has at least its header."""
    kept = [row for row in _rows(path) if row["settings"] == settings]
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(_text(kept, header=True))


def _add(path: Path, rows: list[dict[str, Any]]) -> None:
    """All rows of a cell in one write, so that a killed run leaves no half of one."""
    shown = [{k: f"{v:.4f}" if isinstance(v, float) else v for k, v in r.items()} for r in rows]
    with path.open("a", newline="") as stream:
        stream.write(_text(shown, header=False))


def _text(rows: Sequence[Mapping[str, Any]], *, header: bool) -> str:
    stream = io.StringIO()
    writer = csv.DictWriter(stream, COLUMNS, lineterminator="\n", restval="")
    if header:
        writer.writeheader()
    writer.writerows(rows)
    return stream.getvalue()
