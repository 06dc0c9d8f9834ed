"""Learning from pairs, weights that change, and the stochastic autoencoder."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from percgen import losses
from percgen import ops
from percgen import tasks

layers = keras.layers
SIDE = 32


@pytest.fixture
def photos(photographs):
    """Returns half the photographs' sides: float32 `[4, 32, 32, 3]`."""
    return tf.constant(photographs[:, ::2, ::2])


def network(last="sigmoid"):
    """Returns a small autoencoder with all that has a state."""
    keras.utils.set_random_seed(0)
    x = inputs = keras.Input([None, None, 3])
    x = layers.Conv2D(16, 3, 2, "same")(x)
    x = layers.ReLU()(layers.BatchNormalization(momentum=0.9)(x))
    x = layers.Dropout(0.01)(x)
    x = layers.Conv2DTranspose(3, 4, 2, "same", activation=last)(x)
    return keras.Model(inputs, x)


def make_task(terms=None, weights=None, optimizer=None, **options):
    terms = terms or {"l1": losses.L1Loss(), "l2": losses.L2Loss()}
    weights = weights or dict.fromkeys(terms, 1.0)
    task = tasks.Reconstruct(network(), terms, weights, **options)
    task.compile(optimizer or keras.optimizers.Adam(1e-2))
    return task


def repeated(batch, steps):
    return tf.data.Dataset.from_tensors(batch).repeat(steps)


def edges(images):
    return {"edges": images[:, 1:] - images[:, :-1]}


class TestSchedules:
    def test_is_what_numpy_interpolates(self):
        points = [(3, 2.0), (7, 0.25), (8, 0.0), (1000, 0.1)]
        schedule = tasks.Piecewise(points)
        steps = np.array([0, 3, 4, 6, 7, 8, 9, 500, 1000, 10**6])
        actual = [schedule(tf.constant(step)) for step in steps]
        assert {value.dtype for value in actual} == {tf.float32}
        expected = np.interp(steps, *zip(*points, strict=True))
        np.testing.assert_array_equal(actual, expected.astype(np.float32))

    @pytest.mark.parametrize(
        "text", ["1@0/0.1@2000", "1e-07@10", "0@5/2.5@6/0@7"]
    )
    def test_is_read_and_written(self, text):
        schedule = tasks.parse_weight(text)
        assert str(schedule) == text
        assert tasks.parse_weight(str(schedule)).points == schedule.points

    @pytest.mark.parametrize("text", ["0.5", "0", "1e-3"])
    def test_a_number_is_a_number(self, text):
        assert tasks.parse_weight(text) == float(text)

    @pytest.mark.parametrize(
        "text",
        ["", "x", "-1", "nan", "inf", "1@", "1@2.5", "1@0/2", "1/2", "1@2@3"]
        + ["1@5/2@5", "1@5/2@4", "1@-1/2@4", "-1@0", "nan@0", "1@0/"],
    )
    def test_others_are_refused(self, text):
        with pytest.raises(ValueError, match="1@0/0.1@2000. Received: '"):
            tasks.parse_weight(text)

    @pytest.mark.parametrize(
        "points", [[], [(0.5, 1.0)], [(1, 1.0), (1, 2.0)], [(0, -1.0)]]
    )
    def test_points_that_make_no_line_are_refused(self, points):
        with pytest.raises(ValueError, match="of `points`.*Received"):
            tasks.Piecewise(points)

    def test_each_step_is_taken_by_its_own_weights(self, photos):
        schedule = tasks.Piecewise([(1, 4.0), (3, 0.0)])
        decay = keras.optimizers.schedules.ExponentialDecay(1.0, 1, 0.5)
        task = make_task(weights={"l1": schedule, "l2": decay})
        step = tf.function(task.train_step)
        for one, other in [(4, 1), (4, 0.5), (2, 0.25), (0, 0.125)]:
            now = task.weights_now()
            assert [float(now["l1"]), float(now["l2"])] == [one, other]
            task.reset_metrics()
            logs = {name: float(value) for name, value in step(photos).items()}
            expected = one * logs["l1"] + other * logs["l2"]
            assert logs["loss"] == pytest.approx(expected, rel=1e-5)

    def test_a_weight_moves_what_is_learned(self, photos):
        early = {"l1": 1.0, "l2": tasks.parse_weight("1@0/0@1")}
        ends = []
        for weights in (early, {"l1": 1.0, "l2": 1.0}, {"l1": 1.0, "l2": 0.0}):
            task = make_task(weights=weights, optimizer="sgd")
            task.optimizer.iterations.assign(5)
            task.fit(repeated(photos, 2), verbose=0, shuffle=False)
            ends.append(task.generator.get_weights()[0])
        np.testing.assert_allclose(ends[0], ends[2], atol=1e-7)
        assert np.abs(ends[0] - ends[1]).max() > 1e-5

    def test_a_resumed_schedule_goes_on(self, photos, tmp_path):
        weights = {"l1": tasks.parse_weight("1@0/0@8"), "l2": 1.0}
        one, other = make_task(weights=weights), make_task(weights=weights)
        one.fit(repeated(photos, 3), verbose=0, shuffle=False)
        path = tf.train.Checkpoint(optimizer=one.optimizer).save(
            str(tmp_path / "ckpt")
        )
        assert float(other.weights_now()["l1"]) == 1.0
        tf.train.Checkpoint(optimizer=other.optimizer).restore(path)
        assert float(other.weights_now()["l1"]) == 0.625

    def test_under_mixed_precision(self, photos):
        keras.config.set_dtype_policy("mixed_float16")
        try:
            weights = {"l1": tasks.parse_weight("1@0/0@8"), "l2": 1.0}
            task = make_task(weights=weights)
            assert isinstance(
                task.optimizer, keras.optimizers.LossScaleOptimizer
            )
            task.fit(repeated(photos, 2), verbose=0, shuffle=False)
            assert float(task.weights_now()["l1"]) == 0.75
            norms = task.gradient_norms(photos)
        finally:
            keras.config.set_dtype_policy("float32")
        expected = plain_norms(task, photos)
        for name, norm in norms.items():
            assert float(norm) == pytest.approx(expected[name], rel=0.01)


