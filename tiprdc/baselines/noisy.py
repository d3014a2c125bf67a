"""Gaussian noise on the record: the simplest baseline."""

from __future__ import annotations

from tiprdc.baselines.base import FitInputs, Method, MethodsConfig
from tiprdc.baselines.noise import Gaussian
from tiprdc.baselines.raw import RawFeatures
from tiprdc.errors import ConfigError
from tiprdc.models.inputs import GREY_LEVELS, InputSpec


class Noisy(Method):
    """z = x + noise, for pictures and tables only: token ids are not quantities."""

    name = "noisy"
    sends_records = True
    exported = False

    def fit(self, inputs: FitInputs) -> RawFeatures:
        if inputs.schema.modality == "text":
            raise ConfigError(
                "noisy", "text records", "pictures or tables: token ids are not quantities",
                "leave noisy out; dp replaces tokens at random",
            )  # fmt: skip
        return RawFeatures(InputSpec.of(inputs.schema)).eval()

    def noise(self, spec: InputSpec, config: MethodsConfig) -> Gaussian:
        return Gaussian(config.noise * (GREY_LEVELS if spec.modality == "image" else 1.0))
