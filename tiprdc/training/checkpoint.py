"""Save, load and check a training checkpoint: all networks, the optimiser, the position. Private.

    checkpoint.json          architecture, next epoch, seed (all randomness follows from both),
                             rates, losses of each epoch
    networks.safetensors     weights and buffers of extractor, adversaries and critic
    optimiser.safetensors    Adam's moments

The critic was trained on x and the adversaries on u: a checkpoint resumes training and is never
published. `load_extractor` takes out the extractor alone.
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
from tiprdc.models.networks import build_extractor
from tiprdc.training.trainer import Trainer

_FORMAT = 2
_NETWORKS, _OPTIMISER = "networks.safetensors", "optimiser.safetensors"
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
    networks = {k: v.contiguous() for k, v in _networks(trainer).items()}
    save_file(networks, folder / _NETWORKS)
    save_file(moments, folder / _OPTIMISER)
    document = {
        "format": _FORMAT,
        "architecture": _architecture(trainer),
        "position": {"next_epoch": trainer.epoch, "seed": trainer.seed},
        "schedule": structs.asdict(trainer.schedule),
        "head": structs.asdict(trainer.head_config),
        "objective": structs.asdict(trainer.game.config),
        "optimiser": state["param_groups"],
        "history": trainer.history,
    }
    (folder / "checkpoint.json").write_text(json.dumps(document, indent=1) + "\n")


def load(trainer: Trainer, folder: Path) -> None:
    """Restore the state of a checkpoint in a new trainer.

    Raises:
        ModelError: The checkpoint is incomplete, damaged or of another architecture.
    """
    document = _read_document(folder)
    architecture = json.loads(json.dumps(_architecture(trainer)))
    for part, expected in architecture.items():
        value = document["architecture"].get(part)
        if value != expected:
            raise ModelError(
                str(folder), f"a checkpoint of another {part}: {_brief(value)}", _brief(expected),
                "delete this folder to start afresh, or set the old values in params.yaml",
            )  # fmt: skip
    device = str(trainer.worker.device)
    networks = _tensors(folder / _NETWORKS, device)
    last = document["position"]["next_epoch"] - 1
    if last >= trainer.schedule.epochs:
        networks = trainer.begin_head().load_state_dict(networks)
    trainer.game.load_state_dict(networks)
    parameters = [p for group in trainer.optimiser.param_groups for p in group["params"]]
    state: dict[int, dict[str, Tensor]] = {}
    for key, value in _tensors(folder / _OPTIMISER, device).items():
        number, name = key.split(".", 1)
        state.setdefault(int(number), {})[name] = _in_layout_of(parameters[int(number)], value)
    trainer.optimiser.load_state_dict({"state": state, "param_groups": document["optimiser"]})
    trainer.epoch = document["position"]["next_epoch"]
    trainer.history = document["history"]


def history(folder: Path) -> list[dict[str, float]]:
    """The mean losses of each epoch up to this checkpoint.

    Raises:
        ModelError: The checkpoint is incomplete or damaged.
    """
    losses: list[dict[str, float]] = _read_document(folder)["history"]
    return losses


def told_tasks(folder: Path) -> tuple[str, ...]:
    """The tasks that a checkpoint's training was told.

    Raises:
        ModelError: The checkpoint is incomplete or damaged.
    """
    return tuple(_read_document(folder)["architecture"]["told"])


def is_complete(folder: Path) -> bool:
    """Whether every file is complete: the process may have been killed while writing."""
    try:
        _read_document(folder)
        for name in (_NETWORKS, _OPTIMISER):
            with safe_open(folder / name, "pt"):
                pass
    except (ModelError, OSError, SafetensorError):
        return False
    return True


def load_extractor(folder: Path) -> Extractor:
    """The extractor of a checkpoint alone, folded and in evaluation mode, ready for export.

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
    extractor = build_extractor(
        ExtractorConfig(**raw["extractor"]), spec, raw["bottleneck"], tuple(raw["private"].values())
    )
    networks = _tensors(folder / _NETWORKS, "cpu")
    extractor.load_state_dict(
        {k.removeprefix(_EXTRACTOR): v for k, v in networks.items() if k.startswith(_EXTRACTOR)}
    )
    extractor.fold()
    return extractor.eval()


def _networks(trainer: Trainer) -> dict[str, Tensor]:
    phase = trainer.phase
    return {**trainer.game.state_dict(), **(phase.state_dict() if phase else {})}


def _architecture(trainer: Trainer) -> dict[str, Any]:
    game = trainer.game
    return {
        "input": asdict(game.spec),
        "extractor": structs.asdict(game.extractor_config.without_pretrained()),
        "private": game.private,
        "told": trainer.told,
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
                str(path), f"a checkpoint of format {document['format']}", f"format {_FORMAT}",
                "delete the folder and train again",
            )  # fmt: skip
        return document
    except FileNotFoundError:
        raise ModelError(str(path), "no such file", hint="run `dvc repro train` first") from None
    except (json.JSONDecodeError, KeyError) as error:
        raise ModelError(
            str(path), f"damaged ({type(error).__name__})",
            hint="delete the folder and train again",
        ) from error  # fmt: skip


def _tensors(path: Path, device: str) -> dict[str, Tensor]:
    try:
        return load_file(path, device=device)
    except (FileNotFoundError, SafetensorError) as error:
        raise ModelError(
            str(path), f"missing or damaged ({type(error).__name__})",
            hint="delete the folder and train again",
        ) from error  # fmt: skip


def _in_layout_of(parameter: Tensor, moment: Tensor) -> Tensor:
    """A moment in the memory layout of its parameter: fused AdamW assumes it without a check."""
    if moment.shape != parameter.shape:
        return moment
    return torch.empty_like(parameter).copy_(moment)


def _brief(value: object) -> str:
    text = json.dumps(value)
    return text if len(text) <= 200 else text[:200] + " ..."
