"""Comparators: frozen networks, from pictures to named features."""

from percgen.comparators.vgg import VGG16 as VGG16
from percgen.comparators.vgg import VGG19 as VGG19
from percgen.comparators.weights import WeightsError as WeightsError

COMPARATORS = {"vgg16": VGG16, "vgg19": VGG19}
