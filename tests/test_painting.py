"""Wishes of a network that paints: in Python, and of a served version."""

import io

import keras
import numpy as np
import pytest
import tensorflow as tf
from PIL import Image
from skimage import color
from tensorflow_serving.apis import predict_pb2

from percgen import export
from percgen import images
from percgen import networks
from percgen import painting
from percgen import signatures
from percgen.networks import picture_layers
from serving import messages
from serving import standin

LIMITS = signatures.Limits(max_pixels=10_000, max_batch=4)


@pytest.fixture(scope="module")
def network():
    """Returns a network of three styles, each unlike the others."""
    keras.utils.set_random_seed(0)
    network = networks.StyleGenerator(width=4, styles=3)
    random = np.random.default_rng(0)
    for layer in network.layers:
        if isinstance(layer, picture_layers.StyleAffine):
            for rows in (layer.scale, layer.shift):
                rows.assign(random.uniform(0.5, 1.5, rows.shape))
    return network


@pytest.fixture
def paint(network):
    def paint(photos, weights=(1, 0, 0), strength=1.0, preserve_color=False):
        rows = len(photos)
        return np.asarray(
            painting.paint(
                network,
                tf.constant(photos),
                tf.constant([weights] * rows, tf.float32),
                tf.constant([strength] * rows),
                tf.constant([preserve_color] * rows),
            )
        )

    return paint


class TestPaint:
    def test_one_hot_weights_are_that_style(self, paint, network, photographs):
        for weights in np.eye(3, dtype=np.float32):
            expected = network([photographs, np.tile(weights, [4, 1])])
            np.testing.assert_allclose(
                paint(photographs, weights), expected, atol=1e-6
            )

    def test_strength_fades(self, paint, photographs):
        np.testing.assert_array_equal(
            paint(photographs, strength=0.0), photographs
        )
        half = (photographs + paint(photographs)) / 2
        found = paint(photographs, strength=0.5)
        np.testing.assert_allclose(found, half, atol=1e-6)

    def test_color_is_kept_and_light_is_painted(self, paint, photographs):
        kept = paint(photographs, preserve_color=True)
        found, chroma, light = (
            color.rgb2ycbcr(x) for x in (kept, photographs, paint(photographs))
        )
        np.testing.assert_allclose(found[..., 1:], chroma[..., 1:], atol=1e-3)
        np.testing.assert_allclose(found[..., 0], light[..., 0], atol=1e-3)


@pytest.fixture(scope="module")
def ask(network, tmp_path_factory):
    home = tmp_path_factory.mktemp("models") / "three"
    path, _ = export.export(network, home, limits=LIMITS)
    servable = standin.Servable(path, 1)

    def ask(signature="serving_default", **inputs):
        request = predict_pb2.PredictRequest()
        request.model_spec.signature_name = signature
        for name, value in inputs.items():
            request.inputs[name].CopyFrom(tf.make_tensor_proto(value))
        (output,) = servable.predict(request).outputs.values()
        return tf.make_ndarray(output)

    return ask


@pytest.fixture
def photos(photographs):
    return images.to_uint8(photographs[:2, :33, :41])


def coded(image):
    buffer = io.BytesIO()
    Image.fromarray(image).save(buffer, "PNG")
    return buffer.getvalue()


class TestServed:
    def test_unasked_the_first_style(self, ask, paint, photos):
        found = ask("pixels", images=photos)
        expected = paint(photos / np.float32(255))
        np.testing.assert_allclose(found, 255 * expected, atol=1)

    def test_each_picture_as_it_is_wished(self, ask, paint, photos):
        weights = np.float32([[0, 2, 2], [0, 0, 5]])
        strength = np.float32([0.25, 1.0])
        answers = ask(
            image_bytes=[coded(photo) for photo in photos],
            style_weights=weights,
            strength=strength,
            preserve_color=[False, True],
        )
        raw = ask(
            "pixels",
            images=photos,
            style_weights=weights,
            strength=strength,
            preserve_color=[False, True],
        )
        floats = photos / np.float32(255)
        expected = [
            paint(floats[:1], (0, 0.5, 0.5), 0.25)[0],
            paint(floats[1:], (0, 0, 1), 1.0, True)[0],
        ]
        for answer, pixels, one in zip(answers, raw, expected, strict=True):
            levels = 255 * np.clip(one, 0, 1)
            np.testing.assert_allclose(images.read(answer), levels, atol=1)
            np.testing.assert_allclose(pixels, levels, atol=1)

    def test_no_strength_gives_the_photograph_back(self, ask, photos):
        answers = ask(
            image_bytes=[coded(photo) for photo in photos],
            strength=np.float32([0.0]),
        )
        for answer, photo in zip(answers, photos, strict=True):
            np.testing.assert_array_equal(images.read(answer), photo)

    @pytest.mark.parametrize(
        ("wish", "reason"),
        [
            ({"style_weights": [[1.0, -0.1, 0.0]]}, "should be at least 0"),
            ({"style_weights": [[0.0, 0.0, 0.0]]}, "and one above"),
            ({"style_weights": [[1.0, np.nan, 0.0]]}, "should be at least 0"),
            ({"style_weights": [[1.0, np.inf, 0.0]]}, "should be at least 0"),
            ({"style_weights": [[1.0, 1.0]]}, "[?,3]"),
            ({"style_weights": [[1.0] * 4]}, "[?,3]"),
            ({"style_weights": [1.0, 0.0, 0.0]}, "[?,3]"),
            ({"style_weights": [[1.0, 0.0, 0.0]] * 3}, "should hold one row"),
            ({"strength": [1.1]}, "strength should be 0"),
            ({"strength": [-0.1]}, "strength should be 0"),
            ({"strength": [np.nan]}, "strength should be 0"),
            ({"strength": 0.5}, "[?]"),
            ({"strength": [0.5, 0.5, 0.5]}, "strength should hold one number"),
            ({"strength": np.zeros([0], np.float32)}, "strength should hold"),
            ({"preserve_color": [True] * 3}, "should hold one number"),
        ],
    )
    @pytest.mark.parametrize("signature", ["serving_default", "pixels"])
    def test_what_is_refused(self, ask, photos, wish, reason, signature):
        pictures = {"images": photos}
        if signature == "serving_default":
            pictures = {"image_bytes": [coded(photo) for photo in photos]}
        wish = {
            name: np.float32(value) if name != "preserve_color" else value
            for name, value in wish.items()
        }
        with pytest.raises(messages.StatusError) as error:
            ask(signature, **pictures, **wish)
        assert error.value.code == 3  # INVALID_ARGUMENT
        assert reason in str(error.value)
        assert ask(signature, **pictures) is not None
