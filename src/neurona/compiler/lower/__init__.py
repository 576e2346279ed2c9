"""From a graph to tasks: rewrites, fusion, kernels, and the plan of order and memory."""
