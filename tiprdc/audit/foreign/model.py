"""A foreign ONNX file under audit: adapts records to its inputs and runs it in the sandbox."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import msgspec
import numpy as np
from numpy.typing import NDArray

from tiprdc.attacks.draws import draws_of
from tiprdc.audit.batch_check import Batches, check_batches
from tiprdc.datasets.schema import Modality
from tiprdc.encoders.output import output_notes
from tiprdc.encoders.texts import is_text_encoder
from tiprdc.errors import ModelError
from tiprdc.formats.files import sanitize, sha256
from tiprdc.sandbox import runner
from tiprdc.sandbox.execution import Feed, Run
from tiprdc.sandbox.model_info import ModelInfo


class Adapter(Protocol):
    """Converts records as our readers return them to a model's inputs."""

    def __call__(self, x: NDArray[Any]) -> Feed:
        """The inputs for records `[N, ...]`."""

    def notes(self) -> Iterator[str]:
        """What the report says about it."""


@dataclass(frozen=True)
class ForeignModel:
    """A file that is validated and run in the sandbox (tiprdc/sandbox/runner.py).

    Args:
        path: The file.
        info: Its inputs, outputs and digest when it was validated.
        adapter: Converts records to its inputs.
        run: Which output holds the features.
    """

    path: Path
    info: ModelInfo
    adapter: Adapter
    run: Run

    @property
    def sha256(self) -> str:
        """Digest of the file that was validated."""
        return self.info.sha256

    @property
    def name(self) -> str:
        """The file, for messages."""
        return sanitize(str(self.path))

    @property
    def batch(self) -> int | None:
        """Fixed batch size, or None for any."""
        return self.info.batch

    @property
    def attack_batch(self) -> int:
        """Records that attacks ask for at once."""
        return self.info.batch or self.run.batch

    @property
    def noise(self) -> tuple[bool, bool]:
        """Whether it draws random numbers, and whether it fixes their seed."""
        return self.info.is_random, self.info.seeded

    def features(self, x: NDArray[Any]) -> NDArray[np.float32]:
        """Features `[N, D]`, flattened.

        Raises:
            ModelError: The file is refused, fails on these records, or has changed.
        """
        z = self._run(x, self.run).reshape(len(x), -1)
        if sha256_of(self.path) != self.sha256:
            raise ModelError(str(self.path), "the file changed while it was audited")
        return z

    def redraw(self, x: NDArray[Any], records: int) -> NDArray[np.float32]:
        """Features of the same records with several draws of the noise `[R, N, D]`.

        Raises:
            ModelError: The file is refused, fails on these records, or has changed.
        """
        first = self.features(x)
        further = draws_of(records, first.shape[1]) - 1 if self.noise == (True, False) else 0
        return np.stack([first, *(self.features(x) for _ in range(further))])

    def features_by_batch(
        self, x: NDArray[Any], batches: Batches, *, constant_noise: bool
    ) -> NDArray[np.float32]:
        """Features of these rows of x, batch by batch, one row each."""
        how = msgspec.structs.replace(self.run, batches=batches, constant_noise=constant_noise)
        return self._run(x, how)

    def check_batches(self, x: NDArray[Any]) -> None:
        """Check on some records that features do not depend on the other records of a batch."""
        check_batches(self, x)

    def notes(self) -> Iterator[str]:
        """What the report says about how the file was run."""
        yield from self.adapter.notes()
        yield from output_notes(self.info, self.run)

    def _run(self, x: NDArray[Any], how: Run) -> NDArray[np.float32]:
        return runner.run(self.path, self.adapter(x), how, info=self.info)


def sha256_of(path: Path) -> str:
    """Current digest of a file; empty if it cannot be read."""
    try:
        return sha256(path)
    except OSError:
        return ""


def infer_modality(model: ModelInfo) -> Modality:
    """The most likely modality: three axes are a picture, integers are token ids."""
    if is_text_encoder(model):
        return "text"
    if len(model.inputs) > 1:
        return "table"
    (only,) = model.inputs
    if len(only.shape or ()) == 3:
        return "image"
    return "text" if only.dtype in ("int32", "int64") else "table"
