"""Progress bars, event log, Prometheus metrics."""