class TestReconstruct:
    def test_terms_are_the_losses(self, photos):
        criteria = {
            "a": losses.MSSSIMLoss(border="same", scales=None),
            "b": losses.FeatureLoss(edges, {"edges": 1.0}),
        }
        task = make_task(criteria)
        outputs = task.generator(photos)
        for batch, targets in (
            (photos, photos),
            ((photos, photos[::-1]), photos[::-1]),
        ):
            terms = task.terms(batch, training=False)
            assert set(terms) == {"a", "b"}
            for name, values in terms.items():
                expected = criteria[name].call(targets, outputs)
                np.testing.assert_array_equal(values, expected)

    def test_luma_compares_brightness(self, photos):
        task = make_task(luma=True)
        terms = task.terms((photos, photos[::-1]), training=False)
        true, pred = ops.luma(photos[::-1]), ops.luma(task(photos))
        np.testing.assert_array_equal(terms["l1"], losses.l1(true, pred))
        maps = task.maps((photos, photos[::-1]))
        expected = 1.0 - losses.ssim_map(true, pred)
        np.testing.assert_array_equal(maps["ssim"], expected)

    def test_maps_of_outputs_without_bounds(self, photos):
        criteria = {
            "edges": losses.FeatureLoss(edges, {"edges": 1.0}, check=False),
            "style": losses.StyleLoss(edges, {"edges": 1.0}, check=False),
            "l1": losses.L1Loss(check=False),
        }
        generator = network(None)
        task = tasks.Reconstruct(
            generator, criteria, dict.fromkeys(criteria, 1.0)
        )
        outputs = generator(photos)
        assert np.min(outputs) < -0.1
        clipped = tf.clip_by_value(outputs, 0.0, 1.0)
        maps = task.maps(photos)
        assert set(maps) == {"edges", "ssim"}
        np.testing.assert_array_equal(
            maps["edges"], criteria["edges"].map(photos, clipped)
        )
        np.testing.assert_allclose(
            np.mean(maps["ssim"], axis=(1, 2)),
            1.0 - losses.ssim(photos, clipped, border="same"),
            atol=1e-5,
        )

    def test_training_improves_held_out_photographs(self, photos):
        task = make_task(
            {"ms_ssim": losses.MSSSIMLoss(border="same", scales=None)}
        )
        held_out = repeated(photos[2:], 1)
        before = task.evaluate(held_out, verbose=0, return_dict=True)
        task.fit(repeated(photos[:2], 80), verbose=0, shuffle=False)
        after = task.evaluate(held_out, verbose=0, return_dict=True)
        assert after["ms_ssim"] < 0.3 * before["ms_ssim"]

    @pytest.mark.parametrize(
        ("terms", "weights", "options", "reason"),
        [
            ({"l1": losses.L1Loss()}, {"l2": 1.0}, {}, r"\['l1'\].*'l2': 1"),
            ({"l1": losses.L1Loss()}, {"l1": 0.0}, {}, "one at least positive"),
            ({"l1": losses.L1Loss()}, {"l1": -1.0}, {}, "not be negative"),
            ({"l1": losses.l1}, {"l1": 1.0}, {}, "with `call`.*l1=<function"),
            (
                {"e": losses.FeatureLoss(edges, {"edges": 1.0})},
                {"e": 1.0},
                {"luma": True},
                "no colors left.*e=FeatureLoss",
            ),
        ],
    )
    def test_wrong_arguments_raise(self, terms, weights, options, reason):
        with pytest.raises(ValueError, match=reason):
            make_task(terms, weights, **options)


