"""A manifest and an ONNX file, anybody's, as evidence: read, divided and held in memory."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal, cast, get_args

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from tiprdc.audit.evidence import Evidence, digest_of
from tiprdc.audit.foreign_model import ForeignModel, InputAdapter, modality_of, picture_feed
from tiprdc.audit.own_model import Model
from tiprdc.audit.splits import SHARES, divide, refuse_few
from tiprdc.datasets import tokenizer
from tiprdc.datasets.manifest import ManifestConfig, ManifestReader
from tiprdc.datasets.reader import Fitted, Index
from tiprdc.datasets.schema import SPLITS, Column, Modality, Records, Schema
from tiprdc.errors import ConfigError, DataError, ModelError, TiprdcError
from tiprdc.formats.manifest import MODEL, Contract, read_contract
from tiprdc.sandbox import runner
from tiprdc.sandbox.model_info import ModelFacts

MOST_UNREADABLE = 0.01
"""Share of the records that may be left out because they cannot be read."""
_CHUNK = 512
_SECTION = "prepare.manifest"


@dataclass(frozen=True, kw_only=True)
class AuditRequest:
    """What `tiprdc audit` is asked, as far as data and files go.

    Args:
        models: One ONNX file, or several to compare on the same people.
        data: CSV, TSV or Parquet manifest.
        root: Folder of the pictures; None: the manifest's.
        private, utility: Columns.
        x: Input columns; empty: those of the release's manifest.json, else all that are left, or
            for pictures and texts the one that looks like it.
        person, split: Columns, or None.
        modality: auto: by what the model takes.
        pixels, size: How pictures are given to the model.
        tokenizer: For text, a tokenizer.json; None: the one beside the model.
        seed: Who is in which split.
    """

    models: tuple[Path, ...]
    data: Path
    root: Path | None = None
    private: tuple[str, ...]
    utility: tuple[str, ...] = ()
    x: tuple[str, ...] = ()
    person: str | None = None
    split: str | None = None
    modality: Literal["auto", "image", "table", "text"] = "auto"
    pixels: str | None = None
    size: int | None = None
    tokenizer: Path | None = None
    seed: int = 0


def load_evidence(
    request: AuditRequest, watch: Callable[[float], None] = lambda share: None
) -> tuple[Evidence, ...]:
    """Inspect the files, read the manifest, divide the people.

    Args:
        request: What is asked.
        watch: Told which share of the records is read.

    Returns:
        One for each file: the same people, the same records.

    Raises:
        ModelError: A file is refused, or the models take different records.
        DataError, ConfigError: The manifest does not fit what is asked of it.
    """
    facts = {path: runner.validate(path) for path in request.models}
    contract = _contract(request.models[0], facts[request.models[0]])
    modality = _modality(request, facts[request.models[0]], contract)
    feeds, size = _feeds(request, facts, modality)
    with _in_words():
        config = _config(request, modality, size, contract)
        reader = ManifestReader(config)
        index = reader.index()
        named = index.records["split"].tolist() if request.split else None
        split = divide(index.records["person"].tolist(), request.seed, named)
        for attribute in index.attributes:
            refuse_few(index.records, split, attribute)
        fitted = _fit(request, reader, index.records[split == "attacker-train"], facts, contract)
        x, readable = _read(reader, index.records, fitted, watch)
    schema, parts = _sealed(request, reader.modality, index, fitted, split, x, readable)
    models = [ForeignModel(path, facts[path], feeds[path]) for path in request.models]
    return tuple(_evidence(schema, parts, model) for model in models)


def _evidence(schema: Schema, parts: Mapping[str, Records], model: Model) -> Evidence:
    train, select, test = (parts[name] for name in SHARES)
    trained = parts.get("extractor-train")
    return Evidence(schema, train, select, test, {"released": model}, trained)


def _contract(path: Path, facts: ModelFacts) -> Contract | None:
    """What a manifest.json beside the file says of exactly these bytes, if there is one."""
    beside = path.with_name("manifest.json")
    if not beside.is_file():
        return None
    contract = read_contract(beside)
    if contract.model_sha256 != facts.sha256:
        raise ModelError(
            str(beside), f"is about {MODEL} with sha256 {contract.model_sha256[:12]}",
            f"the manifest of {path.name}, {facts.sha256[:12]}", "move one of the two away",
        )  # fmt: skip
    return contract


def _modality(request: AuditRequest, facts: ModelFacts, contract: Contract | None) -> Modality:
    if request.modality != "auto":
        return request.modality
    if contract and contract.modality in get_args(Modality):
        return cast(Modality, contract.modality)
    return modality_of(facts)


def _feeds(
    request: AuditRequest, facts: Mapping[Path, ModelFacts], modality: Modality
) -> tuple[dict[Path, InputAdapter], int]:
    """How each model takes a record, and the size of pictures."""
    if modality != "image":
        return {path: InputAdapter(dtype=found.input_dtype) for path, found in facts.items()}, 32
    found = {
        path: picture_feed(known, request.pixels, request.size) for path, known in facts.items()
    }
    sizes = {size for _, size in found.values()}
    if len(sizes) > 1:
        raise ModelError(
            "MODEL", f"models for pictures of {' and '.join(map(str, sorted(sizes)))} pixels",
            "models that take the same records",
        )  # fmt: skip
    return {path: feed for path, (feed, _) in found.items()}, sizes.pop()


def _config(
    request: AuditRequest, modality: Modality, size: int, contract: Contract | None
) -> ManifestConfig:
    x = request.x
    if not x and modality == "table" and contract:
        x = tuple(column.name for column in contract.columns)
    if not x and modality != "table":
        x = (_input_column(request, modality),)
    root = request.root or request.data.parent
    return ManifestConfig(
        path=str(request.data), root=str(root), modality=modality, x=x, private=request.private,
        utility=request.utility, person=request.person, split=request.split, size=size,
    )  # fmt: skip


def _input_column(request: AuditRequest, modality: Modality) -> str:
    """The usual name of the column, where the user names none."""
    usual = ("image", "picture", "path", "file") if modality == "image" else ("text", "post")
    from tiprdc.datasets.table_files import read_table

    names = [str(name) for name in read_table(request.data, f"{_SECTION}.path").columns]
    for name in usual:
        if name in names:
            return name
    raise ConfigError(
        "--x", "not said", f"the column of the {modality}s: one of {', '.join(names[:30])}"
    )


def _fit(
    request: AuditRequest,
    reader: ManifestReader,
    people: pd.DataFrame,
    facts: Mapping[Path, ModelFacts],
    contract: Contract | None,
) -> Fitted:
    """What reading needs: from the release's own manifest where there is one."""
    first = facts[request.models[0]]
    if reader.modality == "image":
        return reader.fit(people)
    if reader.modality == "text":
        return _texts(request, first)
    fitted = reader.fit(people)
    if contract:
        columns = _columns(contract)
        return replace(fitted, columns=columns, shape=(len(columns),))
    for column in fitted.columns:
        if column.categories:
            raise DataError(
                "--x", f"column {column.name!r} holds text", "columns of numbers",
                "write the numbers that the model was trained on, or leave it out with --x",
            )  # fmt: skip
    if first.input_shape not in ((len(fitted.columns),), (None,)):
        names = ", ".join(column.name for column in fitted.columns)
        raise DataError(
            "--x", f"{len(fitted.columns)} columns ({names})",
            f"as many as the model takes: {first.input_shape}", "name them in its order with --x",
        )  # fmt: skip
    return fitted


