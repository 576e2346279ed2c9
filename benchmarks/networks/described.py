"""The networks as lists of layers; weights are named as in `modules`."""

from __future__ import annotations

from collections.abc import Sequence

from benchmarks.networks.layers import Description

# Channels of VGG16's convolutions; "M" is a 2×2 pooling (Simonyan and Zisserman 2015).
VGG16 = (64, 64, "M", 128, 128, "M", *[256] * 3, "M", *[512] * 3, "M", *[512] * 3, "M")
# Channels, window, padding and pooling of AlexNet's convolutions after the first.
ALEXNET = ((256, 5, 2, True), (384, 3, 1, False), (384, 3, 1, False), (256, 3, 1, True))


def lenet() -> Description:
    """LeNet-5 with ReLU and max-pooling on 28×28 pictures, the first convolution padded by 2."""
    net = Description(1, 28)
    x = net.max_pool(net.relu(net.conv(0, "features.0", 6, 5, padding=2)), 2, 2)
    x = net.max_pool(net.relu(net.conv(x, "features.3", 16, 5)), 2, 2)
    return _dense(net, x, (120, 84, 10), places=(1, 3, 5))


def alexnet(*, side: int = 227, classes: int = 1000, divide: int = 1) -> Description:
    """AlexNet in one column (no groups), without response normalisation and dropout.

    `divide` divides every width, for tests.
    """
    net = Description(3, side)
    x = net.max_pool(net.relu(net.conv(0, "features.0", 96 // divide, 11, stride=4)), 3, 2)
    place = 3
    for channels, window, padding, pooled in ALEXNET:
        x = net.conv(x, f"features.{place}", channels // divide, window, padding=padding)
        x, place = net.relu(x), place + 2
        if pooled:
            x, place = net.max_pool(x, 3, 2), place + 1
    return _dense(net, x, (4096 // divide, 4096 // divide, classes), places=(1, 3, 5))


def vgg16(*, side: int = 224, classes: int = 1000, divide: int = 1) -> Description:
    """VGG16."""
    net = Description(3, side)
    x = place = 0
    for entry in VGG16:
        if isinstance(entry, str):
            x, place = net.max_pool(x, 2, 2), place + 1
        else:
            x = net.relu(net.conv(x, f"features.{place}", entry // divide, 3, padding=1))
            place += 2
    return _dense(net, x, (4096 // divide, 4096 // divide, classes), places=(1, 3, 5))


def resnet18(*, side: int = 32, classes: int = 10, divide: int = 1) -> Description:
    """ResNet-18 with the stem for small pictures: one 3×3 convolution, no pooling."""
    net = Description(3, side)
    x = _conv_norm(net, 0, "conv1", "bn1", 64 // divide, 3, padding=1)
    return _stages(net, net.relu(x), (2, 2, 2, 2), classes, divide, bottleneck=False)


def resnet50(*, side: int = 224, classes: int = 1000, divide: int = 1) -> Description:
    """ResNet-50, the stride of a block on its 3×3 convolution, as in torchvision."""
    net = Description(3, side)
    x = _conv_norm(net, 0, "conv1", "bn1", 64 // divide, 7, stride=2, padding=3)
    x = net.max_pool(net.relu(x), 3, 2, 1)
    return _stages(net, x, (3, 4, 6, 3), classes, divide, bottleneck=True)


def _stages(
    net: Description, x: int, blocks: Sequence[int], classes: int, divide: int, *, bottleneck: bool
) -> Description:
    expansion = 4 if bottleneck else 1
    for stage, count in enumerate(blocks, start=1):
        width = 64 * 2 ** (stage - 1) // divide
        for number in range(count):
            name = f"layer{stage}.{number}"
            stride = 2 if stage > 1 and number == 0 else 1
            if bottleneck:
                y = net.relu(_conv_norm(net, x, f"{name}.conv1", f"{name}.bn1", width, 1))
                y = _conv_norm(
                    net, y, f"{name}.conv2", f"{name}.bn2", width, 3, stride=stride, padding=1
                )
                y = _conv_norm(
                    net, net.relu(y), f"{name}.conv3", f"{name}.bn3", width * expansion, 1
                )
            else:
                y = _conv_norm(
                    net, x, f"{name}.conv1", f"{name}.bn1", width, 3, stride=stride, padding=1
                )
                y = _conv_norm(
                    net, net.relu(y), f"{name}.conv2", f"{name}.bn2", width, 3, padding=1
                )
            if net.layers[x].shape != net.layers[y].shape:
                down = f"{name}.downsample"
                x = _conv_norm(
                    net, x, f"{down}.0", f"{down}.1", width * expansion, 1, stride=stride
                )
            x = net.relu(net.add(y, x))
    net.linear(net.mean(x), "fc", classes)
    return net


def _conv_norm(
    net: Description,
    x: int,
    name: str,
    norm: str,
    channels: int,
    window: int,
    *,
    stride: int = 1,
    padding: int = 0,
) -> int:
    x = net.conv(x, name, channels, window, stride=stride, padding=padding, bias=False)
    return net.norm(x, norm)


def _dense(
    net: Description, x: int, widths: Sequence[int], *, places: Sequence[int]
) -> Description:
    for place, width in zip(places, widths, strict=True):
        x = net.linear(x, f"classifier.{place}", width)
        if place != places[-1]:
            x = net.relu(x)
    return net
