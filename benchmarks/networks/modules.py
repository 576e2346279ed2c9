"""The same networks as modules; `nn` is `neurona.nn` or `torch.nn`, which read alike."""

from __future__ import annotations

from typing import Any

from benchmarks.networks.described import ALEXNET, VGG16


def lenet(nn: Any) -> Any:
    """LeNet-5 with ReLU and max-pooling."""
    features = [nn.Conv2d(1, 6, 5, padding=2), nn.ReLU(), nn.MaxPool2d(2)]
    features += [nn.Conv2d(6, 16, 5), nn.ReLU(), nn.MaxPool2d(2)]
    return _classifier(nn, features, (400, 120, 84, 10))


def alexnet(nn: Any, *, side: int = 227, classes: int = 1000, divide: int = 1) -> Any:
    """AlexNet in one column, without response normalisation and dropout."""
    channels = 96 // divide
    features = [nn.Conv2d(3, channels, 11, stride=4), nn.ReLU(), nn.MaxPool2d(3, 2)]
    side = _pooled((side - 11) // 4 + 1)
    for wider, window, padding, pooled in ALEXNET:
        features += [nn.Conv2d(channels, wider // divide, window, padding=padding), nn.ReLU()]
        channels = wider // divide
        if pooled:
            features, side = [*features, nn.MaxPool2d(3, 2)], _pooled(side)
    widths = (channels * side**2, 4096 // divide, 4096 // divide, classes)
    return _classifier(nn, features, widths)


def vgg16(nn: Any, *, side: int = 224, classes: int = 1000, divide: int = 1) -> Any:
    """VGG16 without dropout, which does nothing in inference."""
    features, channels = [], 3
    for entry in VGG16:
        if isinstance(entry, str):
            features, side = [*features, nn.MaxPool2d(2)], side // 2
        else:
            features += [nn.Conv2d(channels, entry // divide, 3, padding=1), nn.ReLU()]
            channels = entry // divide
    widths = (channels * side**2, 4096 // divide, 4096 // divide, classes)
    return _classifier(nn, features, widths)


def resnet18(nn: Any, *, side: int = 32, classes: int = 10, divide: int = 1) -> Any:
    """ResNet-18 with the stem for small pictures."""
    stem = [nn.Conv2d(3, 64 // divide, 3, padding=1, bias=False)]
    return _resnet(nn, stem, (2, 2, 2, 2), classes, divide, bottleneck=False)


def resnet50(nn: Any, *, side: int = 224, classes: int = 1000, divide: int = 1) -> Any:
    """ResNet-50."""
    stem = [nn.Conv2d(3, 64 // divide, 7, stride=2, padding=3, bias=False), nn.MaxPool2d(3, 2, 1)]
    return _resnet(nn, stem, (3, 4, 6, 3), classes, divide, bottleneck=True)


def fold_batch_norm(model: Any) -> None:
    """Merge every batch norm of a PyTorch ResNet in evaluation mode into its convolution."""
    from torch import nn
    from torch.nn.utils import fuse_conv_bn_eval

    for module in model.modules():
        children = dict(module.named_children())
        for conv, norm in [("conv1", "bn1"), ("conv2", "bn2"), ("conv3", "bn3"), ("0", "1")]:
            if isinstance(children.get(norm), nn.BatchNorm2d):
                setattr(module, conv, fuse_conv_bn_eval(children[conv], children[norm]))
                setattr(module, norm, nn.Identity())


def _pooled(side: int) -> int:
    return (side - 3) // 2 + 1


def _classifier(nn: Any, features: list[Any], widths: tuple[int, int, int, int]) -> Any:
    class Classifier(nn.Module):  # type: ignore[misc]
        def __init__(self) -> None:
            super().__init__()
            self.features = nn.Sequential(*features)
            inner, first, second, classes = widths
            self.classifier = nn.Sequential(
                nn.Flatten(),
                nn.Linear(inner, first),
                nn.ReLU(),
                nn.Linear(first, second),
                nn.ReLU(),
                nn.Linear(second, classes),
            )

        def forward(self, x: Any) -> Any:
            return self.classifier(self.features(x))

    return Classifier()


def _resnet(
    nn: Any,
    stem: list[Any],
    blocks: tuple[int, ...],
    classes: int,
    divide: int,
    *,
    bottleneck: bool,
) -> Any:
    expansion = 4 if bottleneck else 1

    class Block(nn.Module):  # type: ignore[misc]
        def __init__(self, inputs: int, width: int, stride: int) -> None:
            super().__init__()
            outputs = width * expansion
            if bottleneck:
                self.conv1 = nn.Conv2d(inputs, width, 1, bias=False)
                self.conv2 = nn.Conv2d(width, width, 3, stride=stride, padding=1, bias=False)
                self.conv3 = nn.Conv2d(width, outputs, 1, bias=False)
                self.bn3 = nn.BatchNorm2d(outputs)
            else:
                self.conv1 = nn.Conv2d(inputs, width, 3, stride=stride, padding=1, bias=False)
                self.conv2 = nn.Conv2d(width, width, 3, padding=1, bias=False)
            self.bn1 = nn.BatchNorm2d(width)
            self.bn2 = nn.BatchNorm2d(width)
            self.relu = nn.ReLU()
            self.downsample = None
            if stride > 1 or inputs != outputs:
                self.downsample = nn.Sequential(
                    nn.Conv2d(inputs, outputs, 1, stride=stride, bias=False),
                    nn.BatchNorm2d(outputs),
                )

        def forward(self, x: Any) -> Any:
            y = self.relu(self.bn1(self.conv1(x)))
            y = self.bn2(self.conv2(y))
            if bottleneck:
                y = self.bn3(self.conv3(self.relu(y)))
            return self.relu(y + (x if self.downsample is None else self.downsample(x)))

    class ResNet(nn.Module):  # type: ignore[misc]
        def __init__(self) -> None:
            super().__init__()
            channels = 64 // divide
            self.conv1, *rest = stem
            self.bn1 = nn.BatchNorm2d(channels)
            self.relu = nn.ReLU()
            self.maxpool = rest[0] if rest else nn.Identity()
            for stage, count in enumerate(blocks, start=1):
                width, made = 64 * 2 ** (stage - 1) // divide, []
                for number in range(count):
                    made.append(Block(channels, width, 2 if stage > 1 and number == 0 else 1))
                    channels = width * expansion
                setattr(self, f"layer{stage}", nn.Sequential(*made))
            self.avgpool = nn.AdaptiveAvgPool2d(1)
            self.flatten = nn.Flatten()
            self.fc = nn.Linear(channels, classes)

        def forward(self, x: Any) -> Any:
            x = self.maxpool(self.relu(self.bn1(self.conv1(x))))
            x = self.layer4(self.layer3(self.layer2(self.layer1(x))))
            return self.fc(self.flatten(self.avgpool(x)))

    return ResNet()
