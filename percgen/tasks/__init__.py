"""Tasks: Keras models with a `train_step`, over networks and losses."""

from percgen.tasks.compare import Classify as Classify
from percgen.tasks.compare import Distill as Distill
from percgen.tasks.compare import Rank as Rank
from percgen.tasks.stylize import Stylize as Stylize
from percgen.tasks.task import Task as Task
