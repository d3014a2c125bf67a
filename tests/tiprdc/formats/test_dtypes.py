"""One table of number types; the data layer's numpy types agree with it."""

from __future__ import annotations

import numpy as np
import pytest

from tiprdc.datasets.schema import DTYPES
from tiprdc.formats.dtypes import RECORD_DTYPES, onnx_type


def test_record_dtypes_are_those_of_prepared_shards() -> None:
    """`datasets` and `formats` may not import each other, so each has its own table."""
    assert {name: np.dtype(dtype).name for name, dtype in DTYPES.items()} == RECORD_DTYPES


@pytest.mark.parametrize(
    ("dtype", "name"),
    [("float32", "tensor(float)"), ("float64", "tensor(double)"), ("uint8", "tensor(uint8)")],
)
def test_onnx_type_is_the_name_that_onnxruntime_uses(dtype: str, name: str) -> None:
    assert onnx_type(dtype) == name
