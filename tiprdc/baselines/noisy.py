"""Gaussian noise on the record: the blunt knife."""

from __future__ import annotations

from tiprdc.baselines.base import Given, Method, MethodsConfig
from tiprdc.baselines.noise import Gaussian
from tiprdc.baselines.raw import AsItIs
from tiprdc.errors import ConfigError
from tiprdc.models.inputs import GREY_LEVELS, InputSpec


class Noisy(Method):
    """z = x + noise, pictures and tables alone: token ids are no quantities."""

    name = "noisy"
    sends_records = True
    exported = False

    def fit(self, given: Given) -> AsItIs:
        if given.schema.modality == "text":
            raise ConfigError(
                "noisy", "text records", "pictures or tables: token ids are no quantities",
                "leave it out; dp replaces tokens at random",
            )  # fmt: skip
        return AsItIs(InputSpec.of(given.schema)).eval()

    def noise(self, spec: InputSpec, config: MethodsConfig) -> Gaussian:
        return Gaussian(config.noise * (GREY_LEVELS if spec.modality == "image" else 1.0))
