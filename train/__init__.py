"""Training commands: flags and wiring, no arithmetic."""

from percgen import command

command.import_tensorflow()
