"""Reads the records of a standalone audit from a manifest, as the foreign model takes them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from tiprdc.audit.audit_request import SECTION, AuditRequest
from tiprdc.datasets import tokenizer
from tiprdc.datasets.manifest import ManifestConfig, ManifestReader
from tiprdc.datasets.reader import Fitted, count_reasons
from tiprdc.datasets.schema import Column, Modality
from tiprdc.datasets.table_files import first_names, read_table
from tiprdc.errors import ConfigError, DataError
from tiprdc.formats.manifest import Contract
from tiprdc.sandbox.model_info import ModelInfo

MAX_UNREADABLE = 0.01
"""Largest share of the records that may be left out because they cannot be read."""
_CHUNK = 512


def reader_config(
    request: AuditRequest, modality: Modality, size: int, contract: Contract | None
) -> ManifestConfig:
    """Settings of the manifest reader.

    Args:
        request: The audit.
        modality: Of the records.
        size: Side of pictures in pixels.
        contract: The release's manifest.json; None where there is none.

    Raises:
        ConfigError: No input column is named and none has a usual name.
        DataError: The manifest cannot be read.
    """
    x = request.x
    if not x and modality == "table" and contract:
        x = tuple(column.name for column in contract.columns)
    if not x and modality != "table":
        x = (_usual_input_column(request, modality),)
    root = request.root or request.data.parent
    return ManifestConfig(
        path=str(request.data), root=str(root), modality=modality, x=x, private=request.private,
        utility=request.utility, person=request.person, split=request.split, size=size,
    )  # fmt: skip


def _usual_input_column(request: AuditRequest, modality: Modality) -> str:
    usual = ("image", "picture", "path", "file") if modality == "image" else ("text", "post")
    names = [str(name) for name in read_table(request.data, f"{SECTION}.path").columns]
    for name in usual:
        if name in names:
            return name
    raise ConfigError(
        "--x", f"no column is named, and none is called {' or '.join(usual)}",
        f"the column of the {modality}s: one of {', '.join(names[:30])}",
    )  # fmt: skip


def fit_reader(
    request: AuditRequest,
    reader: ManifestReader,
    people: pd.DataFrame,
    model: ModelInfo,
    contract: Contract | None,
) -> Fitted:
    """Preparation of the records: from the release's manifest.json where there is one.

    Args:
        request: The audit.
        reader: Of the manifest.
        people: Records of attacker-train.
        model: The first model.
        contract: The release's manifest.json; None where there is none.

    Raises:
        DataError: A column is text, or the number of columns is not the model's.
        ConfigError: A text model has no tokenizer.
    """
    if reader.modality == "image":
        fitted = reader.fit(people)
        decoding = contract.input.decoding if contract else None
        return replace(fitted, background=decoding.background) if decoding else fitted
    if reader.modality == "text":
        return _fit_texts(request, model)
    fitted = reader.fit(people)
    if contract:
        columns = _contract_columns(contract)
        return replace(fitted, columns=columns, shape=(len(columns),))
    for column in fitted.columns:
        if column.categories:
            raise DataError(
                "--x", f"column {column.name!r} contains text", "columns of numbers",
                "write the numbers that the model was trained on, or leave it out with --x",
            )  # fmt: skip
    if model.input_shape not in ((len(fitted.columns),), (None,)):
        names = ", ".join(column.name for column in fitted.columns)
        raise DataError(
            "--x", f"{len(fitted.columns)} columns ({names})",
            f"as many as the model takes: {model.input_shape}", "name them in its order with --x",
        )  # fmt: skip
    return fitted


def _contract_columns(contract: Contract) -> tuple[Column, ...]:
    """Columns of the release; their standard deviations scale the raw record for attacks."""
    return tuple(
        Column(name=c.name, categories=c.categories, mean=c.mean, std=c.std if c.std > 0 else 1.0)
        for c in contract.columns
    )


def _fit_texts(request: AuditRequest, model: ModelInfo) -> Fitted:
    path = request.tokenizer or request.models[0].with_name("tokenizer.json")
    if not path.is_file():
        raise ConfigError(
            "--tokenizer", f"{path} does not exist", "a tokenizer.json",
            "save the tokenizer that the model was trained with (Hugging Face tokenizers)",
        )  # fmt: skip
    (length,) = model.input_shape if len(model.input_shape) == 1 else (None,)
    text = tokenizer.set_length(path.read_text(encoding="utf-8"), length, str(path))
    size = tokenizer.vocabulary_size(text)
    length = len(tokenizer.encode(text, [" "])[0])
    return Fitted(shape=(length,), tokenizer=text, vocabulary_size=size)


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
    if reader.modality == "text":
        # A foreign tokenizer may start every text with token 0, so emptiness is read off the text.
        (name,) = (name for name in records.columns if name.startswith("x:"))
        readable = (records[name].fillna("").str.strip() != "").to_numpy(dtype=bool)
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
