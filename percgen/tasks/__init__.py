"""Tasks: Keras models with a `train_step`, over networks and losses."""

from percgen.tasks import invert as invert
from percgen.tasks.caffe_units import caffe_weights as caffe_weights
from percgen.tasks.compare import Classify as Classify
from percgen.tasks.compare import Distill as Distill
from percgen.tasks.compare import Rank as Rank
from percgen.tasks.deepsim import DeePSiM as DeePSiM
from percgen.tasks.invert import Invert as Invert
from percgen.tasks.pause import Pause as Pause
from percgen.tasks.reconstruct import Reconstruct as Reconstruct
from percgen.tasks.schedules import Piecewise as Piecewise
from percgen.tasks.schedules import parse_weight as parse_weight
from percgen.tasks.style_objective import StyleObjective as StyleObjective
from percgen.tasks.stylize import Stylize as Stylize
from percgen.tasks.task import Task as Task
from percgen.tasks.task import Weight as Weight
from percgen.tasks.vae import VAE as VAE
from percgen.tasks.vae import ExpectedLossVAE as ExpectedLossVAE
