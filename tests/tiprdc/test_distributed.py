"""Two workers with half of each batch train as one worker with the whole batch does."""

from __future__ import annotations

import functools
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import torch.distributed as dist
import torch.multiprocessing
from torch import Tensor, nn

from tests.helpers.trainers import without_records
from tiprdc.attacks.cross_fitting import cross_fit
from tiprdc.datasets.schema import Modality, Records, Schema, read_schema, read_split
from tiprdc.distributed import SINGLE_PROCESS, BatchGroup, attach_group
from tiprdc.models import published
from tiprdc.models.extractor import ExtractorConfig
from tiprdc.models.inputs import InputSpec
from tiprdc.models.networks import Networks, build_networks
from tiprdc.models.trunks.backbone import Backbone
from tiprdc.models.trunks.batch_norm import BatchNorm
from tiprdc.training.head import phase as head_phase
from tiprdc.training.head.config import HeadConfig
from tiprdc.training.head.training import HeadLosses
from tiprdc.training.objective_config import ObjectiveConfig
from tiprdc.training.out_of_fold import out_of_fold_targets, predict_out_of_fold
from tiprdc.training.schedule_config import ScheduleConfig
from tiprdc.training.trainer import Trainer
from tiprdc.training.worker import WorkerContext

MakeShards = Callable[..., Schema]
Result = dict[str, Any]
Results = tuple[dict[str, Result], list[dict[str, Result]]]
WORLD, STEPS = 2, 5
HEAD, TRANSPORT = "head", "transport"
MODALITIES: tuple[Modality, ...] = ("image", "table", "text")
NO_KERNEL = {"kernel_adversary": 0.0, "memory": 0}
CASES: dict[str, tuple[Modality, dict[str, Any], dict[str, Any]]] = {
    # Batches of 19: the workers' parts differ in size.
    "infonce": ("image", {"negatives": 7, "noise": 0.3}, {"clip": 3.0, "release_noise": 0.2}),
    "jsd": ("image", {"mi_estimator": "jsd", "negatives": 3}, {}),
    "donsker_varadhan": ("image", {"mi_estimator": "donsker_varadhan", "reconstruction": 1.0}, {}),
    "decoding": ("image", {"adversary_decoder": True, "refit_every": 2}, {}),
    "decoding columns": ("table", {"adversary_decoder": True, "refit_every": 2}, {}),
    "table": ("table", {"refit_every": 2, "budget_step": 0.5, "memory": 64}, {}),
    "text": ("text", {"mi_estimator": "donsker_varadhan", "reconstruction": 1.0}, {}),
    "lstm": ("text", {}, {"family": "lstm"}),
    "cross_fit": ("table", {"cross_fit": True, "refit_every": 2}, {}),
    "entropy": ("table", {**NO_KERNEL, "adversaries": 2, "adversary_steps": 2}, {}),
    "cross_entropy": ("image", {"adversaries": 1, "confusion_loss": "cross_entropy"}, {}),
    "bottleneck": (
        "image",
        {**NO_KERNEL, "bottleneck": 0.5, "negatives": 7},
        {"clip": 3.0, "bits": 4},
    ),
    "published": (
        "image",
        {**NO_KERNEL, "adversaries": 1, "mi_estimator": "jsd", "negatives": 1},
        {},
    ),
}


