"""Compare methods on Ray: one task for each cell (a data set, a method and a seed).

The shards of a data set are prepared once. The reference (the unprotected extractor, the ceiling
and the floor) is measured once. Every method is fitted on extractor-train and attacked by
the same attacks as its reference. A cell that is in the file already, with the same settings, data
and code, does not run again.
"""

from __future__ import annotations

import csv
import hashlib
import io
import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, TypeVar

import msgspec

from pipelines.cluster.connect import ClusterConfig, connect
from pipelines.cluster.tasks import run_tasks
from pipelines.comparison import cell as one_cell
from pipelines.comparison.cell import Cell, ComparisonConfig, Reference
from pipelines.observability.progress import console, progress
from pipelines.preparation.sharding import prepare
from tiprdc.audit.config import AuditConfig
from tiprdc.datasets.prepare_config import PrepareConfig
from tiprdc.datasets.schema import Schema, read_schema
from tiprdc.formats.atomic import atomic_file
from tiprdc.training.code import code_digest

T = TypeVar("T")
_LIBRARY = Path(__file__).parents[2] / "tiprdc"
COLUMNS = (
    "dataset", "method", "seed", "attribute", "role", "prior", "floor", "ceiling", "unprotected",
    "value", "low", "high",
    "accuracy", "accuracy_low", "accuracy_high", "attack", "known", "features", "psnr", "ssim",
    "r2", "train_seconds", "milliseconds_a_record", "settings",
)  # fmt: skip
"""Of a row, which is one attribute of one cell. The first twelve never change their order."""


def absent(config: PrepareConfig) -> str | None:
    """One sentence on why a data set is not available; None if it is."""
    path = getattr(config.section, "path", getattr(config.section, "root", None))
    if path is None or Path(path).exists():
        return None
    return f"{path} does not exist: set the path of your copy in the data set's section, or omit it"


def make_shards(config: PrepareConfig, cluster: ClusterConfig, folder: Path) -> Schema:
    """Prepare the shards of these settings, unless the folder has them.

    A change of the source file or of the readers' code prepares them again. Of pictures only the
    file that lists them is compared.
    """
    path = Path(getattr(config.section, "path", ""))
    files = [path] if path.is_file() else []
    files += sorted((_LIBRARY / "datasets").rglob("*.py"))
    inputs = json.dumps([msgspec.to_builtins(config), _digest(files)], sort_keys=True)
    stamp = folder / "prepared.json"
    if not stamp.exists() or stamp.read_text() != inputs:
        prepare(config, cluster, out=folder)
        stamp.write_text(inputs)
    return read_schema(folder)


def refer(
    config: ComparisonConfig, cluster: ClusterConfig, shards: Path, known: Reference | None
) -> Reference:
    """Measure the reference: ceiling, floor, unprotected extractor.

    Args:
        config: Attacks and methods.
        cluster: Where this runs.
        shards: Folder of the data set's shards.
        known: An earlier reference; reused if its settings are the same.
    """
    settings, folder = _settings(config, read_schema(shards)), str(shards.resolve())
    if known and known.settings == settings:
        return replace(known, shards=folder)
    tasks = {"reference": (config, folder)}
    ((_, levels),) = run_on_ray(one_cell.refer, tasks, cluster, "reference")
    return Reference(folder, levels, settings)


def run_cells(
    cells: Sequence[Cell],
    configs: Mapping[str, ComparisonConfig],
    cluster: ClusterConfig,
    references: Mapping[str, Reference],
    out: Callable[[Cell], Path],
) -> None:
    """Run the cells that are not in their files, in parallel, and add their rows as they end.

    Args:
        cells: Cells in any order.
        configs: Data set -> attacks, and settings of the methods.
        cluster: Where this runs.
        references: Data set -> result of `refer`.
        out: Path of a cell's CSV; several cells may share it.
    """
    for path, settings in {out(cell): references[cell.dataset].settings for cell in cells}.items():
        _drop_other_settings(path, settings)
    waiting = [cell for cell in cells if cell not in finished(out(cell))]
    tasks = {cell: (cell, configs[cell.dataset], references[cell.dataset]) for cell in waiting}
    for cell, result in run_on_ray(one_cell.run, tasks, cluster, "comparison"):
        if isinstance(result, str):
            console.print(f"{cell.dataset}, {cell.method}: left out: {result}", markup=False)
        else:
            _append(out(cell), result)


def run_on_ray(
    function: Callable[..., T], tasks: Mapping[Any, tuple[Any, ...]], cluster: ClusterConfig,
    label: str,
) -> Iterator[tuple[Any, T]]:  # fmt: skip
    """Call a function once for each task on Ray, with progress; nothing starts without tasks.

    Raises:
        ClusterError: A worker was lost.
        TiprdcError: A worker raised it.
    """
    if not tasks:
        return
    with connect(cluster):
        results = run_tasks(function, tasks)
        yield from progress(results, total=len(tasks), label=label, unit="cell")


def clear(path: Path) -> None:
    """Write a file with its header alone: its cell could not run."""
    _drop_other_settings(path, "")


def finished(path: Path) -> set[Cell]:
    """The cells that have rows in a file."""
    return {Cell(row["dataset"], row["method"], int(row["seed"])) for row in _rows(path)}


def _settings(config: ComparisonConfig, schema: Schema) -> str:
    """Digest of settings, data and code, without further seeds: they select cells, not results.

    The code is what makes features or figures, not what reads, shows or evaluates them.
    """
    inputs = {
        **msgspec.to_builtins(config),
        "seeds": config.seeds[0],
        "data": schema.digest,
        "code": code_digest("pipelines/comparison/cell.py", "tiprdc/baselines"),
    }
    inputs["raw"] = AuditConfig().raw_attacks(schema.modality, schema.records["attacker-train"])
    # The same shards with another attribute to hide are another comparison.
    inputs["attributes"] = [schema.private, schema.utility]
    return hashlib.sha256(json.dumps(inputs, sort_keys=True).encode()).hexdigest()[:12]


def _digest(files: Sequence[Path]) -> str:
    return hashlib.sha256(b"".join(file.read_bytes() for file in files)).hexdigest()


def _rows(path: Path) -> list[dict[str, str]]:
    if not path.exists():
        return []
    with path.open(newline="") as stream:
        return list(csv.DictReader(stream))


def _drop_other_settings(path: Path, settings: str) -> None:
    """Rewrite the file with its header and the rows of these settings alone."""
    rows = [row for row in _rows(path) if row["settings"] == settings]
    path.parent.mkdir(parents=True, exist_ok=True)
    with atomic_file(path) as stream:
        stream.write(_text(rows, header=True).encode())


def _append(path: Path, rows: list[dict[str, Any]]) -> None:
    """Append all rows of a cell in one write, so that a kill leaves no half of one."""
    cells = [{k: f"{v:.4f}" if isinstance(v, float) else v for k, v in r.items()} for r in rows]
    with path.open("a", newline="") as stream:
        stream.write(_text(cells, header=False))


def _text(rows: Sequence[Mapping[str, Any]], *, header: bool) -> str:
    stream = io.StringIO()
    writer = csv.DictWriter(stream, COLUMNS, lineterminator="\n", restval="")
    if header:
        writer.writeheader()
    writer.writerows(rows)
    return stream.getvalue()
