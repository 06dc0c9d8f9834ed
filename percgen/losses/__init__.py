"""Losses: one number per image, over `percgen.ops`."""

from percgen.losses.feature import FeatureLoss as FeatureLoss
from percgen.losses.feature import StyleLoss as StyleLoss
from percgen.losses.pixel import TotalVariationLoss as TotalVariationLoss
