"""Reads and runs untrusted ONNX files in a process with limits."""
