"""Search over settings with Ray Tune, and the Pareto front that it reports."""
