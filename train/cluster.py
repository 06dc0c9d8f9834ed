"""Several machines that train as one: who they are, and what they agree on.

`TF_CONFIG` tells, in TensorFlow's own form, as Kubernetes' training operator
and `train.launch` set it:

    {"cluster": {"worker": ["10.0.0.1:2222", "10.0.0.2:2222"]},
     "task": {"type": "worker", "index": 0}}
"""

import dataclasses
import hashlib
import json
import os
import pathlib
import time
import uuid

import numpy as np
import tensorflow as tf

from train import meeting

_TYPES = ("chief", "worker")
_EXAMPLE = (
    '{"cluster": {"worker": ["HOST:PORT", ...]}, '
    '"task": {"type": "worker", "index": 0}}'
)


@dataclasses.dataclass(frozen=True)
class Cluster:
    """The workers of one training.

    Attributes:
        addresses: HOST:PORT of each, the chief's first.
        index: Of this process among them.
    """

    addresses: tuple[str, ...]
    index: int

    @property
    def chief(self) -> bool:
        """Whether this one keeps what is kept of the run."""
        return self.index == 0


def read(text: str | None = None) -> Cluster | None:
    """Returns the cluster that a text tells of; None without one.

    Args:
        text: By default that of the environment, `TF_CONFIG`.

    Raises:
        ValueError: If it is malformed, or tells of others than a chief and
            workers.
    """
    text = os.environ.get("TF_CONFIG") if text is None else text
    if not text:
        return None
    try:
        config = json.loads(text)
        jobs, task = dict(config["cluster"]), config["task"]
        kind, index = str(task["type"]), int(task["index"])
        found = {name: [str(x) for x in jobs[name]] for name in jobs}
        place = found[kind][index]
    except (ValueError, KeyError, TypeError, IndexError) as error:
        raise ValueError(
            f"TF_CONFIG should be as {_EXAMPLE}, with a task of the cluster. "
            f"Received: {text!r} ({type(error).__name__}: {error})."
        ) from error
    if other := sorted(set(found) - set(_TYPES)):
        raise ValueError(
            f"TF_CONFIG should name {' and '.join(_TYPES)} alone. "
            f"Received: {', '.join(other)}."
        )
    addresses = [x for name in _TYPES for x in found.get(name, [])]
    for address in addresses:
        host, _, port = address.rpartition(":")
        if not host or not port.isdecimal():
            raise ValueError(
                f"TF_CONFIG: addresses should be HOST:PORT. "
                f"Received: {address!r}."
            )
    if len(set(addresses)) != len(addresses):
        raise ValueError("TF_CONFIG names an address twice.")
    return Cluster(tuple(addresses), addresses.index(place))


def join(cluster: Cluster, seconds: float) -> tf.distribute.Strategy:
    """Returns a strategy over all workers, when all are there.

    It has to be called before TensorFlow makes its first tensor.

    Args:
        cluster: Of the environment's `TF_CONFIG`.
        seconds: To wait for the others.

    Raises:
        OSError: If they did not come, or this one's port cannot be had.
    """
    meeting.meet(cluster.addresses, cluster.index, seconds)
    implementation = tf.distribute.experimental.CommunicationImplementation
    options = tf.distribute.experimental.CommunicationOptions(
        implementation=implementation.AUTO
        if tf.config.list_physical_devices("GPU")
        else implementation.RING
    )
    return tf.distribute.MultiWorkerMirroredStrategy(
        communication_options=options
    )


def gather(strategy: tf.distribute.Strategy, text: str) -> list[bytes]:
    """Returns the digests of what all workers say, once all have said it."""
    digest = hashlib.sha256(text.encode()).digest()
    mine = tf.constant(np.frombuffer(digest, np.uint8).astype(np.int32)[None])

    def told() -> tf.Tensor:
        context = tf.distribute.get_replica_context()
        return context.all_gather(mine, axis=0)

    rows = strategy.experimental_local_results(
        tf.function(lambda: strategy.run(told))()
    )[0]
    return [row.astype(np.uint8).tobytes() for row in rows.numpy()]


def agree(strategy: tf.distribute.Strategy, text: str, else_: str) -> None:
    """Waits until all workers have said something, the same all of them.

    Args:
        strategy: Of `join`.
        text: What this one says.
        else_: What is wrong if another says otherwise.

    Raises:
        ValueError: On every worker, if one does.
    """
    if len(set(gather(strategy, text))) > 1:
        raise ValueError(else_)


def share(
    strategy: tf.distribute.Strategy, cluster: Cluster, folder: pathlib.Path
) -> None:
    """Makes a folder, and sees to it that all workers see the same.

    Raises:
        ValueError: On every worker, if one does not.
        OSError: If the chief cannot write there.
    """
    sign = folder / ".shared"
    if cluster.chief:
        folder.mkdir(parents=True, exist_ok=True)
        sign.write_text(uuid.uuid4().hex)
    gather(strategy, "")
    deadline = time.monotonic() + 5  # Network file systems take a moment.
    while not sign.exists() and time.monotonic() < deadline:
        time.sleep(0.1)
    seen = sign.read_text() if sign.exists() else ""
    agree(
        strategy,
        seen,
        f"--workdir={folder} is not one folder that all workers share.",
    )
    if cluster.chief:
        sign.unlink()
