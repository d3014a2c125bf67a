"""Runs a released extractor on a device: raw records in, features out, with onnxruntime alone.

    extractor = Extractor.load("release")
    z = extractor(extractor.read("a.jpg", "b.png"))         # float32 [B, ...]
    z = extractor(images)       # uint8 [B, C, H, W]
    z = extractor(texts)        # B texts, or int32 [B, T]
    z = extractor(table)        # float32 [B, F], or {"age": [...], "job": [...]}

`load` compares every file with the size and the sha256 in `manifest.json`, and uses exactly the
bytes that it compared. It does not check the manifest itself: `tiprdc pull` and `tiprdc verify` do.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tiprdc.datasets.record_files import UnusableFileError
from tiprdc.errors import DataError, ModelError
from tiprdc.formats.dtypes import onnx_type
from tiprdc.formats.files import read_bytes, read_json, sanitize
from tiprdc.formats.manifest import CODE, MODEL, MOST_BYTES, Contract, parse_contract
from tiprdc.runtime.columns import encode_columns
from tiprdc.runtime.file_decoders import FILES, file_decoder
from tiprdc.runtime.session import open_session

MANIFEST = "manifest.json"
TOKENIZER = "tokenizer.json"
_PULL_AGAIN = "pull the release again"

ExtractorInput = NDArray[Any] | Sequence[str] | Mapping[str, Sequence[object]]


class Extractor:
    """The function z = f(x) of a release.

    Args:
        contract: Describes input and output.
        model: Bytes of the ONNX file.
        tokenizer: For text, the tokenizer's JSON.
        threads: Cores that one batch may use, at least 1.

    Raises:
        ModelError: onnxruntime cannot open the file, its input or output differs from the contract,
            or a text extractor has no tokenizer.
    """

    def __init__(
        self, contract: Contract, model: bytes, *, tokenizer: str | None = None, threads: int = 1
    ) -> None:
        self.contract = contract
        try:
            self._session = open_session(model, threads=threads)
        # onnxruntime's own exceptions have no common class.
        except Exception as error:
            given = f"onnxruntime cannot open it ({type(error).__name__})"
            raise ModelError(MODEL, given, "a complete ONNX file", _PULL_AGAIN) from error
        _check_tensors(contract, self._session)
        self._tokenizer = _open_tokenizer(contract, tokenizer)

    @classmethod
    def load(cls, folder: Path | str, *, threads: int = 1) -> Extractor:
        """Open a release; its files must be those that the manifest describes.

        Args:
            folder: Contains `manifest.json` and the files that it lists.
            threads: Cores that one batch may use, at least 1.

        Raises:
            DataError: The manifest is missing or invalid.
            ModelError: A file is missing, is a link, has other bytes, or does not fit the contract.
        """
        folder = Path(folder)
        path = folder / MANIFEST
        contract = parse_contract(read_json(path, links=False), sanitize(str(path)))
        files = {name: _read_verified(folder / name, contract) for name in contract.files}
        tokenizer = files.get(TOKENIZER)
        text = None if tokenizer is None else tokenizer.decode("utf-8", errors="replace")
        return cls(contract, files[MODEL], tokenizer=text, threads=threads)

    def __call__(self, batch: ExtractorInput) -> NDArray[np.float32]:
        """Features of a batch of records.

        Args:
            batch: `[B, *shape]` in the contract's type; for text also B texts; for tables also
                column name -> B values, where None or an empty text is a missing value.

        Returns:
            `[B, *features]`, finite.

        Raises:
            DataError: The batch does not fit the contract.
            ModelError: A feature is not finite, or onnxruntime fails.
        """
        z = self.run(self.encode(batch))
        if not np.isfinite(z).all():
            raise ModelError(MODEL, "it gives features that are not finite for these records")
        return z

    def codes(self, batch: ExtractorInput) -> NDArray[np.int64]:
        """Numbers of a batch's codes `[B]`, of a release with codes.

        A code says as much as the features, which are its prototype, and is shorter to send.

        Args:
            batch: As for features.

        Raises:
            DataError: The batch does not fit the contract.
            ModelError: The release has no codes, or onnxruntime fails.
        """
        if not self.contract.output.codes:
            given, expected = "its features are no codes", "a release with train.extractor.codes"
            raise ModelError(MODEL, given, expected)
        x = self.encode(batch)
        return self._run([CODE], x)[0] if len(x) else np.zeros(0, np.int64)

    def read(self, *files: Path | str) -> NDArray[Any]:
        """Read pictures or recordings exactly as the training data were read.

        Args:
            files: B files.

        Returns:
            What `extractor(...)` takes: `[B, 3, N, N]` uint8 or `[B, T]` int16.

        Raises:
            DataError: A file cannot be used, or the release takes no files.
            ConfigError: A package that reads recordings is not installed.
        """
        decode = file_decoder(self.contract)
        x = np.empty((len(files), *self.contract.input_shape), self.contract.input.dtype)
        for row, file in enumerate(files):
            try:
                x[row] = decode(Path(file))
            except UnusableFileError as error:
                expected = f"a {FILES[self.contract.modality].one}"
                raise DataError(sanitize(str(file)), str(error), expected) from None
        return x

    def run(self, x: NDArray[Any]) -> NDArray[np.float32]:
        """Features `[B, *features]` of an encoded batch; they may be infinite or NaN.

        Raises:
            ModelError: onnxruntime fails.
        """
        return self.run_with_codes(x)[0]

    def run_with_codes(self, x: NDArray[Any]) -> tuple[NDArray[np.float32], NDArray[np.int64]]:
        """Features `[B, *features]` of an encoded batch, and its codes `[B]`.

        Without codes in the release the second array is `[0]`.

        Raises:
            ModelError: onnxruntime fails.
        """
        output, no_codes = self.contract.output, np.zeros(0, np.int64)
        if len(x) == 0:
            return np.zeros((0, *self.contract.features), np.float32), no_codes
        names = [output.name, CODE] if output.codes else [output.name]
        z, *codes = self._run(names, x)
        if z.shape != (len(x), *self.contract.features):
            given = "its features differ in shape from the manifest"
            raise ModelError(MODEL, given, hint=_PULL_AGAIN)
        return z, codes[0] if codes else no_codes

    def _run(self, outputs: list[str], x: NDArray[Any]) -> list[NDArray[Any]]:
        """Outputs of the model."""
        values: list[NDArray[Any]]
        try:
            values = self._session.run(outputs, {self.contract.input.name: x})
        except Exception as error:
            # onnxruntime's message is left out: it may quote a number of a record.
            given = f"onnxruntime fails on this batch ({type(error).__name__})"
            raise ModelError(MODEL, given, hint=_PULL_AGAIN) from error
        return values

    def encode(self, batch: ExtractorInput) -> NDArray[Any]:
        """Encode a batch as the array `[B, *shape]` that the ONNX file takes.

        Raises:
            DataError: The batch does not fit the contract.
        """
        if isinstance(batch, Mapping):
            return self._encode_table(batch)
        if not isinstance(batch, np.ndarray):
            return self._encode_texts(batch)
        dtype, shape = self.contract.input.dtype, self.contract.input_shape
        if batch.dtype != dtype or batch.shape[1:] != shape:
            given = f"an array {batch.dtype} {list(batch.shape)}"
            raise DataError("batch", given, f"{dtype} [B, {', '.join(map(str, shape))}]")
        return np.ascontiguousarray(batch)

    def _encode_table(self, table: Mapping[str, Sequence[object]]) -> NDArray[np.float32]:
        if self.contract.modality != "table":
            raise DataError("batch", "columns", f"an array, for {self.contract.modality}")
        x, invalid = encode_columns(self.contract.columns, table)
        if invalid:
            row, column = next(iter(invalid.items()))
            given = f"{column!r} of row {row} is not a number"
            raise DataError("batch", given, "a number, or None")
        return x

    def _encode_texts(self, texts: Sequence[str]) -> NDArray[np.int32]:
        if self._tokenizer is None or not all(isinstance(text, str) for text in texts):
            expected = "texts" if self._tokenizer else f"an array, for {self.contract.modality}"
            raise DataError("batch", "a sequence of the wrong type", expected)
        if not texts:
            return np.zeros((0, *self.contract.input_shape), np.int32)
        ids = [encoding.ids for encoding in self._tokenizer.encode_batch(list(texts))]
        (length,) = self.contract.input_shape
        if any(len(tokens) != length for tokens in ids):
            given = f"it does not give the manifest's {length} tokens for every text"
            raise ModelError(TOKENIZER, given, hint=_PULL_AGAIN)
        return np.array(ids, dtype=np.int32)


def _read_verified(path: Path, contract: Contract) -> bytes:
    """Read a file of a release; its bytes must be those that the manifest describes."""
    expected = contract.files[path.name]
    where = sanitize(str(path))
    data = read_bytes(path, MOST_BYTES, ModelError)
    if len(data) != expected.bytes:
        size = f"the manifest's {expected.bytes:,} bytes"
        raise ModelError(where, f"{len(data):,} bytes", size, _PULL_AGAIN)
    digest = hashlib.sha256(data).hexdigest()
    if digest != expected.sha256:
        given = f"its sha256 is {digest}"
        raise ModelError(where, given, f"the manifest's {expected.sha256}", _PULL_AGAIN)
    return data


def _check_tensors(contract: Contract, session: Any) -> None:
    """Refuse a file whose input or outputs differ from the contract."""
    record, features = contract.input, contract.output
    inputs = [(record.name, record.dtype, contract.input_shape)]
    outputs = [(features.name, features.dtype, contract.features)]
    if features.codes:
        outputs.append((CODE, "int64", ()))
    for kind, values, expected in (
        ("input", session.get_inputs(), inputs),
        ("output", session.get_outputs(), outputs),
    ):
        fits = len(values) == len(expected) and all(
            _fits(value, name, onnx_type(dtype), shape)
            for value, (name, dtype, shape) in zip(values, expected, strict=True)
        )
        if not fits:
            tensors = ", ".join(
                f"{name}: {dtype} [{', '.join(map(str, ('batch', *shape)))}]"
                for name, dtype, shape in expected
            )
            given = f"its {kind} differs from the manifest"
            raise ModelError(MODEL, given, tensors, _PULL_AGAIN)


def _fits(value: Any, name: str, type_: str, shape: tuple[int, ...]) -> bool:
    """Whether an input or output has this name, type and shape.

    A symbolic size fits any; the batch size must be symbolic.
    """
    if (value.name, value.type, len(value.shape)) != (name, type_, 1 + len(shape)):
        return False
    batch, *sizes = value.shape
    fixed = [(size, n) for size, n in zip(sizes, shape, strict=True) if isinstance(size, int)]
    return not isinstance(batch, int) and all(size == n for size, n in fixed)


def _open_tokenizer(contract: Contract, text: str | None) -> Any:
    """The tokenizer of a text extractor, which pads and cuts by itself; None for others."""
    if contract.modality != "text":
        return None
    if text is None:
        raise ModelError(MANIFEST, f"it lists no {TOKENIZER} for texts", hint=_PULL_AGAIN)
    try:
        from tokenizers import Tokenizer
    except ImportError:
        raise ModelError(
            TOKENIZER, "texts need the package tokenizers, which is not installed",
            hint="pip install tokenizers",
        ) from None  # fmt: skip
    try:
        return Tokenizer.from_str(text)
    # tokenizers raises Exception itself.
    except Exception as error:
        raise ModelError(TOKENIZER, "not a tokenizer of `tokenizers`", hint=_PULL_AGAIN) from error
