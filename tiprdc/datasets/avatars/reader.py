"""Data set of generated faces with independent attributes, in any number and from any seed.

No face is of a real person. All attributes are independent by construction: an attacker can learn
an attribute only from the features, never through a correlation in the data. `correlation` plants
one on purpose.
"""

from __future__ import annotations

from typing import Annotated, ClassVar

import numpy as np
import pandas as pd
from msgspec import Meta

from tiprdc.datasets.avatars.drawing import draw_face
from tiprdc.datasets.reader import Batch, Fitted, Index, Reader
from tiprdc.datasets.schema import Attribute
from tiprdc.errors import ConfigError, suggestion
from tiprdc.settings import Settings

ATTRIBUTES: dict[str, tuple[str, ...]] = {
    "skin_tone": ("light", "dark"),
    "facial_hair": ("none", "some"),
    "glasses": ("none", "some"),
    "hair_length": ("short", "long"),
    "hair_tone": ("dark", "light", "vivid"),
    "hair_texture": ("straight", "curly"),
    "smile": ("no", "yes"),
    "mouth_open": ("no", "yes"),
    "eyes": ("open", "closed"),
    "brows": ("raised", "lowered"),
    "nose": ("small", "wide"),
    "clothing": ("casual", "formal"),
    "clothing_tone": ("light", "dark"),
    "background_hue": ("red", "green", "blue"),
    "background_tone": ("light", "dark"),
    "tilt": ("left", "right"),
    "zoom": ("far", "near"),
    "shift_x": ("left", "right"),
    "shift_y": ("up", "down"),
    "lighting": ("bright", "dim"),
    "saturation": ("full", "pale"),
    "focus": ("sharp", "soft"),
    "grain": ("none", "some"),
}
"""Every attribute and its classes; all classes of an attribute are equally likely.

At 32 pixels a small network classifies most of them with an accuracy of 0.9 or more. Brows, smile
and eyes are harder, and the nose needs about 64 pixels.
"""


class AvatarsConfig(Settings, frozen=True, kw_only=True):
    """Generated faces (`prepare.avatars`)."""

    params_key: ClassVar[str] = "prepare.avatars"

    private: Annotated[
        tuple[str, ...],
        Meta(min_length=1, description="Attributes to hide: names of the generated attributes."),
    ] = ("skin_tone",)
    utility: Annotated[
        tuple[str, ...],
        Meta(
            description="Attributes that stand for unknown tasks; one that is also private counts "
            "as private.",
        ),
    ] = (
        "skin_tone",
        "facial_hair",
        "glasses",
        "hair_length",
        "hair_tone",
        "mouth_open",
    )
    people: Annotated[
        int,
        Meta(
            ge=100,
            le=10_000_000,
            description="People, with one record each, divided by prepare.shares.",
        ),
    ] = 40000
    attackers: Annotated[
        int,
        Meta(
            ge=0,
            le=10_000_000,
            description="Further people, all of them in attacker-train: what attackers know of "
            "people who are not in the data set.",
        ),
    ] = 65000
    size: Annotated[
        int, Meta(ge=16, le=256, description="Height and width of a picture in pixels.")
    ] = 32
    correlate: Annotated[
        tuple[str, ...], Meta(description="The two attributes of two classes that correlate.")
    ] = ("skin_tone", "smile")
    correlation: Annotated[
        float,
        Meta(
            ge=-1, le=1,
            description="Phi coefficient between these two; 0: they are independent.",
        ),
    ] = 0.0  # fmt: skip

    def _check(self) -> None:
        where = "prepare.avatars"
        for key in ("private", "utility", "correlate"):
            for name in getattr(self, key):
                if name not in ATTRIBUTES:
                    raise ConfigError(
                        f"{where}.{key}", name, f"one of {', '.join(ATTRIBUTES)}",
                        hint=suggestion(name, ATTRIBUTES),
                    )  # fmt: skip
        binary = [len(ATTRIBUTES[name]) == 2 for name in self.correlate]
        if len(set(self.correlate)) != 2 or not all(binary):
            raise ConfigError(
                f"{where}.correlate",
                list(self.correlate),
                "two different attributes of two classes",
            )


class AvatarsReader(Reader):
    """Draws each person from `(seed, number of the person)`: every worker draws the same face."""

    modality = "image"

    def __init__(self, config: AvatarsConfig, seed: int) -> None:
        self.config, self.seed = config, seed

    def index(self) -> Index:
        labels = draw_labels(self.config, self.seed)
        ids = [str(person) for person in range(len(labels))]
        further = self.config.attackers
        split = [""] * self.config.people + ["attacker-train"] * further
        records = pd.DataFrame({"record": ids, "person": ids, "split": split})
        return Index(
            records=pd.concat([records, labels], axis=1),
            attributes=tuple(Attribute(name=n, classes=c) for n, c in ATTRIBUTES.items()),
            notes=(f"Generated people who are in attacker-train alone: {further:,}.",)
            if further
            else (),
            split_may_be_empty=True,
        )

    def fit(self, records: pd.DataFrame) -> Fitted:
        size = self.config.size
        return Fitted(shape=(3, size, size))

    def read(self, records: pd.DataFrame, fitted: Fitted) -> Batch:
        x = np.empty((len(records), *fitted.shape), dtype=np.uint8)
        people = records["person"].astype(int).tolist()
        columns = [records[name].tolist() for name in ATTRIBUTES]
        for row, (person, *classes) in enumerate(zip(people, *columns, strict=True)):
            labels = dict(zip(ATTRIBUTES, classes, strict=True))
            x[row] = draw_face(labels, self.seed, person, self.config.size)
        return Batch(x=x, readable=np.ones(len(records), dtype=bool))


def draw_labels(config: AvatarsConfig, seed: int) -> pd.DataFrame:
    """Draw every person's attributes as class numbers `[people + attackers, attributes]`.

    The first `people` rows are the same with any number of attackers.

    With correlation rho between two binary attributes a and b, P(a = b) = (1 + rho) / 2, and both
    stay balanced: their phi coefficient is rho.
    """
    people = _draw(config, config.people, np.random.default_rng([seed, 0]))
    attackers = _draw(config, config.attackers, np.random.default_rng([seed, 1]))
    return pd.concat([people, attackers], ignore_index=True)


def _draw(config: AvatarsConfig, people: int, rng: np.random.Generator) -> pd.DataFrame:
    labels = pd.DataFrame({n: rng.integers(len(c), size=people) for n, c in ATTRIBUTES.items()})
    if config.correlation:
        first, second = config.correlate
        agree = rng.random(people) < (1 + config.correlation) / 2
        labels[second] = np.where(agree, labels[first], 1 - labels[first])
    return labels
