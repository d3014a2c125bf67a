"""From a trained extractor to a release: ONNX file, parity check, manifest, smaller variants."""
