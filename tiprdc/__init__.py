"""TIPRDC: feature extractors that hide a named private attribute and keep everything else."""

__version__ = "0.1.0"
