"""Speed comparisons of Neurona with PyTorch, JAX and ONNX Runtime: `python -m benchmarks`."""
