"""Runs a validated model batch by batch in the sandbox process, and writes the features."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import IO, Any, Literal

import msgspec
import numpy as np
from numpy.typing import NDArray

from tiprdc.errors import ModelError
from tiprdc.sandbox.messages import quote
from tiprdc.sandbox.model_info import TEXT, ModelInfo

Pooling = Literal["mean", "cls", "none"]
"""One vector of a text: the mean of its tokens, that of its first token, or all one by one."""
MASK = "attention_mask"
"""Name of the input that tells tokens from padding."""
Feed = Mapping[str, NDArray[Any]]
"""Records `[N, ...]` by input."""


class Run(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How to run a model.

    Args:
        output: The output that holds the features; empty: the only one.
        pooling: For an output `[N, tokens, width]`.
        batch: Batch size, 1 to 4096, where the model leaves it open.
        batches: Rows of the records, batch by batch, which may repeat; None: all, in order.
        constant_noise: Whether random numbers are replaced by constants.
    """

    output: str = ""
    pooling: Pooling = "none"
    batch: int = 64
    batches: tuple[tuple[int, ...], ...] | None = None
    constant_noise: bool = False

    @classmethod
    def from_json(cls, raw: object) -> Run:
        """From JSON types."""
        return msgspec.convert(raw, cls)

    def count(self, records: int) -> int:
        """Rows of features for this many records."""
        return records if self.batches is None else sum(map(len, self.batches))


def write_features(
    session: Any, info: ModelInfo, run: Run, x: Feed, features: IO[bytes], job: dict[str, Any]
) -> None:
    """Write the features of every batch; where the model's batch is fixed, it is padded.

    Raises:
        ModelError: It fails on a batch, or gives no finite features of one shape.
        MemoryError: It needs more than the limit.
    """
    shape: tuple[int, ...] | None = None
    (count,) = {len(values) for values in x.values()}
    for part in _batches(info, run, x):
        z = _run_batch(session, info, run, part, job)
        if shape is None:
            shape = z.shape[1:]
            header = {"descr": "<f4", "fortran_order": False, "shape": (run.count(count), *shape)}
            np.lib.format.write_array_header_1_0(features, header)
        if z.shape[1:] != shape:
            raise ModelError(job["where"], "features of another shape in every batch", "one shape")
        _write(features, z, job)


def is_out_of_memory(error: Exception) -> bool:
    """Whether onnxruntime ran out of memory; it has no error class for that."""
    messages = ("bad_alloc", "Failed to allocate", "bad allocation", "out of memory")
    return isinstance(error, MemoryError) or any(message in str(error) for message in messages)


def _batches(info: ModelInfo, run: Run, x: Feed) -> Iterator[Feed]:
    if run.batches is not None:
        for rows in run.batches:
            yield {name: values[list(rows)] for name, values in x.items()}
        return
    (count,) = {len(values) for values in x.values()}
    size = info.batch or run.batch
    for start in range(0, count, size):
        yield {name: values[start : start + size] for name, values in x.items()}


def _run_batch(
    session: Any, info: ModelInfo, run: Run, part: Feed, job: dict[str, Any]
) -> NDArray[np.float32]:
    """Finite features `[len(part), ...]` of one batch."""
    where, (count,) = job["where"], {len(values) for values in part.values()}
    size = info.batch or count
    feed = {name: _padded(values, size) for name, values in part.items()}
    texts = {tensor.name for tensor in info.inputs if tensor.dtype == TEXT}
    for name in texts:
        feed[name] = feed[name].astype(object)
    try:
        (z,) = session.run([run.output or info.outputs[0].name], feed)
    except Exception as error:
        if is_out_of_memory(error):
            raise MemoryError from error
        # Without onnxruntime's message, which may quote a value of a record.
        given = f"onnxruntime fails when it runs it ({type(error).__name__})"
        hint = "" if size == 1 else "export it with an open batch size, or with batches of 1"
        raise ModelError(where, given, "a model that takes these records", hint) from error
    if not isinstance(z, np.ndarray) or z.ndim < 1 or len(z) != size:
        given = f"{getattr(z, 'shape', ('no array',))[:1]} features for {size} records"
        raise ModelError(where, given, "features of each record, batch first")
    if z.dtype.kind not in "fiub":
        given = f"the output {quote(run.output)} holds texts"
        raise ModelError(where, given, "numbers", "choose another with --output")
    z = _pooled(z, run.pooling, feed.get(MASK), where)
    if z.size > size * job["most_features"]:
        raise ModelError(
            where, f"{z.size // size:,} features", f"at most {job['most_features']:,} a record"
        )
    with np.errstate(all="ignore"):
        rows = np.ascontiguousarray(z[:count], dtype=np.float32)
    bad = count - int(np.isfinite(rows).reshape(count, -1).all(axis=1).sum())
    if bad:
        raise ModelError(where, f"features of {bad} records are not finite", "finite numbers")
    return rows


def _padded(values: NDArray[Any], size: int) -> NDArray[Any]:
    missing = size - len(values)
    return np.concatenate([values, np.repeat(values[:1], missing, axis=0)]) if missing else values


def _pooled(
    z: NDArray[Any], pooling: Pooling, mask: NDArray[Any] | None, where: str
) -> NDArray[Any]:
    if pooling == "none":
        return z
    if z.ndim != 3:
        given = f"features with {z.ndim} axes"
        raise ModelError(where, given, "batch x tokens x width, which --pooling takes")
    if pooling == "cls":
        return z[:, 0]
    weights = np.ones(z.shape[:2]) if mask is None else mask.astype(np.float64)
    if weights.shape != z.shape[:2]:
        given = f"features of {z.shape[1]} tokens for texts of {weights.shape[1]}"
        raise ModelError(where, given, "features of each token", "use --pooling cls")
    total = np.maximum(weights.sum(1, keepdims=True), 1)
    pooled: NDArray[Any] = np.einsum("ntw,nt->nw", z.astype(np.float64), weights) / total
    return pooled


def _write(features: IO[bytes], z: NDArray[np.float32], job: dict[str, Any]) -> None:
    try:
        features.write(z.tobytes())
        features.flush()
    except OSError as error:
        given = f"more than {job['output']:,} bytes of features, or no space left"
        raise ModelError(job["where"], given, "features that fit", "take fewer records") from error
