"""ResNet-50 on 224×224 pictures, answering; batch norm with statistics as after training."""

from __future__ import annotations

from benchmarks.networks import described, modules
from benchmarks.networks.inference import inference_of

SOURCE = inference_of("resnet50", "ResNet-50 on 3×224×224", described.resnet50(), modules.resnet50)
