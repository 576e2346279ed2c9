"""Layers, losses and initial values, with PyTorch's names, layouts and semantics."""

from neurona.nn import functional, init
from neurona.nn.activation import (
    ELU,
    GELU,
    SELU,
    Hardsigmoid,
    Hardswish,
    Hardtanh,
    LeakyReLU,
    LogSigmoid,
    LogSoftmax,
    Mish,
    PReLU,
    ReLU,
    ReLU6,
    Sigmoid,
    Sign,
    SiLU,
    Softmax,
    Softplus,
    Softsign,
    Step,
    Tanh,
)
from neurona.nn.batchnorm import BatchNorm1d
from neurona.nn.containers import ModuleDict, ModuleList, Sequential
from neurona.nn.convolution import Conv1d, Conv2d, Conv3d
from neurona.nn.dropout import Dropout
from neurona.nn.embedding import Embedding
from neurona.nn.layernorm import LayerNorm, RMSNorm
from neurona.nn.linear import Bilinear, Identity, Linear
from neurona.nn.loss import (
    BCELoss,
    BCEWithLogitsLoss,
    CrossEntropyLoss,
    HingeLoss,
    HuberLoss,
    KLDivLoss,
    L1Loss,
    MSELoss,
    NLLLoss,
    QuadraticCost,
    SmoothL1Loss,
)
from neurona.nn.maxout import Maxout
from neurona.nn.module import Module
from neurona.nn.shape import Flatten, Unflatten
from neurona.nn.skip import Concat, Product, Residual

__all__ = [
    "ELU",
    "GELU",
    "SELU",
    "BCELoss",
    "BCEWithLogitsLoss",
    "BatchNorm1d",
    "Bilinear",
    "Concat",
    "Conv1d",
    "Conv2d",
    "Conv3d",
    "CrossEntropyLoss",
    "Dropout",
    "Embedding",
    "Flatten",
    "Hardsigmoid",
    "Hardswish",
    "Hardtanh",
    "HingeLoss",
    "HuberLoss",
    "Identity",
    "KLDivLoss",
    "L1Loss",
    "LayerNorm",
    "LeakyReLU",
    "Linear",
    "LogSigmoid",
    "LogSoftmax",
    "MSELoss",
    "Maxout",
    "Mish",
    "Module",
    "ModuleDict",
    "ModuleList",
    "NLLLoss",
    "PReLU",
    "Product",
    "QuadraticCost",
    "RMSNorm",
    "ReLU",
    "ReLU6",
    "Residual",
    "Sequential",
    "SiLU",
    "Sigmoid",
    "Sign",
    "SmoothL1Loss",
    "Softmax",
    "Softplus",
    "Softsign",
    "Step",
    "Tanh",
    "Unflatten",
    "functional",
    "init",
]
