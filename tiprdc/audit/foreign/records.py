"""Reads the records of a standalone audit from a manifest, as the foreign model takes them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict
from typing import Any, Literal, cast

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from tiprdc.audit.foreign.request import SECTION, AuditRequest
from tiprdc.audit.foreign.tables import input_columns, text_columns
from tiprdc.datasets.manifest.config import ManifestConfig
from tiprdc.datasets.manifest.reader import ManifestReader
from tiprdc.datasets.reader import Fitted, count_reasons
from tiprdc.datasets.schema import Modality
from tiprdc.datasets.tables.files import Source, first_names, read_source
from tiprdc.datasets.tables.names import ADD_HEADER, list_names, looks_like_record
from tiprdc.datasets.tables.vector_names import collapse_vectors
from tiprdc.errors import ConfigError, DataError
from tiprdc.formats.manifest import Contract
from tiprdc.sandbox.model_info import ModelInfo

MAX_UNREADABLE = 0.01
"""Largest share of the records that may be left out because they cannot be read."""
UNUSED_SIZE = 32
"""Side of pictures in the reader's settings where records are no pictures."""
_CHUNK = 512
_NOUNS = {"image": "images", "text": "texts", "audio": "recordings"}
_USUAL: dict[str, tuple[str, ...]] = {
    "image": ("image", "picture", "path", "file"), "text": ("text", "post"),
    "audio": ("audio", "recording", "path", "file"),
}  # fmt: skip
"""Names by which the column of the records is known."""


def reader_config(
    request: AuditRequest,
    modality: Modality,
    size: int,
    model: ModelInfo,
    contract: Contract | None,
) -> ManifestConfig:
    """Settings of the manifest reader.

    Args:
        request: The audit.
        modality: Of the records.
        size: Side of pictures in pixels.
        model: The first model.
        contract: The release's manifest.json; None where there is none.

    Raises:
        ConfigError: No input column is named and none has a usual name.
        DataError: The manifest cannot be read.
    """
    x = request.x
    if not x and modality == "table" and contract:
        names = [column.name for column in contract.columns]
        x = collapse_vectors(names, set(read_manifest(request).table.columns))
    elif modality == "table":
        x = tuple(input_columns(model, x, map(str, read_manifest(request).table.columns)))
    if not x and modality != "table":
        x = (_usual_input_column(request, modality),)
    columns = contract.columns if contract else ()
    categories = {column.name for column in columns if column.categories}
    texts = set() if contract else text_columns(model, x)
    return manifest_settings(
        request, modality=modality, x=x, size=size,
        background=cast(Literal["white", "grey", "black"], request.background),
        categorical=tuple(name for name in x if name in categories | texts),
    )  # fmt: skip


def manifest_settings(request: AuditRequest, **more: Any) -> ManifestConfig:
    """Settings of the manifest reader that a request states, and others."""
    recordings = {"rate": request.rate, "duration": request.duration}
    more |= {name: value for name, value in recordings.items() if value is not None}
    return ManifestConfig(
        path=str(request.data), root=str(request.root or request.data.parent),
        private=request.private, utility=request.utility, person=request.person,
        split=request.split, **asdict(request.dialect), **more,
    )  # fmt: skip


def _usual_input_column(request: AuditRequest, modality: Modality) -> str:
    usual = _USUAL[modality]
    source = read_manifest(request)
    columns = {str(name): source.table[name] for name in source.table.columns}
    for name in usual:
        if name in columns:
            return name
    shown = not source.has_header or not looks_like_record(columns.items())
    raise ConfigError(
        "--x", f"no column is named, and none is called {' or '.join(usual)}",
        f"the column of the {_NOUNS[modality]}"
        + (f": one of {list_names(columns)}" if shown else ""),
        "" if shown else f"the file seems to have no header: {ADD_HEADER}",
    )  # fmt: skip


def read_manifest(request: AuditRequest) -> Source:
    """The table of a request.

    Raises:
        ConfigError, DataError: It cannot be read as the request states.
    """
    key = f"{SECTION}."
    return read_source(request.data, f"{key}path", request.dialect, key)


def read_records(
    reader: ManifestReader,
    records: pd.DataFrame,
    fitted: Fitted,
    progress: Callable[[float], None],
) -> tuple[NDArray[np.generic], NDArray[np.bool_]]:
    """Records `[N, ...]`, and whether each could be read `[N]`.

    Args:
        reader: Of the manifest.
        records: Rows of its index.
        fitted: From `fit_reader`.
        progress: Called with the share of records that is read, in [0, 1].

    Raises:
        DataError: More records than `MAX_UNREADABLE` cannot be read.
    """
    batches = []
    for start in range(0, len(records), _CHUNK):
        progress(start / len(records))
        batches.append(reader.read(records.iloc[start : start + _CHUNK], fitted))
    progress(1.0)
    x = np.concatenate([batch.x for batch in batches])
    readable = np.concatenate([batch.readable for batch in batches])
    unreadable = records["record"][~readable].tolist()
    if len(unreadable) > MAX_UNREADABLE * len(records):
        reasons = count_reasons(
            batch.reasons.get(row, "empty")
            for batch in batches
            for row in np.flatnonzero(~batch.readable).tolist()
        )
        raise DataError(
            f"{SECTION}.x",
            f"{len(unreadable):,} of {len(records):,} records cannot be used ({reasons}):"
            f" {first_names(unreadable)}",
            f"at most {MAX_UNREADABLE:.0%}", "fix or delete them",
        )  # fmt: skip
    return x, readable
