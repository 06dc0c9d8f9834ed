"""Image generators trained with losses that agree with human perception.

Import the part you need: `percgen.losses`, `percgen.comparators`,
`percgen.networks`, `percgen.tasks`, ... Importing `percgen` alone loads
nothing, so a light client can use `percgen.images` without TensorFlow.
"""

__version__ = "0.1.0"
