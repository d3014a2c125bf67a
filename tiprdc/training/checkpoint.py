"""A checkpoint on disk: every player, the optimiser and where the run stands. Private.

    checkpoint.json          architecture, next epoch, seed (all randomness follows from both),
                             rates, losses of each epoch
    players.safetensors      weights and buffers of extractor, adversaries and critic
    optimiser.safetensors    Adam's moments

The critic has seen x and the adversaries u: a checkpoint resumes training and never leaves. The
extractor alone is taken out by `load_extractor`.
"""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path
from typing import Any

import torch
from msgspec import structs
from safetensors import SafetensorError, safe_open
from safetensors.torch import load_file, save_file
from torch import Tensor

from tiprdc.datasets.schema import Column
from tiprdc.errors import ModelError
from tiprdc.models.extractor import Extractor, ExtractorConfig
from tiprdc.models.inputs import InputSpec
from tiprdc.training.trainer import Trainer

_FORMAT = 1
_EXTRACTOR = "extractor."


def save(trainer: Trainer, folder: Path) -> None:
    """Write a checkpoint; the folder is complete only with `checkpoint.json`, written last."""
    folder.mkdir(parents=True, exist_ok=True)
    state = trainer.optimiser.state_dict()
    moments = {
        f"{number}.{name}": torch.as_tensor(value).contiguous()
        for number, entry in state["state"].items()
        for name, value in entry.items()
    }
    players = {k: v.contiguous() for k, v in trainer.game.state_dict().items()}
    save_file(players, folder / "players.safetensors")
    save_file(moments, folder / "optimiser.safetensors")
    document = {
        "format": _FORMAT,
        "architecture": _architecture(trainer),
        "position": {"next_epoch": trainer.epoch, "seed": trainer.seed},
        "schedule": structs.asdict(trainer.schedule),
        "game": structs.asdict(trainer.game.config),
        "optimiser": state["param_groups"],
        "history": trainer.history,
    }
    (folder / "checkpoint.json").write_text(json.dumps(document, indent=1) + "\n")


def load(trainer: Trainer, folder: Path) -> None:
    """Bring a new trainer to where the checkpoint stands.

    Raises:
        ModelError: The checkpoint is incomplete, damaged or of another architecture.
    """
    document = _read_document(folder)
    expected = json.loads(json.dumps(_architecture(trainer)))
    for part, wanted in expected.items():
        found = document["architecture"].get(part)
        if found != wanted:
            raise ModelError(
                str(folder), f"a checkpoint of another {part}: {_brief(found)}", _brief(wanted),
                "delete this folder to start afresh, or set the old values in params.yaml",
            )  # fmt: skip
    device = str(trainer.place.device)
    trainer.game.load_state_dict(_tensors(folder / "players.safetensors", device))
    parameters = [p for group in trainer.optimiser.param_groups for p in group["params"]]
    state: dict[int, dict[str, Tensor]] = {}
    for key, value in _tensors(folder / "optimiser.safetensors", device).items():
        number, name = key.split(".", 1)
        state.setdefault(int(number), {})[name] = _laid_out(value, parameters[int(number)])
    trainer.optimiser.load_state_dict({"state": state, "param_groups": document["optimiser"]})
    trainer.epoch = document["position"]["next_epoch"]
    trainer.history = document["history"]


def history(folder: Path) -> list[dict[str, float]]:
    """Each epoch's mean losses up to this checkpoint, each epoch once.

    Raises:
        ModelError: The checkpoint is incomplete or damaged.
    """
    losses: list[dict[str, float]] = _read_document(folder)["history"]
    return losses


def is_whole(folder: Path) -> bool:
    """Whether each file is there to its last byte: a kill may have come while it was written."""
    try:
        _read_document(folder)
        for name in ("players.safetensors", "optimiser.safetensors"):
            with safe_open(folder / name, "pt"):
                pass
    except (ModelError, OSError, SafetensorError):
        return False
    return True


def load_extractor(folder: Path) -> Extractor:
    """The extractor of a checkpoint, ready to ship (folded, in evaluation mode), and nothing else.

    Raises:
        ModelError: The checkpoint is incomplete or damaged.
    """
    document = _read_document(folder)
    raw = document["architecture"]
    spec = raw["input"]
    columns = tuple(
        Column(**{**column, "categories": tuple(column["categories"])})
        for column in spec["columns"]
    )
    spec = InputSpec(**{**spec, "shape": tuple(spec["shape"]), "columns": columns})
    extractor = Extractor(ExtractorConfig(**raw["extractor"]), spec)
    if raw["bottleneck"]:
        extractor.learn_scale()
    players = _tensors(folder / "players.safetensors", "cpu")
    extractor.load_state_dict(
        {k.removeprefix(_EXTRACTOR): v for k, v in players.items() if k.startswith(_EXTRACTOR)}
    )
    extractor.fold()
    return extractor.eval()


def _architecture(trainer: Trainer) -> dict[str, Any]:
    game = trainer.game
    return {
        "input": asdict(game.spec),
        "extractor": structs.asdict(game.extractor_config.started()),
        "private": game.private,
        "adversaries": game.config.adversaries,
        "reconstruction": bool(game.config.reconstruction),
        "bottleneck": bool(game.config.bottleneck),
        "memory": game.config.memory,
    }


def _read_document(folder: Path) -> dict[str, Any]:
    path = folder / "checkpoint.json"
    try:
        document: dict[str, Any] = json.loads(path.read_text())
        if document["format"] != _FORMAT:
            raise ModelError(
                str(path),
                f"format {document['format']}",
                f"format {_FORMAT}",
                "train again",
            )
        return document
    except FileNotFoundError:
        raise ModelError(
            str(path), "no such file", "a checkpoint", "run `dvc repro train` first"
        ) from None
    except (json.JSONDecodeError, KeyError) as error:
        raise ModelError(
            str(path),
            f"damaged ({type(error).__name__})",
            "a checkpoint",
            "train again",
        ) from error


def _tensors(path: Path, device: str) -> dict[str, Tensor]:
    try:
        return load_file(path, device=device)
    except (FileNotFoundError, SafetensorError) as error:
        raise ModelError(
            str(path), f"missing or damaged ({type(error).__name__})", "a safetensors file",
            "delete the folder and train again",
        ) from error  # fmt: skip


def _laid_out(moment: Tensor, parameter: Tensor) -> Tensor:
    """In memory as its parameter: the fused AdamW walks both side by side without a check."""
    if moment.shape != parameter.shape:
        return moment
    return torch.empty_like(parameter).copy_(moment)


def _brief(value: object) -> str:
    text = json.dumps(value)
    return text if len(text) <= 200 else text[:200] + " ..."
