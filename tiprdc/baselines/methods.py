"""All methods of the comparison by name."""

from __future__ import annotations

from tiprdc.baselines.adversarial_only import AdversarialOnly
from tiprdc.baselines.base import Method
from tiprdc.baselines.bottleneck import Bottleneck
from tiprdc.baselines.deepobfuscator import DeepObfuscator
from tiprdc.baselines.dp import Dp
from tiprdc.baselines.encoder import Encoder
from tiprdc.baselines.fare import Fare
from tiprdc.baselines.hybrid import Hybrid
from tiprdc.baselines.kernel_ratio import KernelRatio
from tiprdc.baselines.leace import Leace
from tiprdc.baselines.linear import Linear
from tiprdc.baselines.maxent import MaxEnt
from tiprdc.baselines.noisy import Noisy
from tiprdc.baselines.obliviator import Obliviator
from tiprdc.baselines.pan import Pan
from tiprdc.baselines.pass_ import Pass
from tiprdc.baselines.raw import Raw
from tiprdc.baselines.tiprdc import Tiprdc
from tiprdc.baselines.tiprdc_published import TiprdcPublished
from tiprdc.baselines.unprotected import Unprotected
from tiprdc.errors import ConfigError, suggestion

METHODS: dict[str, Method] = {
    method.name: method
    for method in (
        Raw(),
        Noisy(),
        Dp(),
        Linear("pca", "pca"),
        Linear("projection", "projection"),
        Encoder(),
        Hybrid(),
        Unprotected(),
        Linear("pca_leace", "leace"),
        Leace(),
        KernelRatio(),
        Obliviator(),
        Pass(),
        Bottleneck(),
        AdversarialOnly(),
        Pan(),
        MaxEnt(),
        DeepObfuscator(),
        Fare(),
        TiprdcPublished(),
        Tiprdc(),
    )
}
"""In the order of the table: records, features that hide nothing on purpose, features that do."""


def method_named(name: str, where: str) -> Method:
    """The method of this name.

    Args:
        where: The key that named it.

    Raises:
        ConfigError: There is no such method.
    """
    if name not in METHODS:
        names = ", ".join(METHODS)
        raise ConfigError(where, name, f"one of {names}", suggestion(name, METHODS))
    return METHODS[name]