def plain_norms(task, batch):
    """Returns each term's weight times the norm of its gradient."""
    variables = task.generator.trainable_variables
    norms = {}
    for name, weight in task.weights_now().items():
        with tf.GradientTape() as tape:
            value = tf.reduce_mean(task.terms(batch, training=True)[name])
        gradients = tape.gradient(value, variables)
        norms[name] = float(weight) * np.sqrt(
            sum(np.sum(np.square(g)) for g in gradients if g is not None)
        )
    return norms


@pytest.mark.parametrize("compiled", [False, True])
def test_gradient_norms_are_those_of_training(photos, compiled):
    criteria = {n: losses.L2Loss() for n in ("one", "fading", "off")}
    weights = {"one": 2.0, "fading": tasks.parse_weight("1@0/0@4"), "off": 0.0}
    task = make_task(criteria, weights)
    task.optimizer.iterations.assign(1)
    before = [v.numpy() for v in task.generator.variables]
    measure = task.gradient_norms
    norms = (tf.function(measure) if compiled else measure)(photos)
    for variable, value in zip(task.generator.variables, before, strict=True):
        np.testing.assert_array_equal(variable.numpy(), value)
    expected = plain_norms(task, photos)
    assert set(norms) == set(expected)
    assert float(norms["off"]) == 0.0
    for name in ("one", "fading"):  # Dropout draws anew for each term.
        assert float(norms[name]) == pytest.approx(expected[name], rel=0.05)
    assert float(norms["fading"]) == pytest.approx(0.375 * float(norms["one"]))


def test_shares_are_parts_of_the_loss(photos):
    weights = {"l1": 2.0, "l2": 3.0}
    task = make_task(weights=weights)
    terms = task.terms(photos, training=False)
    shares = task.shares(terms)
    assert float(shares["l1"] + shares["l2"]) == pytest.approx(1.0)
    np.testing.assert_allclose(
        shares["l1"], 2.0 * tf.reduce_mean(terms["l1"]) / task.total(terms)
    )
    nothing = task.shares({name: tf.zeros([4]) for name in weights})
    assert [float(share) for share in nothing.values()] == [0.0, 0.0]


def stochastic(code=8):
    """Returns a small autoencoder of three parts, called by the mean."""
    keras.utils.set_random_seed(0)
    images = keras.Input([SIDE, SIDE, 3])
    x = layers.Conv2D(8, 5, 4, "same", activation="relu")(images)
    encoder = keras.Model(images, x)
    features = keras.Input(x.shape[1:])
    flat = layers.Flatten()(features)
    bottleneck = keras.Model(
        features, [layers.Dense(code)(flat), layers.Dense(code)(flat)]
    )
    codes = keras.Input([code])
    x = layers.Reshape([8, 8, 8])(layers.Dense(512, "relu")(codes))
    x = layers.Conv2DTranspose(3, 8, 4, "same", activation="sigmoid")(x)
    decoder = keras.Model(codes, x)
    whole = keras.Model(images, decoder(bottleneck(encoder(images))[0]))
    whole.encoder, whole.bottleneck = encoder, bottleneck
    whole.decoder = decoder
    return whole


