"""A frozen encoder: checks of the file, its features, and what a release keeps of it.

The file is validated and run in the sandbox (tiprdc/sandbox/runner.py), as a model under audit is.
"""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
from numpy.typing import NDArray

from tiprdc.datasets.schema import Schema
from tiprdc.datasets.tables.vector_names import MOST_NUMBERS
from tiprdc.encoders.document import EncoderDocument, find_licence
from tiprdc.encoders.fitting import check_tokens, fit_encoder
from tiprdc.errors import DataError, ModelError
from tiprdc.formats.files import sanitize
from tiprdc.sandbox import runner
from tiprdc.sandbox.execution import Run
from tiprdc.sandbox.model_info import ModelInfo
from tiprdc.training.encoder_config import EncoderConfig

FILE, DOCUMENT = "encoder.onnx", "encoder.json"
"""The file and what is known of it, beside cached features and in a checkpoint."""
_BATCH = 256
"""Records that the sandbox gets at once."""
_EXPORT_AGAIN = (
    "export it again, x with two records: torch.onnx.export(model.eval(), (x,), path, dynamo=True,"
    " external_data=False, dynamic_shapes=({0: torch.export.Dim('batch')},))"
)


@dataclass(frozen=True)
class Encoder:
    """A validated file.

    Args:
        path: The file.
        info: Its inputs, outputs and digest when it was validated.
        document: How it is run.
    """

    path: Path
    info: ModelInfo
    document: EncoderDocument

    def features(self, x: NDArray[Any]) -> NDArray[np.float32]:
        """Features `[N, F]` of records `[N, *shape]`, N >= 1.

        Raises:
            ModelError: It fails, or gives features that cannot be used.
        """
        how = Run(output=self.document.output, pooling=self.document.pooling)
        parts: list[NDArray[np.float32]] = []
        for start in range(0, len(x), _BATCH):
            feed = self.document.adapter(x[start : start + _BATCH])
            with _hints():
                z = runner.run(self.path, feed, how, info=self.info)
            parts.append(z.reshape(len(z), -1))
            if parts[-1].shape[1] != parts[0].shape[1]:
                raise ModelError(
                    self.where, f"features of {parts[0].shape[1]:,} and of {z.shape[1]:,} numbers",
                    "as many for each record", "name another output with train.encoder.output",
                )  # fmt: skip
        _check_width(parts[0].shape[1], self.where)
        return np.concatenate(parts)

    @property
    def where(self) -> str:
        """The file, for messages."""
        return sanitize(str(self.path))

    def store(self, folder: Path) -> None:
        """Copy the file and its document into a folder."""
        shutil.copyfile(self.path, folder / FILE)
        (folder / DOCUMENT).write_bytes(msgspec.json.encode(self.document))


def open_encoder(config: EncoderConfig, schema: Schema) -> Encoder:
    """Validate an encoder and its fit to the records.

    Args:
        config: `path` is set.
        schema: Of the shards.

    Raises:
        ModelError: The file is refused.
        ConfigError: A setting is missing, or does not match the file or the records.
    """
    assert config.path is not None
    path = Path(config.path)
    with _hints():
        info = runner.validate(path)
    _check(info, path)
    adapter, run = fit_encoder(info, config, schema)
    licence, licence_text = find_licence(path, config.licence)
    document = EncoderDocument(
        name=sanitize(path.name), sha256=info.sha256, licence=licence, licence_text=licence_text,
        adapter=adapter, output=run.output, pooling=run.pooling,
    )  # fmt: skip
    encoder = Encoder(path, info, document)
    if schema.modality == "text":
        check_tokens(encoder.features, schema, encoder.where)
    return encoder


def copy_encoder(source: Path, target: Path) -> None:
    """Copy what `Encoder.store` left in a folder, if anything, to another."""
    if (source / DOCUMENT).exists():
        for name in (FILE, DOCUMENT):
            shutil.copyfile(source / name, target / name)


def stored_encoder(folder: Path) -> Encoder | None:
    """The encoder that `Encoder.store` left in a folder; None if there is none.

    Raises:
        ModelError: It is not what was stored.
    """
    if not (folder / DOCUMENT).exists():
        return None
    document = msgspec.json.decode((folder / DOCUMENT).read_bytes(), type=EncoderDocument)
    info = runner.validate(folder / FILE)
    if info.sha256 != document.sha256:
        raise ModelError(
            str(folder / FILE), "not the encoder that was trained on", "the file as it was",
            "delete the folder and train again",
        )  # fmt: skip
    return Encoder(folder / FILE, info, document)


def _check(info: ModelInfo, path: Path) -> None:
    where = sanitize(str(path))
    if info.batch is not None:
        raise ModelError(
            where, f"it takes exactly {info.batch:,} records at a time", "any number of records",
            _EXPORT_AGAIN,
        )  # fmt: skip
    if info.is_random:
        raise ModelError(
            where, "it draws random numbers", "the same features for the same record",
            _EXPORT_AGAIN,
        )  # fmt: skip


def _check_width(width: int, where: str) -> None:
    if not 1 <= width <= MOST_NUMBERS:
        raise ModelError(
            where, f"features of {width:,} numbers a record", f"1 to {MOST_NUMBERS:,}",
            "name an output behind the pooling with train.encoder.output",
        )  # fmt: skip


@contextmanager
def _hints() -> Iterator[None]:
    """A refusal of the sandbox with a hint, where it has none."""
    try:
        yield
    except (ModelError, DataError) as error:
        if error.hint:
            raise
        raise type(error)(error.where, error.given, error.expected, _EXPORT_AGAIN) from error
