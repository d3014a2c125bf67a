"""Sandbox for untrusted ONNX files: validates and runs them in a process with limits."""
