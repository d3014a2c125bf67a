"""The networks: extractors, adversary, critic and decoder, on one description of the input."""
