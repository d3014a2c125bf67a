"""Build an extractor, adversaries and a critic that fit each other.

The game (tiprdc/training/game.py) relies only on these calls:

    extractor(x) -> z                               features [B, ...]
    adversary(z) -> logits                          [B, K]; adversaries are grouped by attribute
    critic(x, z, u, negatives, mi_estimator) -> J   a scalar; u is one-hot, joined [B, K]

Another function of the same signature builds other networks: tiprdc/models/published.py has the
paper's.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

from torch import nn

from tiprdc.models.adversary import adversary
from tiprdc.models.critic import Critic
from tiprdc.models.extractor import Extractor, ExtractorConfig
from tiprdc.models.inputs import InputSpec
from tiprdc.models.trunks.backbone import Backbone
from tiprdc.models.trunks.pretrained import load_weights, read_weights


class Networks(NamedTuple):
    """The networks of one training, besides decoders.

    Args:
        extractor: Records `[B, *shape]` -> features z `[B, ...]`.
        adversaries: For each private attribute a ModuleList of networks from z to logits.
        critic: Records, features, one-hot attributes and a number of negatives -> J.
        features: Numbers in the z of one record, of any shape.
    """

    extractor: nn.Module
    adversaries: nn.ModuleList
    critic: nn.Module
    features: int


NetworkFactory = Callable[[ExtractorConfig, InputSpec, Mapping[str, int], int, bool], Networks]
"""Architecture, record, private attribute -> classes, adversaries for each, bottleneck ->
networks."""


def build_networks(
    config: ExtractorConfig,
    spec: InputSpec,
    private: Mapping[str, int],
    adversaries: int,
    bottleneck: bool = False,
    *,
    whiten: bool = True,
) -> Networks:
    """The networks of `train.extractor`.

    Args:
        config: The extractor's architecture; the critic reads x with a trunk of the same kind, from
            the same pretrained weights.
        spec: What a record is.
        private: Private attribute -> number of classes.
        adversaries: Trained adversaries for each private attribute, >= 0.
        bottleneck: Whether each nat of z has a price (`train.objective.bottleneck`).
        whiten: Whether features without a bottleneck are whitened.

    Raises:
        ConfigError: The architecture does not fit the records, or the pretrained weights do not
            fit the architecture.
    """
    classes = tuple(private.values())
    extractor = build_extractor(config, spec, bottleneck, classes, whiten=whiten)
    group = nn.ModuleList(
        nn.ModuleList(adversary(config.features, k) for _ in range(adversaries)) for k in classes
    )
    critic = Critic(config, spec, sum(classes))
    if config.pretrained:
        weights = read_weights(Path(config.pretrained))
        for trunk in (extractor.trunk, critic.trunk):
            assert isinstance(trunk, Backbone)
            load_weights(trunk, weights)
    return Networks(extractor, group, critic, config.features)


def build_extractor(
    config: ExtractorConfig,
    spec: InputSpec,
    bottleneck: bool,
    classes: Sequence[int],
    *,
    whiten: bool = True,
) -> Extractor:
    """An extractor for private attributes of so many classes; with a bottleneck it has a learnt
    scale and noise of deviation 1."""
    whiten = whiten and not bottleneck
    return Extractor(config, spec, classes, whiten=whiten, unit_noise=bottleneck)
