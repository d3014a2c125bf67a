"""Losses and estimators that training uses: pure functions on tensors."""
