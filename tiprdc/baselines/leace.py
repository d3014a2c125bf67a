"""LEACE after an unprotected extractor: linear erasure in closed form, without adversaries.

The features that it was fitted on have no linear information about u. Kernels and networks may
still find u.

Source: Belrose et al. 2023 (LEACE); tiprdc/models/layers/leace.py has the theorem.
"""

from __future__ import annotations

from dataclasses import replace

from msgspec import structs

from tiprdc.baselines.base import FitInputs, Method
from tiprdc.baselines.train_game import train
from tiprdc.models.extractor import Extractor


class Leace(Method):
    """The unprotected extractor, then erasure of all private attributes."""

    name = "leace"

    def fit(self, inputs: FitInputs) -> Extractor:
        config = inputs.unprotected().config
        extractor = structs.replace(config.extractor, leace=True)
        with_leace = structs.replace(config, extractor=extractor)
        return train(
            config.objective.unprotected(), config.schedule, replace(inputs, config=with_leace)
        )
