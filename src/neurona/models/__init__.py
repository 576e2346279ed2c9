"""The networks, one file each, readable from top to bottom."""

from typing import Any

from neurona.models.adaline import Adaline
from neurona.models.alexnet import AlexNet, alexnet
from neurona.models.attention_maps import attention_maps
from neurona.models.captioner import Captioner
from neurona.models.detector import SingleShotDetector
from neurona.models.features import FeatureExtractor
from neurona.models.feed_forward import FeedForward
from neurona.models.forecaster import Forecaster
from neurona.models.frame_labeller import FrameLabeller
from neurona.models.googlenet import GoogLeNet, GoogLeNetOutputs, Inception, googlenet
from neurona.models.gpt import GPT, gpt2
from neurona.models.hebb import Hebb
from neurona.models.lenet import LeNet5, OriginalLeNet5
from neurona.models.linear_discriminant import LinearDiscriminant
from neurona.models.logistic_discriminant import LogisticDiscriminant
from neurona.models.mcculloch_pitts import McCullochPitts
from neurona.models.mlp import MLP
from neurona.models.nielsen import NielsenConfig, nielsen_network, train_nielsen
from neurona.models.perceptron import Perceptron
from neurona.models.recurrent_language_model import RecurrentLanguageModel
from neurona.models.resnet import ResNet, resnet18, resnet34, resnet50
from neurona.models.search import Match, SimilaritySearch
from neurona.models.segmentation import FCN, UNet
from neurona.models.sequence_classifier import SequenceClassifier
from neurona.models.sequence_labeller import SequenceLabeller
from neurona.models.sequence_to_sequence import SequenceToSequence
from neurona.models.transformer import EncoderDecoderTransformer
from neurona.models.vgg import VGG, vgg16, vgg19
from neurona.models.vit import ViT, vit_b_16, vit_b_32
from neurona.nn.module import Module

NETWORKS: dict[str, tuple[type[Module], dict[str, Any]]] = {
    "LeNet5": (LeNet5, {}),
    "OriginalLeNet5": (OriginalLeNet5, {}),
    "AlexNet": (AlexNet, {}),
    "alexnet": (AlexNet, {"layout": "torchvision"}),
    "VGG": (VGG, {}),
    "vgg16": (VGG, {"depth": 16}),
    "vgg19": (VGG, {"depth": 19}),
    "ResNet": (ResNet, {}),
    "resnet18": (ResNet, {"depth": 18}),
    "resnet34": (ResNet, {"depth": 34}),
    "resnet50": (ResNet, {"depth": 50}),
    "googlenet": (GoogLeNet, {}),
    "ViT": (ViT, {}),
    "vit_b_16": (ViT, {"patch_size": 16}),
    "vit_b_32": (ViT, {"patch_size": 32}),
    "GPT": (GPT, {}),
    "RecurrentLanguageModel": (RecurrentLanguageModel, {}),
}
"""The networks that a configuration can name, with the options a name stands for."""

__all__ = [
    "FCN",
    "GPT",
    "MLP",
    "NETWORKS",
    "VGG",
    "Adaline",
    "AlexNet",
    "Captioner",
    "EncoderDecoderTransformer",
    "FeatureExtractor",
    "FeedForward",
    "Forecaster",
    "FrameLabeller",
    "GoogLeNet",
    "GoogLeNetOutputs",
    "Hebb",
    "Inception",
    "LeNet5",
    "LinearDiscriminant",
    "LogisticDiscriminant",
    "Match",
    "McCullochPitts",
    "NielsenConfig",
    "OriginalLeNet5",
    "Perceptron",
    "RecurrentLanguageModel",
    "ResNet",
    "SequenceClassifier",
    "SequenceLabeller",
    "SequenceToSequence",
    "SimilaritySearch",
    "SingleShotDetector",
    "UNet",
    "ViT",
    "alexnet",
    "attention_maps",
    "googlenet",
    "gpt2",
    "nielsen_network",
    "resnet18",
    "resnet34",
    "resnet50",
    "train_nielsen",
    "vgg16",
    "vgg19",
    "vit_b_16",
    "vit_b_32",
]
