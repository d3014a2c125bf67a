"""What becomes a figure of the report: points, curves, certificates, alternatives, measures."""
