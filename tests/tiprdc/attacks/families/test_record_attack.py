"""Record attacks find leaks that labels alone do not show, and none where there is none."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from tests.helpers.attack_trials import try_one
from tiprdc.attacks import suite
from tiprdc.attacks.base import TrainingSet
from tiprdc.attacks.families import record_attack
from tiprdc.attacks.families.record_attack import MAX_PIXELS, train_holdout_split
from tiprdc.audit.config import AuditConfig
from tiprdc.errors import ConfigError

RECORD_ATTACKS = [name for name, attack in suite.ATTACKS.items() if attack.needs_records]
DIRECT = ("logistic_regression", "quadratic", "gradient_boosting", "nearest_neighbours", "kernel")
KINDS = ("flat", "picture", "text")
TRAIN, CLUSTERS = 600, 8


@pytest.fixture(autouse=True)
def one_thread() -> None:
    torch.set_num_threads(1)


def ring(
    kind: str, people: int = 1200, label_accuracy: float = 0.8
) -> tuple[NDArray[np.float32], NDArray[np.generic], NDArray[np.int64]]:
    """Eight clusters on a ring, neighbours of unlike class; records show the cluster.

    Labels are right for four people in five, and there are few: they hardly show the ring. Pairs of
    features and records show all of it without a label.
    """
    rng = np.random.default_rng(0)
    cluster = rng.integers(CLUSTERS, size=people)
    angle = 2 * np.pi * (cluster + rng.uniform(-0.3, 0.3, people)) / CLUSTERS
    z = rng.normal(size=(people, 8)).astype(np.float32)
    z[:, 0], z[:, 1] = 2 * np.cos(angle), 2 * np.sin(angle)
    u = np.where(rng.random(people) < label_accuracy, cluster % 2, 1 - cluster % 2)
    if kind == "flat":
        x = np.eye(CLUSTERS)[cluster] + 0.1 * rng.normal(size=(people, CLUSTERS))
        return z, x.astype(np.float32), u
    if kind == "text":
        ids = rng.integers(20, 30, size=(people, 6)).astype(np.int32)
        ids[:, 3] = 1 + cluster
        return z, ids, u
    pictures = rng.integers(0, 60, size=(people, 1, CLUSTERS, CLUSTERS)).astype(np.uint8)
    pictures[np.arange(people), 0, cluster] = 255
    return z, pictures, u


def recovered(name: str, kind: str, label_accuracy: float = 0.8) -> float:
    z, x, u = ring(kind, label_accuracy=label_accuracy)
    train, select = (z[:TRAIN], u[:TRAIN]), (z[TRAIN:], u[TRAIN:])
    trial = try_one(name, train, select, 2, x=x[:TRAIN])
    assert trial.select is not None, trial.status
    return trial.select


def test_record_attacks_beat_direct_attacks_with_few_labels() -> None:
    direct = max(recovered(name, "flat") for name in DIRECT)
    assert direct < 0.62
    for name in RECORD_ATTACKS:
        assert recovered(name, "flat") > direct + 0.08


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("name", RECORD_ATTACKS)
def test_record_attacks_work_on_every_kind_of_record(name: str, kind: str) -> None:
    assert recovered(name, kind) > 0.58


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("name", RECORD_ATTACKS)
def test_random_labels_leave_the_prior(name: str, kind: str) -> None:
    assert abs(recovered(name, kind, label_accuracy=0.5) - 0.5) < 0.08


@pytest.mark.parametrize("name", RECORD_ATTACKS)
def test_records_of_other_people_do_not_help(name: str) -> None:
    z, x, u = ring("flat")
    train, select = (z[:TRAIN], u[:TRAIN]), (z[TRAIN:], u[TRAIN:])
    other = np.random.default_rng(1).permutation(x[:TRAIN])
    assert (try_one(name, train, select, 2, x=other).select or 1) < 0.6


@pytest.mark.parametrize("name", RECORD_ATTACKS)
def test_features_without_information_leave_the_prior_whatever_the_records(name: str) -> None:
    rng = np.random.default_rng(0)
    u = rng.integers(2, size=1200)
    x = (u[:, None] + 0.1 * rng.normal(size=(1200, 4))).astype(np.float32)
    noise = rng.normal(size=(1200, 5)).astype(np.float32)
    for z, most in ((noise, 0.06), (np.ones_like(noise), 0.0)):
        train, select = (z[:TRAIN], u[:TRAIN]), (z[TRAIN:], u[TRAIN:])
        trial = try_one(name, train, select, 2, x=x[:TRAIN])
        assert abs((trial.select or 0) - 0.5) <= most


@pytest.mark.parametrize("name", RECORD_ATTACKS)
def test_same_seed_gives_same_bits_on_read_only_arrays(name: str) -> None:
    z, x, u = ring("picture", people=60)
    for array in (z, x, u):
        array.flags.writeable = False
    data = TrainingSet(z=z, labels={"u": u}, classes={"u": 3}, x=x)
    probabilities = [
        suite.ATTACKS[name].fit_targets(data, ("u",), 5, 2)["u"].probabilities(z) for _ in range(2)
    ]
    assert np.array_equal(probabilities[0], probabilities[1])
    assert probabilities[0].shape == (60, 3)


@pytest.mark.parametrize("name", RECORD_ATTACKS)
def test_missing_records_fail_with_a_message(name: str) -> None:
    z, x, u = ring("flat", people=60)
    for records in (None, x[:-1]):
        status = try_one(name, (z, u), (z, u), 2, x=records).status
        words = f"{name} needs the records of attacker-train, one for each z"
        assert status == f"failed: ValueError: {words}"


def test_record_attacks_are_refused_on_raw_records() -> None:
    with pytest.raises(ConfigError, match="an attack that needs no records"):
        AuditConfig(raw=("decoding",))
    with pytest.raises(ConfigError, match=r"tune\.attacks"):
        suite.attack_named("decensoring", "tune.attacks")
    assert {*RECORD_ATTACKS} <= {*AuditConfig().attacks}
    assert AuditConfig(probes=("decoding",)).probes == ("decoding",)


def test_large_pictures_are_averaged_down() -> None:
    x = np.zeros((600, 3, 64, 40), np.uint8)
    x[:, :, ::2] = 255
    small = record_attack._downsample(x)
    assert small.shape == (600, 3, MAX_PIXELS, MAX_PIXELS)
    assert set(np.unique(small)) == {128}
    assert record_attack._downsample(small) is small


def test_map_is_chosen_on_holdout_pairs() -> None:
    z, u = np.arange(200)[:, None], np.arange(200) % 2
    (inside, fit_targets), (outside, holdout_targets) = train_holdout_split(z, 2 * z, u, 0)
    assert not {*inside[:, 0]} & {*outside[:, 0]}
    assert len(inside) + len(outside) == 200
    assert np.array_equal(fit_targets, 2 * inside)
    assert np.array_equal(holdout_targets, 2 * outside)


def test_constant_features_of_wide_records_give_no_warning() -> None:
    x = np.random.default_rng(0).integers(0, 256, size=(60, 3, 20, 20)).astype(np.uint8)
    z, u = np.ones((60, 4), np.float32), np.arange(60) % 2
    trial = try_one("decoding", (z, u), (z, u), 2, x=x)
    assert (trial.status, trial.select) == ("ok", 0.5)
