r"""Trains a comparator: without labels, or by what VGG-19 sees.

--kind=exemplar  ExemplarCNN, by telling apart patches of photographs, whatever
                 is done to them (Dosovitskiy et al. 2014).
--kind=video     VideoNet, by ranking: a patch is most like itself later (Wang
                 and Gupta 2015). From frames in the order of their names, or
                 from photographs and a synthetic camera: --motion.
--kind=compact   Compact, percgen's own, by predicting VGG-19's features.

Example:
    python -m train.comparator --kind=exemplar --images='photos/*.jpg' \
        --labelled=cifar10.npz --workdir=runs/exemplar
    python -m train.stylize --comparator=exemplar \
        --comparator_weights=runs/exemplar/comparator.npz ...

Leaves comparator.npz, samples.png and used.txt in --workdir and, with
--labelled, probe.txt: how well a linear classifier does on its features, and on
those of the same network with random weights. Ctrl-C stops; the same command
goes on.
"""

import tensorflow as tf
from absl import flags

from percgen import tasks
from percgen.comparators import weights as weights_lib
from train import courses
from train import machines
from train import optimizers
from train import probe
from train import runner

# What flags are that are not given, sized for two CPU cores.
_DEFAULTS: dict[str, runner.Defaults] = {
    "exemplar": {
        "image_size": 32,
        "batch_size": 64,
        "steps": 3000,
        # With 1e-3 most of relu2 is dead after 500 steps.
        "learning_rate": 2e-4,
    },
    "video": {
        "image_size": 67,
        "batch_size": 64,
        "steps": 1600,
        "learning_rate": 1e-4,
    },
    "compact": {
        "image_size": 128,
        "batch_size": 8,
        "steps": 5000,
        "learning_rate": 3e-3,
    },
}

_KIND = flags.DEFINE_enum(
    "kind",
    None,
    list(_DEFAULTS),
    runner.describe_defaults("kind", _DEFAULTS),
    required=True,
)
flags.adopt_module_key_flags(courses)
flags.adopt_module_key_flags(optimizers)
flags.adopt_module_key_flags(runner)
for _name in ("labelled", "probe_layers", "probe_size"):
    flags.declare_key_flag(_name)

# Of a replica: ranking has to have other patches, painting another's style.
_LEAST_BATCH = {"exemplar": 1, "video": 5, "compact": 8}


def main() -> None:
    kind = _KIND.value
    runner.set_defaults(_DEFAULTS[kind])
    labelled = probe.read_labelled()
    workdir = runner.open_workdir()
    photographs = runner.photographs()
    _check_batch(kind, machines.strategy().num_replicas_in_sync)
    course = courses.COURSES[kind](photographs)
    task = runner.train(
        lambda: _compiled(course.make_task()),
        course.batches,
        lambda task, step: _show(course, task, step),
        workdir,
    )
    packed = weights_lib.pack(course.arrays(task), course.dtype)
    workdir.write("comparator.npz", packed)
    workdir.write("used.txt", f"{course.used}\n".encode())
    workdir.write_picture("samples.png", course.sheet(task))
    print(f"Wrote comparator.npz and samples.png to {workdir.path}")
    if labelled:
        file = str(workdir.path / "comparator.npz")
        report = probe.compare(kind, file, labelled)
        print(report)
        workdir.write("probe.txt", f"{report}\n".encode())


def _check_batch(kind: str, replicas: int) -> None:
    least = _LEAST_BATCH[kind] * replicas
    if runner.BATCH_SIZE.value < least:
        raise ValueError(
            f"--kind={kind} needs a --batch_size of at least {least} on "
            f"{replicas} device(s). Received: {runner.BATCH_SIZE.value}."
        )


def _compiled(task: tasks.Task) -> tasks.Task:
    task.compile(optimizers.adam(runner.LEARNING_RATE.value))
    return task


def _show(course: courses.Course, task: tasks.Task, step: int) -> None:
    tf.summary.image("panel", course.sheet(task)[None], step)


if __name__ == "__main__":
    machines.start(main)
