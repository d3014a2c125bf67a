"""The audit page, the model card and their charts and sentences."""
