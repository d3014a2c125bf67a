"""Who plays: an extractor, adversaries and a critic that fit each other, built in one place.

The game (tiprdc/training/game.py) asks only this of them:

    extractor(x) -> z                       features [B, ...]
    adversary(z) -> logits                  [B, K], one group of adversaries for each attribute
    critic(x, z, u, negatives, keep) -> J   a scalar; u is one-hot, joined [B, K]

Other networks play by another function of the same signature: the paper's are in
tiprdc/models/published.py.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import NamedTuple

from torch import nn

from tiprdc.models.adversary import adversary
from tiprdc.models.backbone import Backbone
from tiprdc.models.critic import Critic
from tiprdc.models.extractor import Extractor, ExtractorConfig
from tiprdc.models.inputs import InputSpec
from tiprdc.models.pretrained import read, start_from


class Networks(NamedTuple):
    """All players of one game.

    Args:
        extractor: Records `[B, *shape]` -> features z `[B, ...]`.
        adversaries: For each private attribute a ModuleList of networks from z to logits.
        critic: Records, features, one-hot attributes and a number of negatives -> J.
        features: Numbers in the z of one record, whatever their shape.
    """

    extractor: nn.Module
    adversaries: nn.ModuleList
    critic: nn.Module
    features: int


NetworkFactory = Callable[[ExtractorConfig, InputSpec, Mapping[str, int], int], Networks]
"""Architecture, record, private attribute -> classes, adversaries for each -> players."""


def build_networks(
    config: ExtractorConfig, spec: InputSpec, private: Mapping[str, int], adversaries: int
) -> Networks:
    """The players of `train.extractor`.

    Args:
        config: The extractor's architecture; the critic looks at x with a trunk of the same kind,
            from the same pretrained weights.
        spec: What a record is.
        private: Private attribute -> number of classes.
        adversaries: Trained adversaries for each private attribute, >= 0.

    Raises:
        ConfigError: The architecture does not fit the records, or the pretrained weights do not
            fit the architecture.
    """
    extractor = Extractor(config, spec)
    group = nn.ModuleList(
        nn.ModuleList(adversary(config.features, k) for _ in range(adversaries))
        for k in private.values()
    )
    critic = Critic(config, spec, sum(private.values()))
    if config.pretrained:
        weights = read(Path(config.pretrained))
        for trunk in (extractor.trunk, critic.trunk):
            assert isinstance(trunk, Backbone)
            start_from(trunk, weights)
    return Networks(extractor, group, critic, config.features)
