"""Comparators: frozen networks, from pictures to named features."""

from typing import Any

from percgen.comparators.alexnet import AlexNet as AlexNet
from percgen.comparators.compact import Compact as Compact
from percgen.comparators.exemplar import ExemplarCNN as ExemplarCNN
from percgen.comparators.resnet import ResNet50Scorer as ResNet50Scorer
from percgen.comparators.squeezenet import SqueezeNet as SqueezeNet
from percgen.comparators.vgg import VGG16 as VGG16
from percgen.comparators.vgg import VGG19 as VGG19
from percgen.comparators.vgg import RandomVGG as RandomVGG
from percgen.comparators.video import VideoNet as VideoNet
from percgen.comparators.weights import WeightsError as WeightsError

# By the name that a flag gives. Each takes `layers`, `weights` and `seed`.
COMPARATORS: dict[str, type[Any]] = {
    "alexnet": AlexNet,
    "compact": Compact,
    "exemplar": ExemplarCNN,
    "random": RandomVGG,
    "squeezenet": SqueezeNet,
    "vgg16": VGG16,
    "vgg19": VGG19,
    "video": VideoNet,
}
