"""Networks of pictures: described once as a list of layers, and as modules of Neurona and PyTorch.

The description says what there is to count, and what float64, JAX and ONNX Runtime compute.
"""