def _columns(contract: Contract) -> tuple[Column, ...]:
    """Columns as the manifest has them; the spread of numbers scales them for attacks."""
    return tuple(
        Column(
            name=c.name,
            categories=c.categories,
            mean=c.mean,
            std=c.std if c.std > 0 else 1.0,
        )
        for c in contract.columns
    )


def _texts(request: AuditRequest, facts: ModelFacts) -> Fitted:
    path = request.tokenizer or request.models[0].with_name("tokenizer.json")
    if not path.is_file():
        raise ConfigError(
            "--tokenizer", f"{path} does not exist", "a tokenizer.json",
            "save the tokenizer that the model was trained with (Hugging Face tokenizers)",
        )  # fmt: skip
    (length,) = facts.input_shape if len(facts.input_shape) == 1 else (None,)
    text = tokenizer.set_length(path.read_text(encoding="utf-8"), length, str(path))
    size = tokenizer.vocabulary_size(text)
    length = len(tokenizer.encode(text, [" "])[0])
    return Fitted(shape=(length,), tokenizer=text, vocabulary_size=size)


def _read(
    reader: ManifestReader,
    records: pd.DataFrame,
    fitted: Fitted,
    watch: Callable[[float], None],
) -> tuple[NDArray[np.generic], NDArray[np.bool_]]:
    batches = []
    for start in range(0, len(records), _CHUNK):
        watch(start / len(records))
        batches.append(reader.read(records.iloc[start : start + _CHUNK], fitted))
    watch(1.0)
    x = np.concatenate([batch.x for batch in batches])
    readable = np.concatenate([batch.readable for batch in batches])
    if reader.modality == "text":
        # A tokenizer that is not ours may begin every text with token 0.
        (name,) = (name for name in records.columns if name.startswith("x:"))
        readable = (records[name].fillna("").str.strip() != "").to_numpy(dtype=bool)
    lost = records["record"][~readable].tolist()
    if len(lost) > MOST_UNREADABLE * len(records):
        raise DataError(
            f"{_SECTION}.x", f"{len(lost):,} of {len(records):,} records cannot be read:"
            f" {', '.join(lost[:5])}", f"at most {MOST_UNREADABLE:.0%}", "fix or delete them",
        )  # fmt: skip
    return x, readable


