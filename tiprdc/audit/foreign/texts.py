"""The tokenizer of a text model of others, at the model's number of tokens."""

from __future__ import annotations

from pathlib import Path

from tiprdc.audit.foreign.request import AuditRequest
from tiprdc.datasets.manifest.inputs import fit_tokenizer_file
from tiprdc.datasets.reader import Fitted
from tiprdc.encoders.texts import fixed_lengths
from tiprdc.errors import ConfigError
from tiprdc.sandbox.model_info import ModelInfo


def tokenizer_path(request: AuditRequest) -> Path:
    """The tokenizer that is stated, or the one next to the model.

    Raises:
        ConfigError: There is no such file.
    """
    path = request.tokenizer or request.models[0].with_name("tokenizer.json")
    if not path.is_file():
        raise ConfigError(
            "--tokenizer", f"{path} does not exist", "a tokenizer.json",
            "save the tokenizer that the model was trained with (Hugging Face tokenizers)",
        )  # fmt: skip
    return path


def fit_texts(request: AuditRequest, model: ModelInfo) -> Fitted:
    """The model's tokenizer, cut and padded to the model's length or to `--length`.

    Raises:
        ConfigError: There is no tokenizer; the length is not known, or is not the model's.
        DataError: The file is no tokenizer.
    """
    path, lengths = tokenizer_path(request), fixed_lengths(model)
    lengths |= {request.length} if request.length else set()
    if len(lengths) > 1:
        raise ConfigError(
            "--length", request.length or "two lengths in the model",
            f"the model's, {', '.join(str(n) for n in sorted(lengths - {request.length}))}",
        )  # fmt: skip
    return fit_tokenizer_file(path, lengths.pop() if lengths else None)
