"""Settings of the stage `train`: what is trained, and how (`train`)."""

from __future__ import annotations

from typing import Annotated, ClassVar, Literal

from msgspec import Meta

from tiprdc.datasets.schema import Schema
from tiprdc.errors import ConfigError
from tiprdc.models.extractor import ExtractorConfig
from tiprdc.settings import MAX_SEED, Settings
from tiprdc.training.encoder_config import EncoderConfig
from tiprdc.training.head.config import HeadConfig
from tiprdc.training.objective_config import ObjectiveConfig
from tiprdc.training.schedule_config import ScheduleConfig

Role = Literal["protected", "unprotected"]
ROLES: tuple[Role, ...] = ("protected", "unprotected")


class TrainConfig(Settings, frozen=True, kw_only=True):
    """Training of the protected and the unprotected extractor (`train`)."""

    params_key: ClassVar[str] = "train"

    seed: Annotated[
        int,
        Meta(
            ge=0, le=MAX_SEED, description="Seed of the weights and of the order of the records."
        ),
    ] = 0  # fmt: skip
    encoder: Annotated[
        EncoderConfig,
        Meta(description="A frozen encoder, whose features are trained on in place of records."),
    ] = EncoderConfig()
    extractor: Annotated[ExtractorConfig, Meta(description="Architecture of both extractors.")] = (
        ExtractorConfig()
    )
    objective: Annotated[
        ObjectiveConfig,
        Meta(description="Training objective; the unprotected extractor has privacy weight 0."),
    ] = ObjectiveConfig()
    schedule: Annotated[ScheduleConfig, Meta(description="Epochs, batch and learning rates.")] = (
        ScheduleConfig()
    )
    head: Annotated[
        HeadConfig, Meta(description="Training of the head, behind the trunk that comes first.")
    ] = HeadConfig()
    told: Annotated[
        tuple[str, ...],
        Meta(
            description="Utility attributes whose labels training may use, so that the head keeps "
            "them; the audit reports them apart from unseen tasks. Empty: training reads none.",
        ),
    ] = ()
    infeasible: Annotated[
        Literal["warn", "refuse"],
        Meta(
            description="What to do if the labels alone show that an attribute cannot be hidden "
            "and a task kept.",
        ),
    ] = "warn"

    def _check(self) -> None:
        self.objective.check_extractor(self.extractor)
        if len(set(self.told)) < len(self.told):
            raise ConfigError("train.told", list(self.told), "each task once")
        if self.told and not self.extractor.head:
            raise ConfigError(
                "train.told", list(self.told), "[] where there is no head, which alone learns them",
                "set train.extractor.head: 512, or train.told: []",
            )  # fmt: skip

    def networks(self, role: Role) -> tuple[ObjectiveConfig, ExtractorConfig]:
        """Objective and architecture of a run."""
        if role == "protected":
            return self.objective, self.extractor
        return self.objective.unprotected(), self.extractor.unprotected()

    def told_tasks(self, role: Role, schema: Schema) -> dict[str, int]:
        """Told task -> number of classes; none for the unprotected extractor.

        Raises:
            ConfigError: One is private, or no utility attribute of the records.
        """
        for name in self.told:
            if name in schema.private:
                raise ConfigError(
                    "train.told", f"{name} is private: the extractor hides it",
                    "a utility attribute", f"remove {name} from train.told",
                )  # fmt: skip
            if name not in schema.utility:
                raise ConfigError(
                    "train.told", f"{name} is no utility attribute of the shards",
                    f"one of {', '.join(schema.utility)}" if schema.utility else "",
                    f"add {name} to prepare.{schema.dataset}.utility, or remove it from train.told",
                )  # fmt: skip
        tasks = self.told if role == "protected" else ()
        return {name: schema.classes(name) for name in tasks}

    def epochs(self, role: Role) -> int:
        """Epochs of a run: those of the trunk and of the head."""
        _, extractor = self.networks(role)
        return self.schedule.epochs + self.head.epochs_behind_trunk(extractor)
