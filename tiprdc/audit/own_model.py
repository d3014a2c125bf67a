"""A model that this project exported, under audit: runs its bytes on records."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray
from onnx import ModelProto

from tiprdc.attacks.draws import draws_of
from tiprdc.audit.batch_check import Batches, check_batches
from tiprdc.audit.noise_split import split_at_noise
from tiprdc.errors import ModelError
from tiprdc.runtime.session import open_session, seed_noise
from tiprdc.sandbox import noise

BATCH = 512
"""Most records of one run of the model."""
Feed = Mapping[str, NDArray[Any]]
"""Arrays of a batch by input."""


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

    def redraw(self, x: NDArray[Any], records: int) -> NDArray[np.float32]:
        """Features of the same records with several draws of the noise `[R, N, D]`.

        Args:
            x: The records.
            records: All records of the attacker, which bound R (tiprdc/attacks/draws.py).

        Returns:
            R is 1 where there is no noise.

        Raises:
            ModelError: The file cannot be run on such records.
        """

    def check_batches(self, x: NDArray[Any]) -> None:
        """Check on some records that features do not depend on the other records of a batch.

        Raises:
            ModelError: They do, or the file cannot be run on such records.
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
        return _flat(_run(self.content, _batches({"x": x}), optimised=optimised)[0])

    def redraw(self, x: NDArray[Any], records: int) -> NDArray[np.float32]:
        """Features of the same records with several draws of the noise `[R, N, D]`.

        What comes before the noise is computed once.

        Raises:
            ModelError: The file cannot be run on such records.
        """
        if self.noise != (True, False):
            return self.features(x)[None]
        parts = split_at_noise(_parse(self.content))
        clean = {"x": x}
        if parts.before is not None:
            found = _run(parts.before, _batches(clean), parts.between)
            clean = dict(zip(parts.between, found, strict=True))
        batches, seed = _batches(clean), _noise_seed(self.content, x)

        def draw(number: int) -> NDArray[np.float32]:
            # Every session begins anew with the seed of the process.
            seed_noise(int(np.random.SeedSequence([seed, number]).generate_state(1)[0]) >> 1)
            return _flat(_run(parts.after, batches)[0])

        first = draw(0)
        count = draws_of(records, first.shape[1])
        return np.stack([first, *(draw(number) for number in range(1, count))])

    @property
    def name(self) -> str:
        """The file, for messages."""
        return "ONNX file"

    @property
    def batch(self) -> int | None:
        """Our exports take any number of records."""
        return None

    @property
    def attack_batch(self) -> int:
        """Records that attacks ask for at once."""
        return BATCH

    @property
    def noise(self) -> tuple[bool, bool]:
        """Whether it draws random numbers, and whether it fixes their seed."""
        nodes = _parse(self.content).graph.node
        return any(map(noise.is_random, nodes)), any(map(noise.has_seed, nodes))

    def features_by_batch(
        self, x: NDArray[Any], batches: Batches, *, constant_noise: bool
    ) -> NDArray[np.float32]:
        """Features of these rows of x, batch by batch, one row each."""
        content = self.content
        if constant_noise:
            content = noise.with_constant_noise(_parse(content)).SerializeToString()
        feeds = [{"x": np.ascontiguousarray(x[list(rows)])} for rows in batches]
        z: NDArray[np.float32] = _run(content, feeds)[0]
        return z

    def check_batches(self, x: NDArray[Any]) -> None:
        """Check on some records that features do not depend on the other records of a batch."""
        check_batches(self, x)


def _parse(content: bytes) -> ModelProto:
    model = ModelProto()
    try:
        model.ParseFromString(content)
    # protobuf's DecodeError, which onnx does not pass on as a class.
    except Exception as error:
        raise ModelError(
            "ONNX file", f"no ONNX model, or one that was cut short ({type(error).__name__})",
            "a whole ONNX file", "run `dvc repro -f export`",
        ) from None  # fmt: skip
    return model


def _run(
    content: bytes,
    feeds: Sequence[Feed],
    outputs: Sequence[str] = ("z",),
    *,
    optimised: bool = True,
) -> list[NDArray[Any]]:
    """Each output, with those of all feeds joined."""
    try:
        session = open_session(content, untrusted=not optimised)
        found = [session.run(list(outputs), feed) for feed in feeds]
    except Exception as error:  # onnxruntime's errors have no common base class
        reason = str(error).strip().splitlines()[0][:200]
        first = next(iter(feeds[0].values()))
        shape, dtype = list(first.shape[1:]), first.dtype
        raise ModelError(
            "ONNX file", reason, f"one that turns x {shape} {dtype} into z",
            "run `dvc repro -f export`",
        ) from None  # fmt: skip
    return [np.concatenate(parts) for parts in zip(*found, strict=True)]


def _batches(arrays: Feed) -> list[Feed]:
    """Arrays of the same records, batch by batch."""
    records = len(next(iter(arrays.values())))
    rows = np.array_split(np.arange(records), max(1, -(-records // BATCH)))
    return [
        {
            name: np.ascontiguousarray(values[part[0] : part[-1] + 1])
            for name, values in arrays.items()
        }
        for part in rows
    ]


def _flat(z: NDArray[Any]) -> NDArray[np.float32]:
    """Features `[N, D]` of an output `[N, ...]`."""
    return z.reshape(len(z), -1).astype(np.float32)


def _noise_seed(model: bytes, x: NDArray[Any]) -> int:
    """A seed of 31 bits derived from the file and the records."""
    digest = hashlib.sha256(model)
    digest.update(np.ascontiguousarray(x).data)
    return int.from_bytes(digest.digest()[:4], "big") >> 1
