"""The Semantics Layering Network in PyTorch: definition, seeded weights, probe, ONNX export."""
