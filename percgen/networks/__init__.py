"""Networks: what learns."""

from percgen.networks.autoencoder import ConvAutoencoder as ConvAutoencoder
from percgen.networks.autoencoder import FCAutoencoder as FCAutoencoder
from percgen.networks.discriminator import Discriminator as Discriminator
from percgen.networks.head import Headed as Headed
from percgen.networks.residual import StyleGenerator as StyleGenerator
from percgen.networks.srcnn import SRCNN as SRCNN
from percgen.networks.srcnn import BicubicEnlarge as BicubicEnlarge
from percgen.networks.upconv import UpconvAutoencoder as UpconvAutoencoder
from percgen.networks.upconv import UpconvGenerator as UpconvGenerator
from percgen.networks.upscaling import Upscaler as Upscaler
from percgen.networks.vae import UpconvVAE as UpconvVAE
