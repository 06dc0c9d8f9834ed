"""Losses: one number per image, over `percgen.ops`."""

from percgen.losses import lpips as lpips
from percgen.losses.adversarial import (
    discriminator_log_loss as discriminator_log_loss,
)
from percgen.losses.adversarial import generator_log_loss as generator_log_loss
from percgen.losses.contract import PictureLoss as PictureLoss
from percgen.losses.feature import FeatureLoss as FeatureLoss
from percgen.losses.feature import StyleLoss as StyleLoss
from percgen.losses.latent import kl_divergence as kl_divergence
from percgen.losses.lpips import LPIPSLoss as LPIPSLoss
from percgen.losses.ms_ssim import MSSSIMLoss as MSSSIMLoss
from percgen.losses.ms_ssim import ms_ssim as ms_ssim
from percgen.losses.pixel import CharbonnierLoss as CharbonnierLoss
from percgen.losses.pixel import L1Loss as L1Loss
from percgen.losses.pixel import L2Loss as L2Loss
from percgen.losses.pixel import TotalVariationLoss as TotalVariationLoss
from percgen.losses.pixel import charbonnier as charbonnier
from percgen.losses.pixel import l1 as l1
from percgen.losses.pixel import l2 as l2
from percgen.losses.pixel import psnr as psnr
from percgen.losses.pixel import total_variation as total_variation
from percgen.losses.ssim import SSIMLoss as SSIMLoss
from percgen.losses.ssim import ssim as ssim
from percgen.losses.ssim import ssim_map as ssim_map
