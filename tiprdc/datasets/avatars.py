"""Generated faces with independent attributes: nobody's face, any number, any seed.

Each person is drawn with `python-avatars` (MIT) and rasterised by `resvg`. All attributes are
independent by construction, so that whatever an attacker learns about one attribute it has learnt
from the features and not from a correlation in the data; `correlation` plants one on purpose.
"""

from __future__ import annotations

import io
from enum import Enum
from functools import lru_cache
from typing import Annotated, Any, ClassVar

import numpy as np
import pandas as pd
import python_avatars as pa
from msgspec import Meta
from numpy.typing import NDArray
from PIL import Image, ImageEnhance, ImageFilter
from resvg_py import svg_to_bytes

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
"""Every attribute and its classes, each class equally likely.

At 32 pixels a small network tells most of them apart at 0.9 and more; brows, smile and eyes are
faint, and the nose needs about 64 pixels.
"""

_FACIAL_HAIR, _GLASSES, _HAIR = pa.FacialHairType, pa.AccessoryType, pa.HairType
_MOUTH, _EYES, _BROWS, _CLOTHES = pa.MouthType, pa.EyeType, pa.EyebrowType, pa.ClothingType

_PARTS: dict[str, dict[tuple[int, ...], list[Enum]]] = {
    "skin_color": {
        (0,): [pa.SkinColor.PALE, pa.SkinColor.LIGHT, pa.SkinColor.YELLOW],
        (1,): [pa.SkinColor.BROWN, pa.SkinColor.DARK_BROWN, pa.SkinColor.BLACK],
    },
    "facial_hair": {
        (0,): [_FACIAL_HAIR.NONE],
        (1,): [
            _FACIAL_HAIR.BEARD_LIGHT,
            _FACIAL_HAIR.BEARD_MEDIUM,
            _FACIAL_HAIR.BEARD_MAGESTIC,
            _FACIAL_HAIR.MOUSTACHE_FANCY,
            _FACIAL_HAIR.MOUSTACHE_MAGNUM,
        ],
    },
    "accessory": {
        (0,): [_GLASSES.NONE],
        (1,): [
            _GLASSES.KURT,
            _GLASSES.PRESCRIPTION_1,
            _GLASSES.PRESCRIPTION_2,
            _GLASSES.ROUND,
            _GLASSES.SUNGLASSES,
            _GLASSES.WAYFARERS,
        ],
    },
    # hair length, hair texture
    "top": {
        (0, 0): [_HAIR.CAESAR, _HAIR.CAESAR_SIDE_PART, _HAIR.SHORT_FLAT, _HAIR.SHORT_ROUND],
        (0, 1): [_HAIR.SHORT_CURLY, _HAIR.SHORT_DREADS_1, _HAIR.SHORT_DREADS_2, _HAIR.FRIZZLE],
        (1, 0): [_HAIR.STRAIGHT_1, _HAIR.STRAIGHT_2, _HAIR.STRAIGHT_STRAND, _HAIR.BOB],
        (1, 1): [_HAIR.CURLY, _HAIR.DREADS, _HAIR.CURVY, _HAIR.BIG_HAIR],
    },
    "hair_color": {
        (0,): [pa.HairColor.BLACK, pa.HairColor.BROWN_DARK],
        (1,): [pa.HairColor.PLATINUM, pa.HairColor.SILVER_GRAY, pa.HairColor.BLONDE_GOLDEN],
        (2,): [pa.HairColor.RED, pa.HairColor.PASTEL_PINK],
    },
    # smile, mouth open
    "mouth": {
        (0, 0): [_MOUTH.SERIOUS, _MOUTH.DISBELIEF, _MOUTH.SAD],
        (0, 1): [_MOUTH.SCREAM_OPEN, _MOUTH.CONCERNED],
        (1, 0): [_MOUTH.TWINKLE, _MOUTH.DEFAULT],
        (1, 1): [_MOUTH.SMILE, _MOUTH.BIG_SMILE],
    },
    "eyes": {
        (0,): [_EYES.DEFAULT, _EYES.SIDE, _EYES.SURPRISED, _EYES.EYE_ROLL],
        (1,): [_EYES.CLOSED, _EYES.HAPPY, _EYES.X_DIZZY],
    },
    "eyebrows": {
        (0,): [_BROWS.RAISED_EXCITED, _BROWS.RAISED_EXCITED_NATURAL],
        (1,): [_BROWS.ANGRY, _BROWS.ANGRY_NATURAL],
    },
    "nose": {(0,): [pa.NoseType.SMALL], (1,): [pa.NoseType.WIDE]},
    "clothing": {
        (0,): [_CLOTHES.HOODIE, _CLOTHES.SHIRT_CREW_NECK, _CLOTHES.SHIRT_V_NECK],
        (1,): [_CLOTHES.BLAZER_SWEATER, _CLOTHES.COLLAR_SWEATER],
    },
    "clothing_color": {
        (0,): [
            pa.ClothingColor.WHITE,
            pa.ClothingColor.PASTEL_BLUE,
            pa.ClothingColor.PASTEL_YELLOW,
        ],
        (1,): [pa.ClothingColor.BLACK, pa.ClothingColor.BLUE_03, pa.ClothingColor.GRAY_02],
    },
}
_CHOSEN_BY: dict[str, tuple[str, ...]] = {
    "skin_color": ("skin_tone",),
    "facial_hair": ("facial_hair",),
    "accessory": ("glasses",),
    "top": ("hair_length", "hair_texture"),
    "hair_color": ("hair_tone",),
    "mouth": ("smile", "mouth_open"),
    "eyes": ("eyes",),
    "eyebrows": ("brows",),
    "nose": ("nose",),
    "clothing": ("clothing",),
    "clothing_color": ("clothing_tone",),
}


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
        int, Meta(ge=100, le=10_000_000, description="People, with one record each.")
    ] = 24000
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
    """Draws each person from `(seed, number of the person)`, so any worker draws the same face."""

    modality = "image"

    def __init__(self, config: AvatarsConfig, seed: int) -> None:
        self.config, self.seed = config, seed

    def index(self) -> Index:
        labels = draw_labels(self.config, self.seed)
        number = [str(person) for person in range(len(labels))]
        records = pd.DataFrame({"record": number, "person": number})
        return Index(
            records=pd.concat([records, labels], axis=1),
            attributes=tuple(Attribute(name=n, classes=c) for n, c in ATTRIBUTES.items()),
        )

    def fit(self, records: pd.DataFrame) -> Fitted:
        size = self.config.size
        return Fitted(shape=(3, size, size))

    def read(self, records: pd.DataFrame, fitted: Fitted) -> Batch:
        x = np.empty((len(records), *fitted.shape), dtype=np.uint8)
        people = records["person"].astype(int)
        rows = records[list(ATTRIBUTES)].to_dict("records")
        for row, (person, labels) in enumerate(zip(people, rows, strict=True)):
            face = {str(name): int(value) for name, value in labels.items()}
            x[row] = draw(face, np.random.default_rng([self.seed, 1, person]), self.config.size)
        return Batch(x=x, readable=np.ones(len(records), dtype=bool))


