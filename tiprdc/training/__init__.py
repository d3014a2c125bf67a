"""Adversarial training of an extractor: settings, losses, trainer, checkpoints."""
