"""Keras metrics, each the mean over pictures of a loss's function.

None averages an error over a batch before its logarithm is taken, and none
depends on how pictures were batched (but `NormalizedEuclidean`, which says so).
"""

from percgen.metrics.distance import LPIPS as LPIPS
from percgen.metrics.distance import FeatureDistance as FeatureDistance
from percgen.metrics.distance import NormalizedEuclidean as NormalizedEuclidean
from percgen.metrics.distance import mean_pair_distance as mean_pair_distance
from percgen.metrics.frechet import frechet_distance as frechet_distance
from percgen.metrics.picture import PictureMetric as PictureMetric
from percgen.metrics.similarity import MSSSIM as MSSSIM
from percgen.metrics.similarity import PSNR as PSNR
from percgen.metrics.similarity import SSIM as SSIM
