"""ViT: a Transformer that reads a picture as a sequence of patches."""

from __future__ import annotations

import math
from typing import Any

import neurona as ne
from neurona import nn
from neurona.core.errors import ArgumentError, ShapeError
from neurona.core.tensor import Tensor
from neurona.core.variable import Variable
from neurona.nn.linear import extent
from neurona.nn.module import Module
from neurona.train.architecture import register


@register
class ViT(Module):
    """Vision Transformer: patches as words, and a class token whose last vector is classified.

    Dosovitskiy et al., "An image is worth 16×16 words: transformers for image recognition at scale"
    (2021). Names, initial values and `state_dict` are torchvision's, whose `vit_b_16` is the one
    without options, 86,567,656 parameters.

    - x: (batch, in_channels, image_size, image_size). Result: (batch, num_classes), before the
      softmax.
    - `patch_size`: the side of a patch, which divides `image_size`.
    - `layers` blocks of `num_heads` heads (`heads` is the classifier in torchvision's files),
      `features` wide; `hidden_features` inside each block, 4·features by default.
    - `dropout`: after the embeddings, and of what each block adds.

    The output's weights begin as 0.

    >>> import neurona as ne
    >>> network = ViT(image_size=32, patch_size=8, layers=2, num_heads=4, features=32)
    >>> network(ne.zeros((2, 3, 32, 32))).shape
    (2, 1000)
    """

    def __init__(
        self,
        *,
        image_size: int = 224,
        patch_size: int = 16,
        layers: int = 12,
        num_heads: int = 12,
        features: int = 768,
        hidden_features: int | None = None,
        num_classes: int = 1000,
        in_channels: int = 3,
        dropout: float = 0.0,
        dtype: Any = None,
    ) -> None:
        sizes = {
            "image_size": image_size,
            "patch_size": patch_size,
            "layers": layers,
            "features": features,
        }
        for name, size in sizes.items():
            extent("ViT", name, size)
        if image_size % patch_size:
            raise ArgumentError(
                f"ViT: image_size {image_size} must be a multiple of patch_size {patch_size}"
            )
        self.image_size = image_size
        self.patch_size = patch_size
        self.layers = layers
        self.num_heads = num_heads
        self.features = features
        self.hidden_features = 4 * features if hidden_features is None else hidden_features
        self.num_classes = num_classes
        self.in_channels = in_channels
        self.dropout = dropout
        self.conv_proj = nn.Conv2d(
            in_channels, features, patch_size, stride=patch_size, dtype=dtype
        )
        self.class_token = Variable(ne.zeros((1, 1, features), dtype=dtype))
        length = (image_size // patch_size) ** 2 + 1
        widths = (features, num_heads, self.hidden_features)
        self.encoder = Encoder(length, layers, *widths, dropout, dtype=dtype)
        self.heads = nn.Sequential({"head": nn.Linear(features, num_classes, dtype=dtype)})
        fan_in = in_channels * patch_size**2
        nn.init.normal(self.conv_proj.weight, std=math.sqrt(1 / fan_in))
        for parameter in (self.conv_proj.bias, *self.heads.parameters()):
            if parameter is not None:
                nn.init.zeros(parameter)

    def forward(self, x: Any) -> Tensor:
        x = ne.asarray(x)
        side = self.image_size
        if x.shape[1:] != (self.in_channels, side, side):
            raise ShapeError(
                f"ViT: x {x.shape} must be (batch, {self.in_channels}, {side}, {side}), image_size "
                f"{side}"
            )
        x = self.conv_proj(x)  # (batch, features, image_size/patch_size, the same)
        batch, features = x.shape[:2]
        x = ne.permute_dims(ne.reshape(x, (batch, features, -1)), (0, 2, 1))  # one a patch
        first = ne.broadcast_to(self.class_token, (batch, 1, features))
        x = self.encoder(ne.concat([first, x], axis=1))  # (batch, patches + 1, features)
        y: Tensor = self.heads(x[:, 0])  # (batch, num_classes)
        return y


class Encoder(Module):
    """Positions, the blocks one after the other, and a norm; x: (batch, length, features)."""

    def __init__(
        self,
        length: int,
        layers: int,
        features: int,
        heads: int,
        hidden_features: int,
        dropout: float,
        *,
        dtype: Any = None,
    ) -> None:
        self.pos_embedding = Variable(ne.zeros((1, length, features), dtype=dtype))
        self.dropout = nn.Dropout(dropout)
        sizes = (features, heads, hidden_features)
        self.layers = nn.Sequential(
            {f"encoder_layer_{i}": Block(*sizes, dropout, dtype=dtype) for i in range(layers)}
        )
        self.ln = nn.LayerNorm(features, eps=1e-6, dtype=dtype)
        nn.init.normal(self.pos_embedding, std=0.02)

    def forward(self, x: Any) -> Tensor:
        y: Tensor = self.ln(self.layers(self.dropout(x + self.pos_embedding)))
        return y


class Block(Module):
    """x + attention(norm(x)), and to that + mlp(norm(…)); x: (batch, length, features)."""

    def __init__(
        self, features: int, heads: int, hidden_features: int, dropout: float, *, dtype: Any = None
    ) -> None:
        self.ln_1 = nn.LayerNorm(features, eps=1e-6, dtype=dtype)
        self.self_attention = nn.MultiheadAttention(features, heads, batch_first=True, dtype=dtype)
        self.dropout = nn.Dropout(dropout)
        self.ln_2 = nn.LayerNorm(features, eps=1e-6, dtype=dtype)
        self.mlp = nn.Sequential(
            nn.Linear(features, hidden_features, dtype=dtype),
            nn.GELU(),
            nn.Dropout(dropout),
            nn.Linear(hidden_features, features, dtype=dtype),
            nn.Dropout(dropout),
        )
        for layer in self.mlp:
            if isinstance(layer, nn.Linear) and layer.bias is not None:
                nn.init.xavier_uniform(layer.weight)
                nn.init.normal(layer.bias, std=1e-6)

    def forward(self, x: Any) -> Tensor:
        norm = self.ln_1(x)
        taken, _ = self.self_attention(norm, norm, norm, need_weights=False)
        x = x + self.dropout(taken)
        y: Tensor = x + self.mlp(self.ln_2(x))
        return y


def vit_b_16(**options: Any) -> ViT:
    """ViT with patches of 16 × 16 and 12 layers of 768 features; see `ViT`."""
    return ViT(**options)


def vit_b_32(**options: Any) -> ViT:
    """ViT with patches of 32 × 32 and 12 layers of 768 features; see `ViT`."""
    return ViT(patch_size=32, **options)
