"""Noise that is alike on any number of replicas and after any interruption."""

from collections.abc import Callable

import tensorflow as tf


def rows(
    draw: Callable[[tf.Tensor, tf.Tensor], tf.Tensor],
    count: tf.Tensor,
    *seed: int | tf.Tensor,
) -> tf.Tensor:
    """Returns this replica's part of what is drawn for the global batch.

    Args:
        draw: From a number of rows and a seed `[2]`, as TensorFlow's stateless
            generators take it, to so many rows.
        count: Rows of this replica; all replicas have as many.
        *seed: Two numbers: that of the run, and that of the step.
    """
    replicas = tf.distribute.get_strategy().num_replicas_in_sync
    replica = tf.distribute.get_replica_context()
    first = replica.replica_id_in_sync_group * count if replica else 0
    numbers = tf.stack([tf.cast(number, tf.int64) for number in seed])
    return draw(replicas * count, numbers)[first : first + count]
