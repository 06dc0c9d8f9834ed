"""Trains DeePSiM on one or two replicas; test_deepsim runs it by itself.

Two strategies in one process of pytest would get into each other's way. Where
TF_CONFIG names workers, it is one of them, of a replica each.

    python tests/replicas.py 1|2 PICTURES.npy OUTPUT.npz
"""

import sys

from percgen import command

command.import_tensorflow()

import keras  # noqa: E402
import numpy as np  # noqa: E402
import tensorflow as tf  # noqa: E402

from percgen import crops  # noqa: E402
from percgen import losses  # noqa: E402
from percgen import networks  # noqa: E402
from percgen import tasks  # noqa: E402
from train import cluster  # noqa: E402
from train import loop  # noqa: E402


def main() -> None:
    replicas, pictures, output = sys.argv[1:]
    found = cluster.read()
    strategy = cluster.join(found, 60) if found else on_one_machine(replicas)
    with strategy.scope():
        task = make_task()

    @tf.function
    def step(batch):
        logs = strategy.run(task.train_step, (batch,))
        return {
            name: strategy.reduce("MEAN", value, axis=None)
            for name, value in logs.items()
        }

    whole = tf.constant(np.load(pictures))

    def batches():
        positions = tf.data.Dataset.range(8 * len(whole))
        return crops.in_batches(positions, lambda n: whole[n % len(whole)], 4)

    told = []
    for batch in loop.distributed(strategy, batches):
        task.reset_metrics()
        told.append({k: float(v) for k, v in step(batch).items()})
    weights = [*task.generator.weights, *task.discriminator.weights]
    kept = [*weights, *task.optimizer.variables, *task.d_optimizer.variables]
    if found and not found.chief:
        return
    arrays = {f"{n:03}": np.asarray(v.numpy()) for n, v in enumerate(kept)}
    logs = {name: [one[name] for one in told] for name in told[0]}
    np.savez(output, **arrays, **logs)


def on_one_machine(replicas: str) -> tf.distribute.Strategy:
    tf.config.set_logical_device_configuration(
        tf.config.list_physical_devices("CPU")[0],
        [tf.config.LogicalDeviceConfiguration()] * 2,
    )
    if replicas == "2":
        return tf.distribute.MirroredStrategy(["CPU:0", "CPU:1"])
    return tf.distribute.OneDeviceStrategy("CPU:0")


def make_task() -> tasks.DeePSiM:
    keras.utils.set_random_seed(0)
    discriminator = networks.Discriminator(
        width=4, units=16, weight_decay=4e-4, spectral=True
    )
    task = tasks.DeePSiM(
        networks.UpconvAutoencoder(width=4),
        discriminator,
        {
            "feature": losses.FeatureLoss(
                discriminator.trunk, {"relu3": 1.0}, check=False
            ),
            "image": losses.L2Loss(check=False),
        },
        {"feature": 1e-3, "adversarial": 1.0, "image": 10.0},
        tasks.Pause(low=2.0, high=2.0),
    )
    # Above the rounding noise of gradients, which would become steps.
    task.compile(
        keras.optimizers.Adam(
            1e-3, epsilon=1e-3, use_ema=True, ema_momentum=0.9
        ),
        keras.optimizers.Adam(1e-3, epsilon=1e-3),
    )
    return task


if __name__ == "__main__":
    main()
