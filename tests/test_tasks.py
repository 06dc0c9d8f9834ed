import keras
import numpy as np
import pytest
import tensorflow as tf
from PIL import Image

from percgen import comparators
from percgen import data
from percgen import losses
from percgen import networks
from percgen import tasks

WEIGHTS = {"feature": 1.0, "style": 3.0, "total_variation": 1.0}
VGG = comparators.VGG16(["relu1_2", "relu2_1"], weights="random")


def make_task(style_image, scales=1, weights=None, optimizer=None):
    keras.utils.set_random_seed(0)
    task = tasks.Stylize(
        networks.StyleGenerator(width=4),
        losses.FeatureLoss(VGG, {"relu2_1": 1.0}),
        losses.StyleLoss(VGG, {"relu1_2": 1.0, "relu2_1": 1.0}),
        style_image,
        weights or WEIGHTS,
        scales,
    )
    task.compile(optimizer or keras.optimizers.Adam(1e-2))
    return task


@pytest.fixture
def style_image(photographs):
    return photographs[:1]


def test_terms_are_the_losses(photographs, style_image):
    task = make_task(style_image)
    terms = task.terms(photographs, training=False)
    paintings = task.generator(photographs)
    expected = {
        "feature": task.feature.call(photographs, paintings),
        "style": task.style.call(style_image, paintings),
        "total_variation": losses.TotalVariationLoss().call(None, paintings),
    }
    assert set(terms) == set(expected)
    for name, values in expected.items():
        np.testing.assert_allclose(terms[name], values, rtol=1e-4)


def test_a_second_scale_adds_the_half_size_style(photographs, style_image):
    task = make_task(style_image, scales=2)
    terms = task.terms(photographs, training=False)
    paintings = task.generator(photographs)
    half = [
        tf.image.resize(x, [32, 32], "area") for x in (style_image, paintings)
    ]
    expected = task.style.call(style_image, paintings) + task.style.call(*half)
    np.testing.assert_allclose(terms["style"], expected, rtol=1e-3)


def test_the_loss_is_the_weighted_sum(photographs, style_image):
    task = make_task(style_image)
    logs = task.test_step(photographs)
    expected = sum(WEIGHTS[name] * float(logs[name]) for name in WEIGHTS)
    np.testing.assert_allclose(float(logs["loss"]), expected, rtol=1e-5)


def repeated(photographs, steps):
    data = tf.data.Dataset.from_tensor_slices(photographs)
    return data.repeat(steps).batch(len(photographs), drop_remainder=True)


def test_training_improves_held_out_photographs(photographs, style_image):
    task = make_task(style_image)
    held_out = repeated(photographs[2:], 1)
    before = task.evaluate(held_out, verbose=0, return_dict=True)
    task.fit(repeated(photographs[:2], 60), verbose=0, shuffle=False)
    after = task.evaluate(held_out, verbose=0, return_dict=True)
    assert after["style"] < 0.5 * before["style"]
    assert after["loss"] < 0.7 * before["loss"]


@pytest.mark.parametrize(
    "optimizer",
    [
        # Shows a state that is not shared. Its epsilon lies above the rounding
        # noise of gradients that are as large as several hundred.
        keras.optimizers.Adam(1e-4, epsilon=1.0),
        # Shows a gradient that is not averaged, which Adam would hide.
        keras.optimizers.SGD(1e-7),
    ],
    ids=lambda optimizer: optimizer.name,
)
def test_two_replicas_learn_what_one_learns(
    photographs, style_image, optimizer
):
    def train(strategy):
        with strategy.scope():
            fresh = type(optimizer).from_config(optimizer.get_config())
            task = make_task(style_image, optimizer=fresh)
            start = task.generator.get_weights()
        history = task.fit(repeated(photographs, 5), verbose=0, shuffle=False)
        return start, task.generator.get_weights(), history.history

    start, one, alone = train(tf.distribute.OneDeviceStrategy("CPU:0"))
    mirrored = tf.distribute.MirroredStrategy(["CPU:0", "CPU:1"])
    _, two, together = train(mirrored)
    moved = [np.abs(a - b).max() for a, b in zip(one, start, strict=True)]
    assert max(moved) > 1e-4
    for a, b in zip(one, two, strict=True):
        np.testing.assert_allclose(a, b, atol=1e-5)
    for name in alone:
        np.testing.assert_allclose(alone[name], together[name], rtol=1e-4)


@pytest.mark.parametrize("colour", ["gray", "black", "white"])
def test_a_photograph_of_one_colour_does_no_harm(colour, style_image, tmp_path):
    Image.new("RGB", (64, 64), colour).save(tmp_path / "flat.png")
    source = data.Files(f"{tmp_path}/*.png")
    (batch,) = source.batches(64, 2, 0, 0, 1)
    task = make_task(style_image)
    variables = task.generator.trainable_variables
    norms = []
    for photographs in (batch, np.random.default_rng(0).random(batch.shape)):
        photographs = tf.cast(photographs, tf.float32)
        with tf.GradientTape() as tape:
            loss = task.total(task.terms(photographs, training=True))
        gradients = tape.gradient(loss, variables)
        norms.append(float(tf.linalg.global_norm(gradients)))
    assert np.isfinite(norms[0])
    assert norms[0] < 100 * norms[1]  # Adam remembers a huge one for long.


