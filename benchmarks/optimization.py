r"""Times painting by a network beside optimization, and compares how well.

Johnson et al. 2016, table 1 and figure 5 (recalled): the same losses, made
small by a network that paints at once, and by L-BFGS picture by picture.

Example:
    python -m benchmarks.optimization --style_image=starry_night.jpg \
        --photographs='photos/*.jpg' --held_out='others/*.jpg' \
        --output=benchmarks/results/optimization.md

Losses are those of `train.stylize`, by its flags. Trains the network first, in
--folder, or takes --generator, which a run of the same losses has left. On one
core count a minute for 500 iterations at 256 x 256 through Compact: with these
defaults half an hour, after a training of one or two. The paper's comparator is
--comparator=vgg16.
"""

import pathlib
import re

import keras
import tqdm
from absl import flags

from benchmarks import experiment
from benchmarks import optimization_measures as measures
from benchmarks import optimization_report
from benchmarks import report
from benchmarks import timing
from percgen import command
from percgen import data
from percgen import networks  # noqa: F401  Known by name when loaded.
from percgen import tasks
from train import style_terms

_GENERATOR = flags.DEFINE_string(
    "generator", None, "generator.keras of a run of train.stylize."
)
_PHOTOGRAPHS = flags.DEFINE_string(
    "photographs", None, "Glob to train on, without --generator."
)
_HELD_OUT = flags.DEFINE_string(
    "held_out", None, "Glob to paint; not trained on.", required=True
)
_PICTURES = flags.DEFINE_integer(
    "pictures", 8, "Of --held_out to judge.", lower_bound=1
)
_SIZES = flags.DEFINE_list("sizes", ["256", "512", "1024"], "Sides to time.")
_WHOLE = flags.DEFINE_list(
    "whole",
    ["256"],
    "Those of --sizes where every iteration is timed; at others --sampled are, "
    "and multiplied out.",
)
_SAMPLED = flags.DEFINE_integer(
    "sampled", 20, "Iterations timed elsewhere.", lower_bound=2
)
_JUDGED = flags.DEFINE_list("judged", ["256"], "Sides to compare losses at.")
_INITS = flags.DEFINE_list(
    "inits",
    list(measures.INITS),
    "What optimization starts from.",
)
_MARKS = flags.DEFINE_list(
    "iterations", ["100", "300", "500"], "Of optimization, told of one by one."
)
_REPEATS = flags.DEFINE_integer("repeats", 5, "Turns of both.", lower_bound=5)
flags.adopt_module_key_flags(style_terms)

_STEPS = 4000


def main() -> None:
    if unknown := set(_INITS.value) - set(measures.INITS):
        raise ValueError(
            f"--inits should be of {', '.join(measures.INITS)}. "
            f"Received: {', '.join(sorted(unknown))}."
        )
    sizes, whole, judged, marks = (
        _whole_numbers(flag) for flag in (_SIZES, _WHOLE, _JUDGED, _MARKS)
    )
    photographs = data.Files(_HELD_OUT.value)
    timing.single_thread()
    objective = tasks.StyleObjective(
        **style_terms.arguments(style_terms.read(), 0)
    )
    contest = measures.Contest(_network(), objective)
    races = {
        size: contest.race(
            photographs.panel(1, size),
            max(marks) if size in whole else min(_SAMPLED.value, max(marks)),
            _REPEATS.value,
        )
        for size in tqdm.tqdm(sizes, "timing", leave=False)
    }
    games = [
        contest.judge(photographs.panel(_PICTURES.value, size), init, marks)
        for size in judged
        for init in _INITS.value
    ]
    paragraphs = optimization_report.paragraphs(
        races, games, marks, _losses(objective)
    )
    report.write(
        "Painting by a network, and by optimization",
        experiment.line("benchmarks.optimization"),
        *paragraphs,
    )


def _whole_numbers(flag: flags.FlagHolder) -> list[int]:
    try:
        numbers = [int(x) for x in flag.value]
    except ValueError:
        numbers = []
    if not numbers or min(numbers) < 1:
        raise ValueError(
            f"--{flag.name} should be whole numbers. "
            f"Received: {','.join(flag.value)}."
        )
    return sorted(numbers)


def _loss_flags() -> list[str]:
    """Returns what the flags say of losses, one argument each."""
    ours = flags.FLAGS.get_key_flags_for_module(style_terms)
    return sorted(flag.serialize() for flag in ours if flag.value is not None)


def _losses(objective: tasks.StyleObjective) -> str:
    """Returns the losses in a line, without folders."""
    short = [
        "=".join([name, pathlib.Path(value).name])
        for name, _, value in (line.partition("=") for line in _loss_flags())
    ]
    compared = re.sub(r"\S*/", "", objective.comparator.provenance)
    return f"`{' '.join(short)}`; {compared}"


def _network() -> keras.Model:
    if _GENERATOR.value is None:
        return _training().generator()
    path = pathlib.Path(_GENERATOR.value)
    if not path.exists():
        raise ValueError(f"--generator: {path} does not exist.")
    run = path.with_name("flags.txt")
    then = set(run.read_text().split("\n")) if run.exists() else set()
    names = {line.partition("=")[0] for line in then}
    other = [
        line
        for line in _loss_flags()
        if line not in then and line.partition("=")[0] in names
    ]
    if other:
        raise ValueError(
            f"{path} was trained by other losses than {' '.join(other)}: see "
            f"{run}."
        )
    return keras.saving.load_model(path, compile=False)


def _training() -> experiment.Training:
    if _PHOTOGRAPHS.value is None:
        raise ValueError("Give --photographs to train on, or --generator.")
    return experiment.Training(
        "optimization",
        "network",
        "train.stylize",
        [
            *_loss_flags(),
            f"--images={_PHOTOGRAPHS.value}",
            f"--steps={experiment.STEPS.value or _STEPS}",
        ],
    )


if __name__ == "__main__":
    command.run(main)
