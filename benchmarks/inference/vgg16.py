"""VGG16 on 224×224 pictures, answering."""

from __future__ import annotations

from benchmarks.networks import described, modules
from benchmarks.networks.inference import inference_of

SOURCE = inference_of("vgg16", "VGG16 on 3×224×224", described.vgg16(), modules.vgg16)
