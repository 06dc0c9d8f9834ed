"""What older libraries saved, in layers of today."""

from percgen.compat import addons

__all__ = ["addons"]
