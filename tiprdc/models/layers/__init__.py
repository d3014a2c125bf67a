"""Layers behind a trunk, in this order: whitening, transport, flow, head, LEACE, channel, codes."""
