"""Statistics with baselines and confidence intervals: numpy and scipy only."""
