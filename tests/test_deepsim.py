import json
import subprocess
import sys

import keras
import numpy as np
import proxies
import pytest
import tensorflow as tf
from conftest import ROOT

from percgen import losses
from percgen import networks
from percgen import tasks

WEIGHTS = {"feature": 2.0, "adversarial": 0.5, "image": 20.0}
RATE = 0.05


class Pixels:
    """A comparator that anybody can compute: the picture's halves."""

    def __call__(self, pictures):
        return {"halves": pictures[:, ::2, ::2] * 3.0}


def make_task(pause=None, dropout=0.0, weights=WEIGHTS, optimizer=None):
    keras.utils.set_random_seed(0)
    task = tasks.DeePSiM(
        networks.UpconvAutoencoder(width=4),
        networks.Discriminator(
            width=4, units=16, dropout=dropout, weight_decay=0.01
        ),
        {
            "feature": losses.FeatureLoss(
                Pixels(), {"halves": 1.0}, check=False
            ),
            "image": losses.L2Loss(check=False),
        },
        weights,
        pause or tasks.Pause(),
    )
    task.compile(optimizer or keras.optimizers.SGD(RATE))
    return task


def make_calm_task(rate, steps, dropout=0.0):
    """Returns one that ends, on any processor, near the same place."""
    rates = keras.optimizers.schedules.CosineDecay(rate, steps)
    weights = {**WEIGHTS, "adversarial": 0.05}
    return make_task(None, dropout, weights, keras.optimizers.Adam(rates))


def values(variables):
    return [np.array(variable.numpy()) for variable in variables]


def moved(before, variables):
    pairs = zip(before, values(variables), strict=True)
    return any((a != b).any() for a, b in pairs)


class TestPause:
    @pytest.mark.parametrize(
        ("ratio", "before", "after"),
        [
            # Between the thresholds all stay as they are.
            (0.3, (True, True), (True, True)),
            (0.3, (False, True), (False, True)),
            (2.0, (True, False), (True, False)),
            # Below .1 the discriminator rests, and wakes the generator.
            (0.09, (True, True), (False, True)),
            (0.09, (True, False), (False, True)),
            (0.09, (False, True), (False, True)),
            (0.1, (True, True), (True, True)),
            # Above .5 it learns again.
            (0.51, (False, True), (True, True)),
            (0.5, (False, True), (False, True)),
            # Above 10 the generator rests.
            (10.1, (True, True), (True, False)),
            (10.1, (False, True), (True, False)),
            (10.1, (True, False), (True, False)),
        ],
    )
    def test_its_three_rules(self, ratio, before, after):
        pause = tasks.Pause()
        pause.discriminator_learns.assign(before[0])
        pause.generator_learns.assign(before[1])
        tf.function(pause.decide)(tf.constant(ratio))
        learns = (pause.discriminator_learns, pause.generator_learns)
        assert tuple(bool(x.numpy()) for x in learns) == after

    def test_off(self):
        pause = tasks.Pause(off=True)
        pause.decide(tf.constant(0.0))
        assert pause.discriminator_learns.numpy()

    @pytest.mark.parametrize(
        "levels", [(-1, 0.5, 10), (0.6, 0.5, 10), (0, 2, 2)]
    )
    def test_thresholds_out_of_order_raise(self, levels):
        with pytest.raises(ValueError, match="0 <= low <= high < top"):
            tasks.Pause(*levels)


def test_a_step_is_the_papers(photographs):
    """Discriminator first, then the generator through it as it is then."""
    task, other = make_task(), make_task()
    g, d = other.generator, other.discriminator
    logs = tf.function(task.train_step)(photographs)

    outputs = g(photographs)
    with tf.GradientTape() as tape:
        real, fake = tf.sigmoid(d(photographs)), tf.sigmoid(d(outputs))
        d_loss = -tf.reduce_mean(tf.math.log(real) + tf.math.log(1.0 - fake))
        kernels = [w for w in d.weights if w.path.endswith("kernel")]
        decay = sum(0.005 * tf.reduce_sum(w.value**2) for w in kernels)
        total = d_loss + decay
    for variable, gradient in zip(
        d.trainable_variables,
        tape.gradient(total, d.trainable_variables),
        strict=True,
    ):
        variable.assign_sub(RATE * gradient)
    with tf.GradientTape() as tape:
        outputs = g(photographs)
        adversarial = -tf.reduce_mean(tf.math.log(tf.sigmoid(d(outputs))))
        difference = outputs - photographs
        feature = 9.0 * tf.reduce_mean(difference[:, ::2, ::2] ** 2)
        image = tf.reduce_mean(difference**2)
        loss = 2.0 * feature + 0.5 * adversarial + 20.0 * image
    gradients = tape.gradient(loss, g.trainable_variables)
    for variable, gradient in zip(
        g.trainable_variables, gradients, strict=True
    ):
        variable.assign_sub(RATE * gradient)

    expected = {
        "feature": feature,
        "adversarial": adversarial,
        "image": image,
        "loss": loss,
        "discriminator": d_loss,
        "ratio": d_loss / adversarial,
        "real_accuracy": tf.reduce_mean(tf.cast(real > 0.5, tf.float32)),
        "fake_accuracy": tf.reduce_mean(tf.cast(fake < 0.5, tf.float32)),
        "discriminator_learns": 1.0,
        "generator_learns": 1.0,
    }
    assert set(logs) == set(expected)
    for name, value in expected.items():
        np.testing.assert_allclose(logs[name], value, rtol=1e-4, err_msg=name)
    for ours, by_hand in ((task.generator, g), (task.discriminator, d)):
        pairs = zip(ours.get_weights(), by_hand.get_weights(), strict=True)
        for a, b in pairs:
            np.testing.assert_allclose(a, b, atol=1e-6)


