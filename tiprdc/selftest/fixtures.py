"""The fixtures of the self-test: each leak of known size by its name."""

from __future__ import annotations

from tiprdc.selftest import columns, shapes, thin
from tiprdc.selftest.base import Fixture, Leak
from tiprdc.selftest.erased import Erased

FIXTURES: dict[str, Fixture] = {
    fixture.name: fixture
    for fixture in (
        Leak(
            name="plain", about="the signal itself",
            plant=columns.plant_plain, read=columns.read_plain,
        ),
        Leak(
            name="linear", about="one linear bit",
            plant=columns.plant_parity(1), read=columns.read_parity(1),
        ),
        Leak(
            name="xor", about="XOR of two columns' signs",
            plant=columns.plant_parity(2), read=columns.read_parity(2),
        ),
        Leak(
            name="parity", about="parity of three columns' signs",
            plant=columns.plant_parity(3), read=columns.read_parity(3),
        ),
        Leak(
            name="norm", about="the length of z",
            plant=columns.plant_norm, read=columns.read_norm,
        ),
        Leak(
            name="cluster", about="which of sixteen clusters",
            plant=columns.plant_cluster, read=columns.read_cluster,
        ),
        Leak(
            name="ring", about="which of eight clusters on a ring in two columns",
            plant=columns.plant_ring, read=columns.read_ring,
        ),
        Leak(
            name="thin", about="a sum of 64 products of two columns",
            plant=thin.plant_products, read=thin.read_products,
        ),
        Leak(
            name="spread", about="a sum of 128 waves, one a column",
            plant=thin.plant_waves, read=thin.read_waves,
        ),
        Leak(
            name="exposed", about="a few people are fully exposed, all others not at all",
            channel="exposure", plant=columns.plant_exposed, read=columns.read_exposed,
        ),
        Leak(
            name="digit", about="parity of the third decimal",
            plant=columns.plant_digit, read=columns.read_digit,
        ),
        Leak(
            name="pattern", about="a horizontal or vertical bar, in pictures", kind="picture",
            plant=shapes.plant_pattern, read=shapes.read_pattern,
        ),
        Leak(
            name="order", about="the order of two words, in text", kind="text",
            plant=shapes.plant_order, read=shapes.read_order,
        ),
        Leak(
            name="independent", about="nothing", channel="none",
            plant=columns.plant_nothing, read=columns.read_nothing,
        ),
        Erased(),
    )
}  # fmt: skip
"""Leaks of adjustable size, and two fixtures without a leak."""
