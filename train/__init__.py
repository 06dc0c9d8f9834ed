"""Training commands: flags and wiring, no arithmetic."""

import os

# TensorFlow's C++ chatter would bury our own lines; errors still come through.
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