@pytest.mark.parametrize("resting", ["discriminator", "generator"])
def test_who_rests_keeps_weights_and_optimizer(resting, photographs):
    task = make_task(optimizer=keras.optimizers.Adam(1e-3))
    step = tf.function(task.train_step)
    step(photographs)
    parts = {
        "generator": [*task.generator.weights, *task.optimizer.variables],
        "discriminator": [
            *task.discriminator.weights,
            *task.d_optimizer.variables,
        ],
    }
    learning = ({*parts} - {resting}).pop()
    getattr(task.pause, f"{resting}_learns").assign(False)
    before = {name: values(part) for name, part in parts.items()}
    logs = step(photographs)
    assert not moved(before[resting], parts[resting])
    assert moved(before[learning], parts[learning])
    assert logs[f"{resting}_learns"] == 0.5  # In one of two steps.
    # At r about 2 the discriminator is woken and the generator is not.
    step(photographs)
    wakes = resting == "discriminator"
    before = values(parts[resting])
    step(photographs)
    assert moved(before, parts[resting]) == wakes


def test_dropout_belongs_to_the_step(photographs):
    task = make_task(dropout=0.5)
    terms = [
        np.asarray(task.terms(photographs, training=True)["adversarial"])
        for _ in range(2)
    ]
    np.testing.assert_array_equal(*terms)
    task.steps.assign_add(1)
    other = np.asarray(task.terms(photographs, training=True)["adversarial"])
    assert (other != terms[0]).any()
    masks = np.concatenate(
        [np.ravel(x) for x in task._masks(np.zeros([200, 1]), 0)]
    )
    assert set(masks) == {0.0, 2.0}
    np.testing.assert_allclose(masks.mean(), 1.0, atol=0.05)


def start(replicas, pictures, output, config=None):
    line = ["tests/replicas.py", replicas, pictures, output]
    own = {"TF_CONFIG": json.dumps(config)} if config else {}
    return subprocess.Popen(
        [sys.executable, *map(str, line)],
        cwd=ROOT,
        env={"PYTHONPATH": str(ROOT), **own},
    )


def test_two_replicas_learn_what_one_learns(photographs, tmp_path):
    """Both on one machine, or each on one of its own."""
    np.save(tmp_path / "x.npy", photographs)
    found = []
    ports = proxies.free_ports(2)
    workers = [f"127.0.0.1:{port}" for port in ports]
    for replicas in ("1", "2"):
        output = tmp_path / f"{replicas}.npz"
        assert start(replicas, tmp_path / "x.npy", output).wait() == 0
        found.append(np.load(output))
    output = tmp_path / "workers.npz"
    processes = [
        start(
            "1",
            tmp_path / "x.npy",
            output,
            {
                "cluster": {"worker": workers},
                "task": {"type": "worker", "index": index},
            },
        )
        for index in range(2)
    ]
    assert [process.wait() for process in processes] == [0, 0]
    found.append(np.load(output))
    one, *others = found
    # Learning and resting, both in this run.
    assert set(one["discriminator_learns"]) == {0.0, 1.0}
    for other in others:
        for name in one.files:
            np.testing.assert_allclose(
                other[name], one[name], atol=1e-5, rtol=1e-4, err_msg=name
            )


