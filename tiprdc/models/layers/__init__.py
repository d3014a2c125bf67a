"""Layers behind a trunk, in this order: whitening, transport, head, LEACE, channel, codes."""