def make_vae(kl=1e-3, seed=0, generator=None):
    task = tasks.ExpectedLossVAE(
        generator or stochastic(),
        {"l2": losses.L2Loss()},
        {"l2": 1.0, "kl": kl},
        seed=seed,
    )
    task.compile(keras.optimizers.Adam(1e-2))
    return task


class TestExpectedLossVAE:
    def test_evaluation_decodes_the_mean(self, photos):
        task = make_vae()
        terms = task.terms(photos, training=False)
        mean, log_variance = task.generator.bottleneck(
            task.generator.encoder(photos)
        )
        outputs = task.generator.decoder(mean)
        np.testing.assert_array_equal(outputs, task(photos))
        np.testing.assert_array_equal(terms["l2"], losses.l2(photos, outputs))
        np.testing.assert_array_equal(
            terms["kl"], losses.kl_divergence(mean, log_variance)
        )

    def test_codes_are_drawn_as_the_encoder_says(self):
        """Where the decoder shows the code and the criterion looks at it."""

        class Moments:
            def call(self, y_true, y_pred):
                self.seen = y_pred.numpy()
                return tf.reduce_mean(y_pred, [1, 2, 3])

        images = keras.Input([SIDE, SIDE, 3])
        features = keras.Input([SIDE, SIDE, 3])
        generator = keras.Model(images, layers.Dense(3)(images))
        generator.encoder = keras.Model(images, images)
        generator.bottleneck = keras.Model(features, [features, features - 4.0])
        generator.decoder = keras.Model(images, images)
        moments = Moments()
        task = tasks.ExpectedLossVAE(
            generator, {"moments": moments}, {"moments": 1.0, "kl": 1.0}
        )
        task.compile("sgd")
        task.terms(tf.fill([2, SIDE, SIDE, 3], 0.5), training=True)
        assert moments.seen.mean() == pytest.approx(0.5, abs=0.01)
        assert moments.seen.std() == pytest.approx(np.exp(-1.75), rel=0.03)
        one, other = moments.seen.reshape(2, -1)
        assert abs(np.corrcoef(one, other)[0, 1]) < 0.1

    def test_noise_belongs_to_the_step_and_the_seed(self, photos):
        def draw(task):
            return np.asarray(task.terms(photos, training=True)["l2"])

        task, twin, stranger = make_vae(), make_vae(), make_vae(seed=1)
        first = draw(task)
        np.testing.assert_array_equal(draw(task), first)
        np.testing.assert_array_equal(draw(twin), first)
        assert (draw(stranger) != first).all()
        for each in (task, twin):
            each.optimizer.iterations.assign(7)
        assert (draw(task) != first).all()
        np.testing.assert_array_equal(draw(task), draw(twin))

    def test_the_heavier_kl_the_smaller(self, photos):
        ends = {}
        for kl in (0.0, 1e-3, tasks.parse_weight("0@0/0.1@10")):
            task = make_vae(kl)
            task.fit(repeated(photos, 60), verbose=0, shuffle=False)
            ends[str(kl)] = task.evaluate(
                repeated(photos, 1), verbose=0, return_dict=True
            )
        free, light, heavy = ends.values()
        assert heavy["kl"] < 0.2 * light["kl"] < 0.2 * free["kl"]
        assert light["l2"] < heavy["l2"]

    def test_samples(self):
        task = make_vae()
        pictures = task.sample(3, seed=5)
        assert pictures.shape == (3, SIDE, SIDE, 3)
        assert np.min(pictures) >= 0.0
        assert np.max(pictures) <= 1.0
        np.testing.assert_array_equal(task.sample(3, seed=5), pictures)
        assert np.any(task.sample(3, seed=6) != pictures)

    def test_gradient_norms(self, photos):
        task = make_vae()
        expected = plain_norms(task, photos)
        for name, norm in task.gradient_norms(photos).items():
            assert float(norm) == pytest.approx(expected[name], rel=1e-4)

    def test_a_network_without_the_parts_is_refused(self):
        with pytest.raises(ValueError, match="`bottleneck` that gives.*stoch"):
            make_vae(generator=network())

    def test_kl_needs_a_weight(self):
        with pytest.raises(ValueError, match=r"\['kl', 'l2'\].*'l2': 1"):
            tasks.ExpectedLossVAE(
                stochastic(), {"l2": losses.L2Loss()}, {"l2": 1.0}
            )