@pytest.mark.parametrize("own", [False, True])
def test_goes_on_to_the_same_weights(own, photographs, tmp_path):
    """Pause, averages and what dropout leaves out included."""

    def fresh():
        adam = keras.optimizers.Adam(1e-3, use_ema=True, ema_momentum=0.5)
        task = make_task(tasks.Pause(1.97, 2.0), dropout=0.5, optimizer=adam)
        if own:
            task.criteria["feature"].comparator = task.discriminator.trunk
            task.criteria["feature"].weights = {"relu2": 1e-4}
        return task, tf.function(task.train_step)

    whole, step = fresh()
    rested = []
    for number in range(8):
        if number == 4:
            saved = tf.train.Checkpoint(**whole.state()).save(tmp_path / "x")
        rested.append(not whole.pause.discriminator_learns.numpy())
        step(photographs)
    resumed, step = fresh()
    checkpoint = tf.train.Checkpoint(**resumed.state())
    checkpoint.restore(saved).assert_existing_objects_matched()
    for _ in range(4):
        step(photographs)
    assert any(rested[4:])
    assert not all(rested)
    for name in ("generator", "discriminator", "optimizer", "d_optimizer"):
        one, other = (getattr(x, name).variables for x in (whole, resumed))
        for a, b in zip(values(one), values(other), strict=True):
            np.testing.assert_array_equal(a, b)


def test_weights_are_those_of_caffe():
    """The gradient of Caffe's Euclidean losses, by hand, in its own range."""
    rng = np.random.default_rng(0)
    true, made = rng.random([2, 3, 4, 4, 3]).astype(np.float32)
    batch = len(true)
    feature, image = 0.01, 2e-6
    # Per picture; 1 / (2 N) of the sum of squares has the gradient sum / N.
    by_hand = image * (made - true) * 255.0 / batch * 255.0
    halves = 3.0 * (made - true)[:, ::2, ::2]
    by_hand[:, ::2, ::2] += feature * halves / batch * 3.0

    weights = tasks.caffe_weights(feature, 100.0, image, 2 * 2 * 3, 4)
    assert weights["adversarial"] == 100.0
    made = tf.constant(made)
    with tf.GradientTape() as tape:
        tape.watch(made)
        terms = {
            "feature": losses.FeatureLoss(Pixels(), {"halves": 1.0}),
            "image": losses.L2Loss(),
        }
        loss = sum(
            weights[name] * tf.reduce_mean(term.call(true, made))
            for name, term in terms.items()
        )
    found = tape.gradient(loss, made)
    np.testing.assert_allclose(found, by_hand, rtol=1e-4, atol=1e-7)


def test_the_published_weights_are_converted():
    found = tasks.caffe_weights(0.01, 100.0, 2e-6, 6 * 6 * 256, 227)
    flags = (ROOT / "train/settings/deepsim2016.flags").read_text()
    for name, value in found.items():
        assert f"--{name}_weight={value:.5g}".rstrip("0") in flags


def test_balanced_makes_unlike_pictures_as_far_as_weights_say(photographs):
    loss = losses.FeatureLoss(Pixels(), {"halves": 1.0})
    others = np.roll(photographs, 1, axis=0)
    balanced = losses.FeatureLoss.balanced(
        Pixels(), {"halves": 3.0}, photographs
    )
    far = np.mean(balanced.call(photographs, others))
    np.testing.assert_allclose(far, 3.0, rtol=1e-5)
    assert balanced.weights["halves"] == pytest.approx(
        3.0 / np.mean(loss.call(photographs, others)), rel=1e-5
    )
    with pytest.raises(ValueError, match="halves sees no difference"):
        losses.FeatureLoss.balanced(Pixels(), {"halves": 1.0}, photographs[:1])


def test_learns_under_mixed_precision(photographs):
    keras.config.set_dtype_policy("mixed_float16")
    try:
        task = make_calm_task(2e-3, 200)
        for optimizer in (task.optimizer, task.d_optimizer):
            assert isinstance(optimizer, keras.optimizers.LossScaleOptimizer)
        assert task.discriminator.trunk.layers[2].compute_dtype == "float16"
        step = tf.function(task.train_step)
        found = []
        for _ in range(200):
            task.reset_metrics()
            found.append({k: float(v) for k, v in step(photographs).items()})
    finally:
        keras.config.set_dtype_policy("float32")
    assert found[-1]["image"] < 0.7 * found[0]["image"]
    assert found[-1]["discriminator"] < found[0]["discriminator"]


def test_training_improves_held_out_pictures(photographs):
    task = make_calm_task(5e-3, 200, dropout=0.5)
    held_out = tf.constant(photographs[1:2])
    before = task.terms(held_out, training=False)
    crops = np.concatenate(
        [np.roll(photographs[[0, 2, 3]], shift, axis=2) for shift in (0, 9, 20)]
    )
    step = tf.function(task.train_step)
    for _ in range(200):
        step(crops)
    after = task.terms(held_out, training=False)
    assert after["image"][0] < 0.8 * before["image"][0]
    assert after["feature"][0] < 0.8 * before["feature"][0]


def test_adversarial_needs_a_weight():
    with pytest.raises(ValueError, match="names of all terms"):
        make_task(weights={"feature": 1.0, "image": 1.0})
