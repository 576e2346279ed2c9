"""Speed comparisons of Neurona with PyTorch, torch.compile and JAX: `python -m benchmarks`."""
