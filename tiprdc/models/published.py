"""The paper's own networks for pictures, for comparison and benchmarks.

    extractor   VGG16-BN blocks 1 and 2; z is a map [B, 128, H/4, W/4], larger than the picture
    adversary   blocks 3 to 5 on z, then 4096-4096-K with dropout
    critic      blocks 1 to 5 on x, the same blocks 3 to 5 on z; both flat and joined with one-hot
                u, then 4096-512-1 with dropout: one score T(x, z, u) for a record

The critic scores B true and R x B false triples. Its two trunks run once each: the false records
are the rolled batch, so their trunk features are the rolled trunk features, and z is the same in
all triples. The published code runs both trunks for each of the R + 1 scores.

Source: Li et al. 2020 (TIPRDC) and its repository. Pictures of any size from 32 x 32 are accepted;
the published ones are 218 x 178.
"""

from __future__ import annotations

import itertools
from collections.abc import Mapping

import torch
from torch import Tensor, nn

from tiprdc.distributed import SINGLE_PROCESS, BatchGroup
from tiprdc.errors import ConfigError
from tiprdc.models.extractor import ExtractorConfig
from tiprdc.models.inputs import InputSpec, normaliser
from tiprdc.models.networks import Networks
from tiprdc.models.trunks.torchvision_families import vgg16_bn_blocks
from tiprdc.objectives.estimators import ESTIMATORS, MiEstimator

_CHANNELS = 512


class PublishedExtractor(nn.Module):
    """Raw pictures `[B, 3, H, W]` -> a map `[B, 128, H/4, W/4]`, sides rounded down."""

    def __init__(self, spec: InputSpec) -> None:
        super().__init__()
        self.normalise = normaliser(spec)
        self.blocks = vgg16_bn_blocks(1, 2)

    def forward(self, x: Tensor) -> Tensor:
        z: Tensor = self.blocks(self.normalise(x))
        return z


class PublishedAdversary(nn.Module):
    """A map `[B, 128, H/4, W/4]` -> logits `[B, K]`.

    Args:
        positions: Positions in the map after block 5.
        classes: K.
        width: Units of both hidden layers.
        dropout: Share of them that is zeroed in training.
    """

    def __init__(self, positions: int, classes: int, *, width: int, dropout: float) -> None:
        super().__init__()
        self.blocks = vgg16_bn_blocks(3, 5)
        self.head = _head([_CHANNELS * positions, width, width, classes], dropout)

    def forward(self, z: Tensor) -> Tensor:
        logits: Tensor = self.head(self.blocks(z).flatten(1))
        return logits


class PublishedCritic(nn.Module):
    """J(x; z, u) of a batch from one score for each record.

    Args:
        spec: What a record is.
        positions: Positions in the map after block 5.
        classes: Total number of classes of all private attributes.
        width: Units of the first hidden layer; the second has an eighth.
        dropout: Share of them that is zeroed in training.
    """

    group: BatchGroup = SINGLE_PROCESS

    def __init__(
        self, spec: InputSpec, positions: int, classes: int, *, width: int, dropout: float
    ) -> None:
        super().__init__()
        self.normalise = normaliser(spec)
        self.early = vgg16_bn_blocks(1, 2)
        self.late = vgg16_bn_blocks(3, 5)
        self.head = _head([2 * _CHANNELS * positions + classes, width, width // 8, 1], dropout)

    def forward(
        self, x: Tensor, z: Tensor, u: Tensor, negatives: int, mi_estimator: MiEstimator = "jsd"
    ) -> Tensor:
        """J of true triples against triples with another record.

        Args:
            x: Records `[B, 3, H, W]`.
            z: Features `[B, 128, H/4, W/4]`.
            u: One-hot private attributes, joined `[B, K]`.
            negatives: Other records to compare each record with, 1 to B - 1.
            mi_estimator: The estimator, in `ESTIMATORS`; the paper's is jsd.

        Returns:
            A scalar, higher where z keeps more.
        """
        record = self.late(self.early(self.normalise(x))).flatten(1)
        zu = torch.cat([self.late(z).flatten(1), u], dim=1)
        (records,) = self.group.all_gather_with_grad(record)
        others = [self.group.local_part(records.roll(r, 0)) for r in range(negatives + 1)]
        triples = torch.cat([torch.cat([other, zu], dim=1) for other in others])
        scores = self.head(triples).float().view(negatives + 1, len(x))
        scores = self.group.all_gather(scores.T)[0].T
        return ESTIMATORS[mi_estimator](scores[0], scores[1:], None)

    def score(self, x: Tensor, z: Tensor, u: Tensor) -> Tensor:
        """T(x, z, u) `[B]`, with both trunks computed, as published."""
        record = self.late(self.early(self.normalise(x))).flatten(1)
        joined = torch.cat([record, self.late(z).flatten(1), u], dim=1)
        score: Tensor = self.head(joined)
        return score.squeeze(1).float()


def published_networks(
    config: ExtractorConfig,
    spec: InputSpec,
    private: Mapping[str, int],
    adversaries: int,
    bottleneck: bool = False,
    *,
    width: int = 4096,
    dropout: float = 0.5,
) -> Networks:
    """The paper's networks, in place of `tiprdc.models.networks.build_networks`.

    Args:
        config: Ignored: the published networks have no settings.
        spec: Pictures with sides of at least 32 pixels.
        private: Private attribute -> number of classes.
        adversaries: Adversaries for each private attribute; the paper has one.
        bottleneck: Must be False: the published extractor has no noise.
        width: Units of the widest hidden layers.
        dropout: Share of hidden units that is zeroed in training, 0 to 1.

    Raises:
        ConfigError: The records are not pictures of that size, or there is a bottleneck.
    """
    if spec.modality != "image" or min(spec.shape[1:]) < 32:
        raise ConfigError(
            "the published networks", f"{spec.modality} records of shape {spec.shape}",
            "pictures with sides of at least 32 pixels",
        )  # fmt: skip
    if bottleneck:
        raise ConfigError(
            "train.objective.bottleneck", "above 0 with the published networks", "0",
            "set bottleneck to 0: the published extractor has no noise",
        )  # fmt: skip
    _, height, breadth = spec.shape
    positions = (height // 32) * (breadth // 32)
    return Networks(
        extractor=PublishedExtractor(spec),
        adversaries=nn.ModuleList(
            nn.ModuleList(
                PublishedAdversary(positions, k, width=width, dropout=dropout)
                for _ in range(adversaries)
            )
            for k in private.values()
        ),
        critic=PublishedCritic(
            spec, positions, sum(private.values()), width=width, dropout=dropout
        ),
        features=128 * (height // 4) * (breadth // 4),
    )


def _head(widths: list[int], dropout: float) -> nn.Sequential:
    layers: list[nn.Module] = []
    for number, (before, after) in enumerate(itertools.pairwise(widths)):
        linear = nn.Linear(before, after)
        nn.init.normal_(linear.weight, std=0.01)
        nn.init.zeros_(linear.bias)
        if number:
            layers += [nn.ReLU(inplace=True), nn.Dropout(dropout)]
        layers.append(linear)
    return nn.Sequential(*layers)
