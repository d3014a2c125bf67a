"""Loads a standalone audit's input: foreign ONNX files and a manifest become `Evidence`."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import cast, get_args

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from tiprdc.audit.evidence import Evidence, digest_of
from tiprdc.audit.foreign.model import Adapter, ForeignModel, infer_modality
from tiprdc.audit.foreign.recordings import recording_adapter, with_format
from tiprdc.audit.foreign.records import UNUSED_SIZE, read_records, reader_config
from tiprdc.audit.foreign.request import AuditRequest, option_names_in_errors
from tiprdc.audit.foreign.tables import fit_columns, table_adapter
from tiprdc.audit.foreign.texts import fit_texts
from tiprdc.audit.own_model import Model
from tiprdc.audit.splits import SHARES, check_class_sizes, split_people
from tiprdc.datasets.manifest.reader import ManifestReader
from tiprdc.datasets.reader import Fitted, Index
from tiprdc.datasets.schema import SPLITS, Modality, Records, Schema
from tiprdc.encoders.output import choose_output
from tiprdc.encoders.pictures import picture_adapter
from tiprdc.encoders.texts import Padding, text_adapter
from tiprdc.errors import ModelError
from tiprdc.formats.manifest import MODEL, Contract, read_contract
from tiprdc.sandbox import runner
from tiprdc.sandbox.model_info import ModelInfo


def load_evidence(
    request: AuditRequest, progress: Callable[[float], None] = lambda share: None
) -> tuple[Evidence, ...]:
    """Validate the models, read the manifest and split the people.

    Args:
        request: Models and data.
        progress: Called with the share of the records that is read, in [0, 1].

    Returns:
        One evidence for each model, with the same people and records.

    Raises:
        ModelError: A file is refused, or the models take different records.
        DataError, ConfigError: The manifest does not match the request.
    """
    models = {path: runner.validate(path) for path in request.models}
    first = models[request.models[0]]
    contract = _adjacent_contract(request.models[0], first)
    modality = _modality(request, first, contract)
    runs = {path: choose_output(model, request, modality) for path, model in models.items()}
    pictures, size = _pictures(request, models) if modality == "image" else ({}, UNUSED_SIZE)
    if modality == "audio":
        request = _of_recordings(request, models, contract)
    with option_names_in_errors():
        config = reader_config(request, modality, size, first, contract)
        reader = ManifestReader(config, numbers_only=True)
        index = reader.index()
        named = index.records["split"].tolist() if request.split else None
        split = split_people(index.records["person"].tolist(), request.seed, named)
        for attribute in index.attributes:
            check_class_sizes(index.records, split, attribute)
        train = index.records[split == "attacker-train"]
        fitted = _fit(request, reader, index, train, first, contract)
        x, readable = read_records(reader, index.records, fitted, progress)
    adapters: dict[Path, Adapter] = {
        path: pictures.get(path) or _adapter(model, fitted, modality)
        for path, model in models.items()
    }
    if modality == "table":
        # Every record, so that a number that is too large is found before any attack.
        for adapter in adapters.values():
            adapter(x)
    foreign = [ForeignModel(p, models[p], adapters[p], runs[p]) for p in request.models]
    return tuple(
        _evidence(
            *_split_records(request, reader.modality, index, fitted, split, x, readable, model),
            model,
            contract.told if contract else (),
        )
        for model in foreign
    )


def _evidence(
    schema: Schema, parts: Mapping[str, Records], model: Model, told: tuple[str, ...]
) -> Evidence:
    train, select, test = (parts[name] for name in SHARES)
    members = parts.get("extractor-train")
    models = {"released": model}
    return Evidence(schema, train, select, test, models, members, told=told)


def _adjacent_contract(path: Path, model: ModelInfo) -> Contract | None:
    """The release's manifest.json next to the file; None where there is none."""
    manifest = path.with_name("manifest.json")
    if not manifest.is_file():
        return None
    contract = read_contract(manifest)
    if contract.model_sha256 != model.sha256:
        raise ModelError(
            str(manifest), f"is about {MODEL} with sha256 {contract.model_sha256[:12]}",
            f"the manifest of {path.name}, {model.sha256[:12]}", "move one of the two away",
        )  # fmt: skip
    return contract


def _modality(request: AuditRequest, model: ModelInfo, contract: Contract | None) -> Modality:
    if request.modality != "auto":
        return request.modality
    if contract and contract.modality in get_args(Modality):
        return cast(Modality, contract.modality)
    return infer_modality(model)


