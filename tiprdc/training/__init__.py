"""Adversarial training of an extractor: settings, one step, the loop over epochs, checkpoints."""