def draw_labels(config: AvatarsConfig, seed: int) -> pd.DataFrame:
    """Every person's attributes as class numbers `[people, attributes]`.

    With correlation rho between two binary attributes a and b, P(a = b) = (1 + rho) / 2, and both
    stay balanced: their phi coefficient is rho.
    """
    rng = np.random.default_rng([seed, 0])
    labels = pd.DataFrame(
        {n: rng.integers(len(c), size=config.people) for n, c in ATTRIBUTES.items()}
    )
    if config.correlation:
        first, second = config.correlate
        agree = rng.random(config.people) < (1 + config.correlation) / 2
        labels[second] = np.where(agree, labels[first], 1 - labels[first])
    return labels


def draw(labels: dict[str, int], rng: np.random.Generator, size: int) -> NDArray[np.uint8]:
    """One face `[3, size, size]` with these attributes; all that they leave open comes from rng."""
    parts = {}
    for part, by in _CHOSEN_BY.items():
        options = _PARTS[part][tuple(labels[name] for name in by)]
        parts[part] = options[rng.integers(len(options))]
    parts["facial_hair_color"] = list(_PARTS["hair_color"].values())[rng.integers(2)][0]
    return _photograph(_frame(_compose(parts), labels, rng), labels, rng, size)


_SLOTS = (
    ("top", "facial_hair", "accessory"),
    ("clothing",),
    ("eyebrows",),
    ("eyes",),
    ("nose",),
    ("mouth",),
)
"""Parts by the place in the drawing that they fill; the top carries the beard and the glasses."""
_COLORS = ("skin_color", "hair_color", "facial_hair_color", "clothing_color")


