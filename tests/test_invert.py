import keras
import numpy as np
import pytest
import tensorflow as tf

from percgen import losses
from percgen import networks
from percgen import ops
from percgen import tasks


class Corner:
    """An encoder whose layer is the picture in quarters, or their mean."""

    def __init__(self, *layers):
        self.output = dict.fromkeys(layers)

    def __call__(self, pictures):
        quarter = ops.halve(ops.halve(pictures))
        layers = {
            "quarter": quarter,
            "mean": tf.reduce_mean(quarter, [1, 2], keepdims=True),
        }
        return {name: layers[name] for name in self.output}


@pytest.fixture(params=["quarter", "mean"])
def task(request):
    keras.utils.set_random_seed(0)
    shape = {"quarter": [16, 16, 3], "mean": [3]}[request.param]
    task = tasks.Invert(
        networks.UpconvGenerator(shape, 64, 2, 0.25),
        Corner(request.param),
        networks.Discriminator(
            width=2, units=8, features=int(np.prod(shape)), weight_decay=0.0
        ),
        {
            "feature": losses.FeatureLoss(
                Corner("quarter"), {"quarter": 1.0}, check=False
            ),
            "image": losses.L2Loss(check=False),
        },
        {"feature": 1.0, "adversarial": 0.01, "image": 1.0},
    )
    task.compile(keras.optimizers.Adam(1e-3))
    return task


def test_the_generator_is_given_features_and_no_pictures(task, photographs):
    pictures = tf.constant(photographs)
    features, targets = task.pair(pictures)
    assert features.shape == (4, *task.generator.features)
    np.testing.assert_array_equal(targets, photographs)
    for given, again in zip(
        task.pair((pictures, pictures)), (features, targets), strict=True
    ):
        np.testing.assert_array_equal(given, again)
    made = task(pictures)
    np.testing.assert_array_equal(made, task.generator(features))
    terms = task.terms(pictures, training=False)
    np.testing.assert_allclose(
        terms["image"], losses.l2(photographs, made, check=False), rtol=1e-5
    )
    # What features do not tell, the picture does not: rows of a quarter.
    shuffled = photographs.copy()
    shuffled[:, :4, :4] = shuffled[:, 3::-1, 3::-1]
    np.testing.assert_allclose(task(tf.constant(shuffled)), made, atol=1e-5)


def test_unseen_pictures_get_nearer_in_features(task, photographs):
    seen, unseen = tf.constant(photographs[:3]), tf.constant(photographs[3:])
    before = task.terms(unseen, training=False)
    step = tf.function(task.train_step)
    rng = np.random.default_rng(0)
    for _ in range(150):  # In other colors each time.
        shades = rng.uniform(0.2, 1.0, [3, 1, 1, 3]).astype(np.float32)
        logs = step(seen * shades)
    after = task.terms(unseen, training=False)
    assert after["feature"][0] < 0.7 * before["feature"][0]
    assert after["image"][0] < 0.8 * before["image"][0]
    assert float(logs["discriminator"]) > 0.0


def test_several_layers_are_refused(task):
    with pytest.raises(ValueError, match="one layer. Received: quarter, mean"):
        tasks.Invert(
            task.generator,
            Corner("quarter", "mean"),
            task.discriminator,
            {"image": losses.L2Loss()},
            {"image": 1.0, "adversarial": 0.1},
        )
