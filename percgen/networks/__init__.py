"""Networks: what learns."""

from percgen.networks.head import Headed as Headed
from percgen.networks.residual import StyleGenerator as StyleGenerator
from percgen.networks.upscaling import Upscaler as Upscaler