def test_learns_under_mixed_precision(photographs, style_image):
    keras.config.set_dtype_policy("mixed_float16")
    try:
        task = make_task(style_image)
        assert isinstance(task.optimizer, keras.optimizers.LossScaleOptimizer)
        small = repeated(photographs[:2, :32, :32], 1)
        before = task.evaluate(small, verbose=0, return_dict=True)
        # The first steps are spent on finding a scale that fits.
        task.fit(small.repeat(60), verbose=0, shuffle=False)
        after = task.evaluate(small, verbose=0, return_dict=True)
    finally:
        keras.config.set_dtype_policy("float32")
    assert after["loss"] < 0.8 * before["loss"]


@pytest.mark.parametrize(
    ("weights", "reason"),
    [
        ({"feature": 1.0}, "should name"),
        ({**WEIGHTS, "other": 1.0}, "should name"),
        ({**WEIGHTS, "style": -1.0}, "not be negative"),
        (dict.fromkeys(WEIGHTS, 0.0), "one at least positive"),
    ],
)
def test_wrong_weights_raise(style_image, weights, reason):
    with pytest.raises(ValueError, match=reason):
        make_task(style_image, weights=weights)


@pytest.mark.parametrize("scales", [0, 3])
def test_wrong_scales_raise(style_image, scales):
    with pytest.raises(ValueError, match=f"scales={scales}"):
        make_task(style_image, scales=scales)


def test_two_comparators_raise(style_image):
    other = comparators.VGG16(["relu1_2"], weights="random")
    with pytest.raises(ValueError, match="share a comparator"):
        tasks.Stylize(
            networks.StyleGenerator(width=4),
            losses.FeatureLoss(VGG, {"relu2_1": 1.0}),
            losses.StyleLoss(other, {"relu1_2": 1.0}),
            style_image,
            WEIGHTS,
        )


class TestStyles:
    """One network, one objective, several styles."""

    @pytest.fixture
    def style_images(self, photographs):
        # Both far from what an untrained network paints.
        return [photographs[:1], 1.0 - photographs[:1, :48, :40]]

    @pytest.fixture
    def task(self, style_images):
        keras.utils.set_random_seed(0)
        task = tasks.Stylize(
            networks.StyleGenerator(width=4, styles=2),
            losses.FeatureLoss(VGG, {"relu2_1": 1.0}),
            losses.StyleLoss(VGG, {"relu1_2": 1.0, "relu2_1": 1.0}),
            style_images,
            WEIGHTS,
        )
        task.compile(keras.optimizers.Adam(1e-2))
        return task

    def test_each_painting_is_compared_with_its_own(
        self, task, style_images, photographs
    ):
        weights = tf.one_hot([1, 0, 1, 1], 2)
        content = task.objective.describe(photographs)
        found = task.objective.terms(content, photographs[::-1], weights)
        expected = [
            task.style.call(style_images[style], photographs[3 - i : 4 - i])[0]
            for i, style in enumerate([1, 0, 1, 1])
        ]
        np.testing.assert_allclose(found["style"], expected, rtol=1e-4)

    def test_a_mixture_wants_the_mean_of_gram_matrices(
        self, task, style_images, photographs
    ):
        grams = [
            task.style.describe(task.comparator(image))["relu2_1"]
            for image in style_images
        ]
        own = task.style.describe(task.comparator(photographs))["relu2_1"]
        wanted = 0.3 * grams[0] + 0.7 * grams[1]
        content = task.objective.describe(photographs)
        mixed = task.objective.terms(
            content, photographs, tf.constant([[0.3, 0.7]])
        )
        first = [
            task.style.describe(task.comparator(image))["relu1_2"]
            for image in style_images
        ]
        rest = 0.3 * first[0] + 0.7 * first[1]
        rest -= task.style.describe(task.comparator(photographs))["relu1_2"]
        expected = np.mean(np.square(own - wanted), (1, 2))
        expected += np.mean(np.square(rest), (1, 2))
        np.testing.assert_allclose(mixed["style"], expected, rtol=1e-4)

    def test_each_picture_has_the_style_of_its_place(self, task, photographs):
        painted = task(tf.constant(photographs))
        weights = tf.one_hot([0, 1, 0, 1], 2)
        expected = task.generator([tf.constant(photographs), weights])
        np.testing.assert_array_equal(painted, expected)

    def test_styles_are_drawn_anew_at_each_step(self, task, photographs):
        batch = tf.constant(np.repeat(photographs[:1], 8, axis=0))
        seen = set()
        for step in range(4):
            task.optimizer.iterations.assign(step)
            style = task.terms(batch, training=True)["style"].numpy()
            again = task.terms(batch, training=True)["style"].numpy()
            np.testing.assert_array_equal(style, again)
            seen.add(tuple(np.round(style / style.max(), 3)))
            assert len(np.unique(np.round(style / style.max(), 3))) <= 2
        assert len(seen) > 1

    def test_learns_both_on_held_out_photographs(self, task, photographs):
        unseen = tf.constant(photographs[2:])
        before = task.terms(unseen, training=False)["style"]
        task.fit(repeated(photographs[:2], 60), verbose=0, shuffle=False)
        after = task.terms(unseen, training=False)["style"]
        assert np.all(after < 0.9 * before)
        assert np.mean(after) < 0.2 * np.mean(before)

    def test_a_network_of_another_number_is_refused(self, style_images):
        with pytest.raises(ValueError, match="2 styles.*Received: one of 1"):
            make_task(style_images)
