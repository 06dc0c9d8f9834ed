"""Networks: what learns."""

from percgen.networks.residual import StyleGenerator as StyleGenerator