def _sealed(
    request: AuditRequest,
    modality: Modality,
    index: Index,
    fitted: Fitted,
    split: NDArray[np.str_],
    x: NDArray[np.generic],
    readable: NDArray[np.bool_],
) -> tuple[Schema, dict[str, Records]]:
    """The records by split, and what is in them."""
    everything = Records(
        x=x,
        labels={a.name: index.records[a.name].to_numpy(np.int64) for a in index.attributes},
        person=index.records["person"].to_numpy(dtype=np.str_),
    )
    rows = {name: np.flatnonzero((split == name) & readable) for name in SPLITS}
    parts: dict[str, Records] = {name: everything.take(of) for name, of in rows.items() if len(of)}
    digests = "\n".join(f"{name} {digest_of(part)}" for name, part in sorted(parts.items()))
    schema = Schema(
        dataset=request.data.name,
        modality=modality,
        shape=fitted.shape,
        attributes=index.attributes,
        private=request.private,
        utility=tuple(name for name in request.utility if name not in request.private),
        columns=fitted.columns,
        vocabulary_size=fitted.vocabulary_size,
        people={name: len(np.unique(part.person)) for name, part in parts.items()},
        records={name: len(part) for name, part in parts.items()},
        unreadable=int((~readable).sum()),
        notes=(*index.notes, *fitted.notes, *_notes(request, parts, int((~readable).sum()))),
        digest=hashlib.sha256(digests.encode()).hexdigest(),
    )
    return schema, parts


def _notes(request: AuditRequest, parts: Mapping[str, Records], unreadable: int) -> Iterator[str]:
    if "extractor-train" in parts:
        yield f"Column {request.split!r} names the people that the model was trained on."
    else:
        yield (
            "The people that the model was trained on are not known. Some of them may be among"
            " those attacked here, whose features may be unlike those of fresh people."
        )
    yield (
        "There is no unprotected extractor to compare with: the raw record is the positive control,"
        " and what protection changed is not known."
    )
    if request.pixels:
        yield f"Pictures were given to the model as {request.pixels}."
    if unreadable:
        yield f"{unreadable:,} records could not be read and were left out."


@contextmanager
def _in_words() -> Iterator[None]:
    """Keys of params.yaml in messages become the options that say the same here."""
    try:
        yield
    except TiprdcError as error:

        def words(text: object) -> str:
            return str(text).replace(f"{_SECTION}.path", "--data").replace(f"{_SECTION}.", "--")

        raise type(error)(
            words(error.where), words(error.given), words(error.expected), words(error.hint)
        ) from error
