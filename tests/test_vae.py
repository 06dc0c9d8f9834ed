import keras
import numpy as np
import pytest
import tensorflow as tf
from keras import layers

from percgen import comparators
from percgen import losses
from percgen import networks
from percgen import tasks

WEIGHTS = {"feature": 1.0, "adversarial": 0.01, "image": 1.0, "kl": 1e-3}


class Halves:
    def __call__(self, pictures):
        return {"halves": pictures[:, ::2, ::2]}


@pytest.fixture
def network():
    keras.utils.set_random_seed(0)
    images = keras.Input([None, None, 3])
    x = layers.Conv2D(8, 5, 4, padding="same", activation="relu")(images)
    x = layers.Conv2D(16, 5, 4, padding="same", activation="relu")(x)
    return networks.UpconvVAE(keras.Model(images, x), 12, 64, 2, 0.1, 0.05)


@pytest.fixture
def task(network):
    task = tasks.VAE(
        network,
        networks.Discriminator(width=2, units=8, weight_decay=0.0),
        {
            "feature": losses.FeatureLoss(
                Halves(), {"halves": 1.0}, check=False
            ),
            "image": losses.L2Loss(check=False),
        },
        WEIGHTS,
    )
    task.compile(keras.optimizers.Adam(3e-3))
    return task


class TestNetwork:
    def test_decodes_the_mean(self, network, photographs):
        features = network.encoder(photographs)
        assert features.shape == (4, 4, 4, 16)
        mean, log_variance = network.bottleneck(features)
        assert mean.shape == log_variance.shape == (4, 12)
        flat = features.numpy().reshape(4, -1) / 0.1 - 0.5
        kernel = network.bottleneck.get_layer("mean").kernel.numpy()
        np.testing.assert_allclose(mean, flat @ kernel, rtol=1e-4, atol=1e-4)
        restored = network(photographs)
        assert restored.shape == photographs.shape
        np.testing.assert_array_equal(restored, network.decoder(mean))

    def test_codes_begin_as_wide_as_the_prior(self, network):
        random = np.random.default_rng(0)
        features = 0.05 + 0.1 * random.normal(size=[500, 4, 4, 16])
        mean, log_variance = network.bottleneck(features)
        np.testing.assert_allclose(log_variance, np.log(0.25), rtol=1e-6)
        assert np.var(mean) == pytest.approx(0.75, rel=0.1)

    @pytest.mark.parametrize("dense", [1, 3])
    def test_the_decoders_dense_layers(self, network, dense):
        encoder = network.encoder
        other = networks.UpconvVAE(encoder, 12, 64, 2, dense=dense)
        found = [
            (layer.kernel.shape[0], layer.units)
            for layer in other.decoder.layers
            if isinstance(layer, layers.Dense)
        ]
        assert found == [(12, 256), (256, 256), (256, 256)][:dense]
        assert other.get_config()["dense"] == dense

    def test_alexnet_is_kept_in_it(self, photographs, tmp_path):
        alexnet = comparators.AlexNet(["conv2"], weights="random")
        encoder = keras.Model(alexnet.input, alexnet.output["conv2"])
        network = networks.UpconvVAE(encoder, 8, 64, 1)
        network.save(tmp_path / "x.keras")
        again = keras.saving.load_model(tmp_path / "x.keras")
        np.testing.assert_array_equal(again(photographs), network(photographs))

    def test_pictures_of_another_size_are_refused(self, network, photographs):
        with pytest.raises(ValueError, match="takes pictures of 64 x 64"):
            network(photographs[:, :60])


class TestTask:
    def test_its_terms(self, task, photographs):
        pictures = tf.constant(photographs)
        terms = task.terms(pictures, training=False)
        restored = task(pictures)
        mean, log_variance = task.generator.bottleneck(
            task.generator.encoder(pictures)
        )
        expected = {
            "feature": losses.l2(
                photographs[:, ::2, ::2], restored[:, ::2, ::2], check=False
            ),
            "image": losses.l2(photographs, restored, check=False),
            "adversarial": tf.nn.softplus(-task.discriminator(restored))[:, 0],
            "kl": losses.kl_divergence(mean, log_variance),
        }
        assert set(terms) == set(expected)
        for name, values in expected.items():
            np.testing.assert_allclose(terms[name], values, rtol=1e-4)

    def test_unseen_pictures_are_restored_better(self, task, photographs):
        seen, unseen = (
            tf.constant(photographs[:3]),
            tf.constant(photographs[3:]),
        )
        before = task.terms(unseen, training=False)
        step = tf.function(task.train_step)
        rng = np.random.default_rng(0)
        for _ in range(100):  # In other colors each time.
            shades = rng.uniform(0.2, 1.0, [3, 1, 1, 3]).astype(np.float32)
            logs = step(seen * shades)
        after = task.terms(unseen, training=False)
        assert after["image"][0] < 0.85 * before["image"][0]
        assert float(logs["kl"]) > 0.0
        assert int(task.steps) == 100

    def test_codes_are_drawn_anew_at_each_step(self, task, photographs):
        pictures = tf.constant(photographs)
        first = task.terms(pictures, training=True)["image"]
        again = task.terms(pictures, training=True)["image"]
        np.testing.assert_array_equal(again, first)
        task.steps.assign_add(1)
        assert np.all(task.terms(pictures, training=True)["image"] != first)

    def test_samples(self, task):
        pictures = task.sample(3, seed=5)
        assert pictures.shape == (3, 64, 64, 3)
        np.testing.assert_array_equal(task.sample(3, seed=5), pictures)
        assert np.any(task.sample(3, seed=6) != pictures)

    def test_codes_of_all_pictures_together(self):
        random = np.random.default_rng(0)
        mean = random.normal(size=[5, 2, 2]) * [1.0, 3.0]
        log_variance = random.normal(size=[5, 2, 2])
        which = random.integers(5, size=400_000)
        noise = random.normal(size=[400_000, 2, 2])
        codes = mean[which] + np.exp(log_variance / 2)[which] * noise
        codes = codes.reshape([-1, 4])
        found = tasks.vae.aggregated_posterior(mean, log_variance)
        np.testing.assert_allclose(found[0], codes.mean(0), atol=0.02)
        np.testing.assert_allclose(found[1], np.cov(codes.T), atol=0.06)

    def test_a_network_without_gaussians_is_refused(self, task):
        with pytest.raises(ValueError, match="`bottleneck` that gives"):
            tasks.VAE(
                networks.UpconvAutoencoder(4),
                task.discriminator,
                task.criteria,
                WEIGHTS,
            )
