"""Which drawn parts an avatar face may have, and how its attributes select them.

The parts are those of `python-avatars` (MIT).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from enum import Enum

import python_avatars as pa

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
_ATTRIBUTES_OF_PART: dict[str, tuple[str, ...]] = {
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
"""Part -> the attributes whose classes select its options in `_PARTS`."""

CHOICES = len(_PARTS) + 1
"""Random numbers that `choose_parts` needs."""


def choose_parts(labels: Mapping[str, int], chance: Sequence[float]) -> dict[str, Enum]:
    """Choose one option of each part.

    Args:
        labels: Attribute -> class number, for the attributes of faces.
        chance: `CHOICES` numbers in [0, 1): which of the options that the attributes leave open.

    Returns:
        Part -> option; colors are parts too.
    """
    parts = {}
    for (part, names), value in zip(_ATTRIBUTES_OF_PART.items(), chance, strict=False):
        options = _PARTS[part][tuple([labels[name] for name in names])]
        parts[part] = options[int(value * len(options))]
    dark, light = (_PARTS["hair_color"][(tone,)][0] for tone in (0, 1))
    parts["facial_hair_color"] = dark if chance[-1] < 0.5 else light
    return parts
