"""A release on the device it was made for: raw records in, features out, nothing but onnxruntime.

    extractor = Extractor.load("release")
    z = extractor(pictures)     # uint8 [B, C, H, W]         -> float32 [B, ...]
    z = extractor(texts)        # B texts, or int32 [B, T]
    z = extractor(table)        # float32 [B, F], or {"age": [...], "job": [...]}

`load` compares every file with the size and the sha256 of `manifest.json` and uses the very bytes
that it compared. That the manifest itself is the one that was released is for `tiprdc pull` and
`tiprdc verify` to say.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tiprdc.errors import DataError, ModelError
from tiprdc.formats.files import read_bytes, read_json, sanitize
from tiprdc.formats.manifest import MOST_BYTES, Contract, parse_contract
from tiprdc.runtime.columns import encode_columns
from tiprdc.runtime.session import open_session

MANIFEST = "manifest.json"
TOKENIZER = "tokenizer.json"
_AGAIN = "fetch the release again"

Batch = NDArray[Any] | Sequence[str] | Mapping[str, Sequence[object]]


class Extractor:
    """The function z = f(x) that a release holds.

    Args:
        contract: What it takes and gives.
        model: The ONNX file's bytes, which the contract describes.
        tokenizer: The tokenizer's JSON, for text.
        threads: Cores that one batch may use, at least 1.

    Raises:
        ModelError: onnxruntime does not open the file, it takes or gives something else than the
            contract says, or a text extractor has no tokenizer.
    """

    def __init__(
        self, contract: Contract, model: bytes, *, tokenizer: str | None = None, threads: int = 1
    ) -> None:
        self.contract = contract
        try:
            self._session = open_session(model, threads=threads)
        # onnxruntime has classes of its own, without a common one.
        except Exception as error:
            given = f"onnxruntime does not open it ({type(error).__name__})"
            raise ModelError(
                "extractor.onnx", given, "an ONNX file of one piece", _AGAIN
            ) from error
        _compare(contract, self._session)
        self._tokenizer = _open_tokenizer(contract, tokenizer)

    @classmethod
    def load(cls, folder: Path | str, *, threads: int = 1) -> Extractor:
        """Open a release whose files are those of its manifest.

        Args:
            folder: Holds `manifest.json` and the files that it lists.
            threads: Cores that one batch may use, at least 1.

        Raises:
            DataError: The manifest is missing or is none.
            ModelError: A file is missing, is a link, has other bytes, or does not fit the contract.
        """
        folder = Path(folder)
        path = folder / MANIFEST
        contract = parse_contract(read_json(path, links=False), sanitize(str(path)))
        files = {name: _verified(folder / name, contract) for name in contract.files}
        tokenizer = files.get(TOKENIZER)
        text = None if tokenizer is None else tokenizer.decode("utf-8", errors="replace")
        return cls(contract, files["extractor.onnx"], tokenizer=text, threads=threads)

    def __call__(self, batch: Batch) -> NDArray[np.float32]:
        """Features of a batch of records.

        Args:
            batch: `[B, *shape]` in the contract's type; for text also B texts; for tables also
                column name -> B values, where None or an empty text is a missing one.

        Returns:
            `[B, *features]`, finite.

        Raises:
            DataError: The batch is not what the contract says.
            ModelError: A feature is not finite, or onnxruntime fails.
        """
        z = self.run(self.encode(batch))
        if not np.isfinite(z).all():
            raise ModelError("extractor.onnx", "features that are not finite", "finite numbers")
        return z

    def run(self, x: NDArray[Any]) -> NDArray[np.float32]:
        """Features `[B, *features]` of an encoded batch; nobody has looked whether they are finite.

        Raises:
            ModelError: onnxruntime fails.
        """
        if len(x) == 0:
            return np.zeros((0, *self.contract.features), np.float32)
        z: NDArray[np.float32]
        try:
            (z,) = self._session.run([self.contract.output.name], {self.contract.input.name: x})
        except Exception as error:
            # Not onnxruntime's words: they may quote a number of a record.
            given = f"onnxruntime fails ({type(error).__name__})"
            raise ModelError("extractor.onnx", given, "a model that takes what it says") from error
        if z.shape != (len(x), *self.contract.features):
            raise ModelError("extractor.onnx", "features of another shape", "the manifest's")
        return z

    def encode(self, batch: Batch) -> NDArray[Any]:
        """The same batch as the array `[B, *shape]` that the ONNX file takes."""
        if isinstance(batch, Mapping):
            return self._as_columns(batch)
        if not isinstance(batch, np.ndarray):
            return self._as_tokens(batch)
        wanted, shape = self.contract.input.dtype, self.contract.input_shape
        if batch.dtype != wanted or batch.shape[1:] != shape:
            given = f"{batch.dtype} {list(batch.shape)}"
            raise DataError("batch", given, f"{wanted} [B, {', '.join(map(str, shape))}]")
        return np.ascontiguousarray(batch)

    def _as_columns(self, table: Mapping[str, Sequence[object]]) -> NDArray[np.float32]:
        if self.contract.modality != "table":
            raise DataError("batch", "columns", f"an array, for {self.contract.modality}")
        x, bad = encode_columns(self.contract.columns, table)
        if bad:
            row, column = next(iter(bad.items()))
            raise DataError("batch", f"{column!r} of row {row} is no number", "a number, or None")
        return x

    def _as_tokens(self, texts: Sequence[str]) -> NDArray[np.int32]:
        if self._tokenizer is None or not all(isinstance(text, str) for text in texts):
            allowed = "texts" if self._tokenizer else f"an array, for {self.contract.modality}"
            raise DataError("batch", "a list of something else", allowed)
        if not texts:
            return np.zeros((0, *self.contract.input_shape), np.int32)
        ids = [encoding.ids for encoding in self._tokenizer.encode_batch(list(texts))]
        (length,) = self.contract.input_shape
        if any(len(one) != length for one in ids):
            raise ModelError(
                TOKENIZER, "texts of another length", f"{length} tokens a text", _AGAIN
            )
        return np.array(ids, dtype=np.int32)


def _verified(path: Path, contract: Contract) -> bytes:
    """The bytes of one file of a release, if they are those of the manifest."""
    digest, size = contract.files[path.name].sha256, contract.files[path.name].bytes
    where = sanitize(str(path))
    data = read_bytes(path, MOST_BYTES, ModelError)
    if len(data) != size:
        raise ModelError(where, f"{len(data):,} bytes", f"the manifest's {size:,} bytes", _AGAIN)
    found = hashlib.sha256(data).hexdigest()
    if found != digest:
        raise ModelError(where, f"sha256 {found}", f"the manifest's {digest}", _AGAIN)
    return data


def _compare(contract: Contract, session: Any) -> None:
    """Refuse a file that takes or gives something else than the contract says."""
    for what, values, name, dtype, shape in (
        ("takes", session.get_inputs(), contract.input.name, contract.input.dtype,
         contract.input_shape),
        ("gives", session.get_outputs(), contract.output.name, contract.output.dtype,
         contract.features),
    ):  # fmt: skip
        kind = f"tensor({'float' if dtype == 'float32' else dtype})"
        if len(values) != 1 or not _fits(values[0], name, kind, shape):
            raise ModelError(
                "extractor.onnx", f"a model that {what} something else",
                f"{name}: {dtype} [batch, {', '.join(map(str, shape))}]", _AGAIN,
            )  # fmt: skip


def _fits(value: Any, name: str, kind: str, shape: tuple[int, ...]) -> bool:
    """A size that the file leaves open fits any; the batch must be open."""
    sizes = value.shape
    if (value.name, value.type, len(sizes)) != (name, kind, 1 + len(shape)):
        return False
    fixed = [isinstance(size, int) for size in sizes]
    return not fixed[0] and all(
        size == wanted for size, wanted, is_fixed in zip(sizes[1:], shape, fixed[1:], strict=True)
        if is_fixed
    )  # fmt: skip


def _open_tokenizer(contract: Contract, text: str | None) -> Any:
    """The tokenizer of a text extractor, padding and cutting by itself; None for others."""
    if contract.modality != "text":
        return None
    if text is None:
        raise ModelError(MANIFEST, f"it lists no {TOKENIZER}", "one, for texts", _AGAIN)
    try:
        from tokenizers import Tokenizer
    except ImportError:
        raise ModelError(
            TOKENIZER, "the package tokenizers is not installed", "texts are cut into tokens by it",
            "pip install tokenizers",
        ) from None  # fmt: skip
    try:
        return Tokenizer.from_str(text)
    # tokenizers raises Exception itself.
    except Exception as error:
        raise ModelError(TOKENIZER, "not a tokenizer", "one of `tokenizers`", _AGAIN) from error