def _pictures(
    request: AuditRequest, models: Mapping[Path, ModelInfo]
) -> tuple[dict[Path, Adapter], int]:
    """The adapter of each model for pictures, and their side in pixels."""
    pairs = {path: picture_adapter(model, request) for path, model in models.items()}
    sizes = {size for _, size in pairs.values()}
    if len(sizes) > 1:
        raise ModelError(
            "MODEL", f"models for pictures of {' and '.join(map(str, sorted(sizes)))} pixels",
            "models that take the same records",
        )  # fmt: skip
    return {path: adapter for path, (adapter, _) in pairs.items()}, sizes.pop()


def _fit(
    request: AuditRequest,
    reader: ManifestReader,
    index: Index,
    train: pd.DataFrame,
    model: ModelInfo,
    contract: Contract | None,
) -> Fitted:
    """Preparation of the records: from the release's manifest.json where there is one."""
    if reader.modality == "table":
        return fit_columns(reader, index.records, train, model, contract)
    if reader.modality == "text":
        return fit_texts(request, model)
    if reader.modality == "audio":
        fitted = reader.fit(train)
        note = f"Recordings: {fitted.rate:,} samples a second, the first {fitted.shape[0]:,}."
        return replace(fitted, notes=(*fitted.notes, note))
    fitted, decoding = reader.fit(train), contract.input.decoding if contract else None
    background = decoding.background if decoding else fitted.background
    return replace(
        fitted, background=background,
        notes=(*fitted.notes, f"Transparent pixels were shown on {background}."),
    )  # fmt: skip


def _adapter(model: ModelInfo, fitted: Fitted, modality: Modality) -> Adapter:
    if modality == "text":
        return text_adapter(model, Padding(fitted.padding, fitted.pads_left))
    if modality == "audio":
        return recording_adapter(model)
    return table_adapter(model, fitted)


def _of_recordings(
    request: AuditRequest, models: Mapping[Path, ModelInfo], contract: Contract | None
) -> AuditRequest:
    """The request with a rate and a duration, after a check that every model takes samples."""
    for model in models.values():
        recording_adapter(model)
    return with_format(request, models[request.models[0]], contract)


def _split_records(
    request: AuditRequest,
    modality: Modality,
    index: Index,
    fitted: Fitted,
    split: NDArray[np.str_],
    x: NDArray[np.generic],
    readable: NDArray[np.bool_],
    model: ForeignModel,
) -> tuple[Schema, dict[str, Records]]:
    """The schema, and the readable records by split."""
    records = Records(
        x=x,
        labels={a.name: index.records[a.name].to_numpy(np.int64) for a in index.attributes},
        person=index.records["person"].to_numpy(dtype=np.str_),
    )
    rows_of = {name: np.flatnonzero((split == name) & readable) for name in SPLITS}
    parts: dict[str, Records] = {n: records.take(rows) for n, rows in rows_of.items() if len(rows)}
    digests = "\n".join(f"{name} {digest_of(part)}" for name, part in sorted(parts.items()))
    unreadable = int((~readable).sum())
    schema = Schema(
        dataset=request.data.name,
        modality=modality,
        shape=fitted.shape,
        attributes=index.attributes,
        private=request.private,
        utility=tuple(name for name in request.utility if name not in request.private),
        columns=fitted.columns,
        vocabulary_size=fitted.vocabulary_size,
        rate=fitted.rate,
        people={name: len(np.unique(part.person)) for name, part in parts.items()},
        records={name: len(part) for name, part in parts.items()},
        unreadable=unreadable,
        notes=(*index.notes, *fitted.notes, *_notes(request, parts, unreadable), *model.notes()),
        digest=hashlib.sha256(digests.encode()).hexdigest(),
    )
    return schema, parts


def _notes(request: AuditRequest, parts: Mapping[str, Records], unreadable: int) -> Iterator[str]:
    if "extractor-train" in parts:
        yield f"Column {request.split!r} names the people that the model was trained on."
    else:
        yield (
            "The people that the model was trained on are not known. Some of them may be among"
            " those attacked here, whose features may differ from those of fresh people."
        )
    yield (
        "There is no unprotected extractor to compare with: the raw record is the positive control,"
        " and the effect of the protection is not known."
    )
    if unreadable:
        yield f"{unreadable:,} records could not be used and were left out."
