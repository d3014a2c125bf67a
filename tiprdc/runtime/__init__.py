"""Runs a released extractor on a device; needs numpy, Pillow and onnxruntime, no torch."""
