"""Checks records against a model's inputs, and casts them to its types."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from tiprdc.errors import DataError
from tiprdc.sandbox.execution import Feed
from tiprdc.sandbox.messages import quote
from tiprdc.sandbox.model_info import TEXT, ModelInfo, TensorInfo


def cast_records(x: NDArray[Any] | Feed, info: ModelInfo, where: str) -> list[NDArray[Any]]:
    """The records for each input, in the order of `info.inputs`.

    Args:
        x: Records `[N, *shape]`, or several by input.
        info: Of the model.
        where: Name of the file in messages.

    Raises:
        DataError: They do not match the inputs.
    """
    names = [tensor.name for tensor in info.inputs]
    feed = {names[0]: x} if isinstance(x, np.ndarray) else dict(x)
    if set(feed) != set(names):
        missing = ", ".join(map(quote, sorted(set(names) - set(feed))[:5]))
        raise DataError(where, f"nothing for the inputs {missing}", "records for every input")
    counts = {len(values) for values in feed.values()}
    if len(counts) > 1 or 0 in counts:
        raise DataError(where, "no records", "at least one")
    return [_cast(feed[tensor.name], tensor, where) for tensor in info.inputs]


def _cast(x: NDArray[Any], tensor: TensorInfo, where: str) -> NDArray[Any]:
    expected, actual = tensor.shape or (), x.shape[1:]
    if len(expected) != len(actual) or any(
        e is not None and e != a for e, a in zip(expected, actual, strict=True)
    ):
        shape = " x ".join("any" if size is None else str(size) for size in expected)
        given = f"records of {' x '.join(map(str, actual))}"
        raise DataError(where, given, f"what the model takes, {shape}")
    if tensor.dtype == TEXT and x.dtype.kind == "U":
        return np.ascontiguousarray(x)
    if tensor.dtype == TEXT or not np.can_cast(x.dtype, tensor.dtype, casting="safe"):
        raise DataError(
            where, f"records of type {x.dtype}",
            f"a type that casts to {tensor.dtype} without loss",
            "convert the records as in the model's training",
        )  # fmt: skip
    return np.ascontiguousarray(x, dtype=tensor.dtype)
