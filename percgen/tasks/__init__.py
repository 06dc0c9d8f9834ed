"""Tasks: Keras models with a `train_step`, over networks and losses."""

from percgen.tasks.stylize import Stylize as Stylize
from percgen.tasks.task import Task as Task
