"""What a user states about an ONNX file of others, since it cannot be read from the file."""

from __future__ import annotations

from typing import Protocol


class ModelOptions(Protocol):
    """Statements about a file; None where nothing was stated."""

    @property
    def pixels(self) -> str | None:
        """Range of its pictures' values."""

    @property
    def size(self) -> int | None:
        """Height and width of its pictures in pixels."""

    @property
    def layout(self) -> str | None:
        """nchw or nhwc."""

    @property
    def channels(self) -> str | None:
        """rgb or bgr."""

    @property
    def output(self) -> str | None:
        """The output that is sent."""

    @property
    def pooling(self) -> str | None:
        """What becomes of an output for each token."""
