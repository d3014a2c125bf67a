"""Known task against two adversaries; the one that rebuilds pictures is judged by their structure.

Source: Li et al. 2019 (DeepObfuscator). It compares by MS-SSIM; here by SSIM, since the
five scales of MS-SSIM need pictures of 160 pixels. Without pictures it is `pan`.
"""

from __future__ import annotations

from tiprdc.baselines.base import Given, Method
from tiprdc.baselines.training_loop import Aims, learn
from tiprdc.models.extractor import Extractor


class DeepObfuscator(Method):
    """Keeps one task, and makes reconstructions unlike the picture."""

    name = "deepobfuscator"
    knows_task = True

    def fit(self, given: Given) -> Extractor:
        aims = Aims(task=True, hide="cross_entropy", forget_record="ssim")
        return learn(aims, given, method=self.name)