def _published(*arguments: Any) -> Networks:
    """The paper's networks, with one convolution in place of each of VGG's groups of blocks, and
    without dropout, which each worker draws for itself."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(published, "vgg16_bn_blocks", _blocks)
        return published.published_networks(*arguments, width=64, dropout=0.0)


def _blocks(first: int, last: int) -> nn.Sequential:
    channels, width = (3, 128) if first == 1 else (128, 512)
    convolution = nn.Conv2d(channels, width, 3, padding=1)
    pool = nn.MaxPool2d(2 ** (last - first + 1))
    return nn.Sequential(convolution, BatchNorm(width), nn.ReLU(), pool)


def _trainer(case: str, schema: Schema, worker: WorkerContext) -> Trainer:
    _, objective, extractor = CASES[case]
    trainer = Trainer(
        ObjectiveConfig(**{"memory": 128, **objective}),
        ExtractorConfig(**{"width": 8, "features": 6, **extractor}),
        ScheduleConfig(epochs=1, batch=19, warm_up=0),
        InputSpec.of(schema),
        {"secret": 2},
        seed=3,
        worker=worker,
        cross_fit=cross_fit,
        network_factory=_published if case == "published" else build_networks,
    )
    if case == "lstm":
        _enlarge_embeddings(trainer.game)
    return trainer


def _enlarge_embeddings(game: nn.Module) -> None:
    """Embeddings as large as torch's own. With small ones an LSTM's first features hardly differ,
    and whitening amplifies their rounding, on some processors above the tolerance here."""
    for module in game.modules():
        if isinstance(module, nn.Embedding):
            with torch.no_grad():
                module.weight.mul_(20)


def _train(case: str, folder: Path, worker: WorkerContext) -> Result:
    schema = read_schema(folder / CASES[case][0])
    records = read_split(folder / CASES[case][0], schema, "extractor-train")
    if case == "published":
        records, schema = _upscale(records, schema)
    trainer = _trainer(case, schema, worker)
    if trainer.game.config.cross_fit:
        predictions = predict_out_of_fold(
            records, trainer.game.spec, trainer.game.private, cross_fit, seed=3
        )
        trainer._targets = out_of_fold_targets(trainer.game, predictions)
    trainer._seed_epoch()
    trainer.game.train()
    trainer._pressure = 1.0
    x, u = torch.from_numpy(records.x), torch.from_numpy(records.labels["secret"])[:, None]
    gradients: dict[str, Tensor] = {}
    losses = []
    for number in range(STEPS):
        rows = list(trainer._epoch_batches(len(records)))[number % 4]
        step_losses, z = trainer._descend(x[rows], u[rows], targets=trainer._targets_of(rows))
        losses.append([float(value.detach()) for value in step_losses])
        gradients = gradients or _gradients(trainer.game)
        if trainer.game.config.adversaries:
            trainer._descend(x[rows], u[rows], z)
    return {"losses": losses, "gradients": gradients, "state": _state(trainer.game)}


def _train_head(folder: Path, worker: WorkerContext) -> Result:
    """An epoch of the head, of `STEPS` steps, behind a trunk that has not learnt."""
    schema = read_schema(folder / "table")
    records = read_split(folder / "table", schema, "extractor-train")
    trainer = Trainer(
        ObjectiveConfig(),
        ExtractorConfig(width=8, features=6, head=16, release_noise=0.3),
        ScheduleConfig(epochs=1, batch=19),
        InputSpec.of(schema), {"secret": 2}, seed=3, worker=worker,
        head=HeadConfig(epochs=2, batch=19),
    )  # fmt: skip
    trainer.epoch = 1
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(head_phase, "STEPS", STEPS)
        losses = trainer.train_epoch(records)
    figures = [losses[name] for name in HeadLosses._fields]
    return {"losses": figures, "state": _state(trainer.game)}


def _train_behind_transport(folder: Path, worker: WorkerContext) -> Result:
    """An epoch of the head, of `STEPS` steps, behind a transport."""
    schema = read_schema(folder / TRANSPORT)
    records = read_split(folder / TRANSPORT, schema, "extractor-train")
    trainer = Trainer(
        ObjectiveConfig(privacy_weight=0.0, kernel_adversary=0.0, memory=0),
        ExtractorConfig(family="pca", features=4, head=16, release_noise=0.3),
        ScheduleConfig(epochs=1, batch=32),
        InputSpec.of(schema), {"secret": 2}, seed=3, worker=worker,
        head=HeadConfig(epochs=1, batch=32),
    )  # fmt: skip
    z0 = torch.randn(len(records), 4, generator=torch.Generator().manual_seed(0))
    known = torch.from_numpy(records.labels["secret"])[:, None]
    trainer.skip_trunk(without_records(z0, known, schema))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(head_phase, "STEPS", STEPS)
        losses = trainer.train_epoch(records)
    figures = [losses[name] for name in HeadLosses._fields]
    return {"losses": figures, "state": _state(trainer.game)}


def _upscale(records: Records, schema: Schema) -> tuple[Records, Schema]:
    """Pictures that the published networks can halve five times."""
    x = np.kron(records.x, np.ones((1, 1, 2, 2), np.uint8))
    return replace(records, x=x), replace(schema, shape=x.shape[1:])


def _gradients(game: nn.Module) -> dict[str, Tensor]:
    return {k: p.grad.clone() for k, p in game.named_parameters() if p.grad is not None}


def _state(game: nn.Module) -> dict[str, Tensor]:
    return {name: tensor.clone() for name, tensor in game.state_dict().items()}


def _worker(rank: int, folder: Path) -> None:
    torch.set_num_threads(1)
    rendezvous = f"file://{folder}/rendezvous"
    dist.init_process_group("gloo", init_method=rendezvous, rank=rank, world_size=WORLD)
    wrap = functools.partial(
        nn.parallel.DistributedDataParallel, find_unused_parameters=True, broadcast_buffers=False
    )
    worker = WorkerContext(rank=rank, world=WORLD, wrap=wrap)
    results = {case: _train(case, folder, worker) for case in CASES}
    results[HEAD] = _train_head(folder, worker)
    results[TRANSPORT] = _train_behind_transport(folder, worker)
    torch.save(results, folder / f"{rank}.pt")
    dist.destroy_process_group()


@pytest.fixture(scope="module")
def results(tmp_path_factory: pytest.TempPathFactory, make_shards: MakeShards) -> Results:
    """The result of one worker, and of each of two."""
    folder = tmp_path_factory.mktemp("group")
    for modality in MODALITIES:
        make_shards(folder / modality, modality)
    make_shards(folder / TRANSPORT, "table", people=201)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("GLOO_SOCKET_IFNAME", "lo")
        torch.multiprocessing.spawn(_worker, (folder,), nprocs=WORLD)
    one = {case: _train(case, folder, WorkerContext()) for case in CASES}
    one[HEAD] = _train_head(folder, WorkerContext())
    one[TRANSPORT] = _train_behind_transport(folder, WorkerContext())
    return one, [torch.load(folder / f"{rank}.pt") for rank in range(WORLD)]


@pytest.mark.parametrize("phase", [HEAD, TRANSPORT])
def test_two_workers_train_what_is_behind_the_trunk_as_one_does(
    phase: str, results: Results
) -> None:
    one = results[0][phase]
    for worker in results[1]:
        np.testing.assert_allclose(worker[phase]["losses"], one["losses"], rtol=1e-3, atol=1e-5)
        for name, value in one["state"].items():
            np.testing.assert_allclose(
                worker[phase]["state"][name], value, rtol=1e-3, atol=1e-4, err_msg=name
            )


@pytest.mark.parametrize("case", CASES)
def test_two_workers_equal_one(case: str, results: Results) -> None:
    one, two = results[0][case], [worker[case] for worker in results[1]]
    for worker in two:
        np.testing.assert_allclose(worker["losses"][0], one["losses"][0], rtol=1e-4, atol=1e-6)
        assert worker["gradients"].keys() == one["gradients"].keys()
        for network, (a, b) in _by_network(worker["gradients"], one["gradients"]).items():
            assert float((a - b).norm()) <= 1e-4 * float(b.norm()), network
        for network, (a, b) in _by_network(worker["state"], one["state"]).items():
            assert float((a - b).norm()) <= 1e-3 * float(b.norm()), network
    for name, tensor in two[0]["state"].items():
        assert torch.equal(tensor, two[1]["state"][name]), name


def _by_network(
    first: dict[str, Tensor], second: dict[str, Tensor]
) -> dict[str, tuple[Tensor, Tensor]]:
    """The tensors of each network, and each tensor of the kernel adversary, as one vector."""
    names = {name if name.startswith("kernel") else name.split(".")[0] for name in second}
    return {name: (_flat(first, name), _flat(second, name)) for name in sorted(names)}


def _flat(tensors: dict[str, Tensor], name: str) -> Tensor:
    return torch.cat([t.flatten().double() for k, t in tensors.items() if k.startswith(name)])


def test_world_of_one_returns_its_arguments() -> None:
    t, rows = torch.randn(3, 2), torch.arange(3)
    assert SINGLE_PROCESS.split(rows) is rows
    assert SINGLE_PROCESS.local_part(t) is t
    assert SINGLE_PROCESS.all_gather(t, rows) == (t, rows)
    assert SINGLE_PROCESS.all_gather_with_grad(t) == (t,)
    assert SINGLE_PROCESS.mean(t) is t
    assert SINGLE_PROCESS.moments(t, t) == (t, t)
    assert SINGLE_PROCESS.records(3) == 3


def test_parts_are_contiguous_and_differ_in_size_by_one_at_most() -> None:
    rows = torch.arange(11)
    parts = [BatchGroup(rank, 4).split(rows) for rank in range(4)]
    assert torch.equal(torch.cat(parts), rows)
    assert [len(part) for part in parts] == [3, 3, 3, 2]


def test_noise_is_this_workers_part_of_the_single_process_noise() -> None:
    torch.manual_seed(0)
    whole = torch.randn(11, 5)
    for rank in range(2):
        group = BatchGroup(rank, 2)
        part = group.split(whole)
        torch.manual_seed(0)
        assert torch.equal(group.randn_like(part), part)


@pytest.mark.parametrize("family", ["resnet18", "vgg16_bn", "mobilenet_v3_small"])
def test_every_batch_norm_of_a_backbone_gets_the_group(family: Any) -> None:
    network, group = Backbone(family, 1, (32, 32), 4), BatchGroup(0, 2)
    attach_group(network, group)
    norms = [module for module in network.modules() if isinstance(module, nn.BatchNorm2d)]
    assert norms
    assert all(isinstance(norm, BatchNorm) and norm.group is group for norm in norms)