def _compose(parts: dict[str, Enum]) -> str:
    """The SVG that `pa.Avatar(**parts).render()` gives, put together from remembered pieces.

    Parsing and writing XML for every face would take half of the time.
    """
    drawing = _blank()
    edits = [_edit(tuple((name, parts[name]) for name in slot)) for slot in _SLOTS]
    for start, stop, text in sorted(edits, reverse=True):
        drawing = drawing[:start] + text + drawing[stop:]
    for name in _COLORS:
        drawing = drawing.replace(f'"@{name}"', f'"{parts[name]}"')
    return drawing


@lru_cache(maxsize=1)
def _blank() -> str:
    return _render(())


@lru_cache(maxsize=4096)
def _edit(parts: tuple[tuple[str, Enum], ...]) -> tuple[int, int, str]:
    """What these parts change in the blank drawing: the text that replaces its [start:stop]."""
    blank, drawn = _blank(), _render(parts)
    start = _agreement(blank, drawn)
    common = _agreement(blank[:start:-1], drawn[:start:-1])
    return start, len(blank) - common, drawn[start : len(drawn) - common]


def _agreement(first: str, second: str) -> int:
    """Number of characters in which two texts begin alike."""
    pairs = enumerate(zip(first, second, strict=False))
    return next((n for n, (a, b) in pairs if a != b), min(len(first), len(second)))


def _render(parts: tuple[tuple[str, Enum], ...]) -> str:
    """The drawing with these parts only, and a mark in place of each colour."""
    absent: dict[str, Any] = {name: None for slot in _SLOTS for name in slot}
    colors = {name: f"@{name}" for name in _COLORS}
    avatar = pa.Avatar(style=pa.AvatarStyle.TRANSPARENT, **{**absent, **colors, **dict(parts)})
    return str(avatar.render())


def _frame(svg: str, labels: dict[str, int], rng: np.random.Generator) -> str:
    """Place the face: background, tilt, zoom and shift."""
    base = 200 if labels["background_tone"] == 0 else 90
    color = np.full(3, base) + rng.integers(-15, 15, size=3)
    color[labels["background_hue"]] += 50
    angle = (1 if labels["tilt"] else -1) * rng.uniform(3, 12)
    extent = (176 if labels["zoom"] else 208) + rng.uniform(-8, 8)
    x = 132 - extent / 2 + (-1 if labels["shift_x"] else 1) * rng.uniform(3, 14)
    y = 128 - extent / 2 + (-1 if labels["shift_y"] else 1) * rng.uniform(3, 14)
    start = svg.index(">", svg.index("<svg")) + 1
    body = svg[start : svg.rindex("</svg>")]
    view = f'viewBox="{x:.2f} {y:.2f} {extent:.2f} {extent:.2f}"'
    head = svg[:start].replace('width="264px" height="280px"', "")
    head = head.replace('viewBox="0 0 264 280"', view)
    fill = "#{:02x}{:02x}{:02x}".format(*np.clip(color, 0, 255))
    background = f'<rect x="-200" y="-200" width="700" height="700" fill="{fill}"/>'
    return f'{head}{background}<g transform="rotate({angle:.2f} 132 140)">{body}</g></svg>'


def _photograph(
    svg: str, labels: dict[str, int], rng: np.random.Generator, size: int
) -> NDArray[np.uint8]:
    """Rasterise, then light, saturation, focus and grain."""
    png = svg_to_bytes(svg_string=svg, width=size, height=size, skip_system_fonts=True)
    picture = Image.open(io.BytesIO(bytes(png))).convert("RGB")
    dim = labels["lighting"] == 1
    picture = ImageEnhance.Brightness(picture).enhance(
        rng.uniform(0.7, 0.8) if dim else rng.uniform(0.95, 1.05)
    )
    if labels["saturation"]:
        picture = ImageEnhance.Color(picture).enhance(rng.uniform(0.5, 0.65))
    if labels["focus"]:
        picture = picture.filter(ImageFilter.GaussianBlur(size / 64))
    pixels = np.asarray(picture).astype(np.float64)
    if labels["grain"]:
        pixels = pixels + rng.normal(0, 8, size=pixels.shape)
    return np.clip(pixels, 0, 255).astype(np.uint8).transpose(2, 0, 1)
