"""Networks: extractors, adversaries, critic and decoders."""
