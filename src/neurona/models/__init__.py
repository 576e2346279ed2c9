"""The networks, one file each, readable from top to bottom."""

from neurona.models.adaline import Adaline
from neurona.models.detector import SingleShotDetector
from neurona.models.feed_forward import FeedForward
from neurona.models.hebb import Hebb
from neurona.models.linear_discriminant import LinearDiscriminant
from neurona.models.logistic_discriminant import LogisticDiscriminant
from neurona.models.mcculloch_pitts import McCullochPitts
from neurona.models.mlp import MLP
from neurona.models.nielsen import NielsenConfig, nielsen_network, train_nielsen
from neurona.models.perceptron import Perceptron
from neurona.models.segmentation import FCN, UNet

__all__ = [
    "FCN",
    "MLP",
    "Adaline",
    "FeedForward",
    "Hebb",
    "LinearDiscriminant",
    "LogisticDiscriminant",
    "McCullochPitts",
    "NielsenConfig",
    "Perceptron",
    "SingleShotDetector",
    "UNet",
    "nielsen_network",
    "train_nielsen",
]
