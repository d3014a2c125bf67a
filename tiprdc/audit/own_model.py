"""A model that this project exported, under audit: runs its bytes on records."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from tiprdc.errors import ModelError
from tiprdc.runtime.session import open_session, seed_noise

BATCH = 512
"""Most records of one run of the model."""


class Model(Protocol):
    """An ONNX file under audit."""

    @property
    def sha256(self) -> str:
        """Digest of the file."""

    def features(self, x: NDArray[Any]) -> NDArray[np.float32]:
        """Features `[N, D]` of records `[N, ...]`.

        Raises:
            ModelError: The file cannot be run on such records.
        """


@dataclass(frozen=True)
class OwnModel:
    """A file written by our export: input `x` as in the shards, output `z`.

    Args:
        content: The file's bytes.
    """

    content: bytes

    @property
    def sha256(self) -> str:
        """Digest of the file."""
        return hashlib.sha256(self.content).hexdigest()

    def features(self, x: NDArray[Any], *, optimised: bool = True) -> NDArray[np.float32]:
        """Features `[N, D]` of records `[N, ...]` from the exported bytes themselves.

        A release with noise draws it from onnxruntime's generator, which every session restarts
        from one seed of the process. So the seed is set from the file and the records: the same
        audit gives the same noise, other people get other noise.

        Args:
            x: The records.
            optimised: Whether onnxruntime uses all its graph optimisations.

        Raises:
            ModelError: The file cannot be run on such records.
        """
        seed_noise(_noise_seed(self.content, x))
        parts = np.array_split(x, max(1, -(-len(x) // BATCH)))
        try:
            session = open_session(self.content, untrusted=not optimised)
            z = [session.run(["z"], {"x": np.ascontiguousarray(part)})[0] for part in parts]
        except Exception as error:  # onnxruntime's errors have no common base class
            reason = str(error).strip().splitlines()[0][:200]
            raise ModelError(
                "ONNX file", reason, f"one that turns x {list(x.shape[1:])} {x.dtype} into z",
                "run `dvc repro -f export`",
            ) from None  # fmt: skip
        return np.concatenate(z).reshape(len(x), -1).astype(np.float32)


def _noise_seed(model: bytes, x: NDArray[Any]) -> int:
    """A seed of 31 bits derived from the file and the records."""
    digest = hashlib.sha256(model)
    digest.update(np.ascontiguousarray(x).data)
    return int.from_bytes(digest.digest()[:4], "big") >> 1
