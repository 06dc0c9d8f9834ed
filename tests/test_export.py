import io
import shutil
import struct

import keras
import numpy as np
import pytest
import tensorflow as tf
from PIL import Image
from tensorflow_serving.apis import predict_pb2
from tensorflow_serving.apis import prediction_log_pb2

from percgen import export
from percgen import images
from percgen import networks
from percgen import signatures
from serving import messages
from serving import standin

LIMITS = signatures.Limits(max_pixels=10_000, max_batch=3, smallest=16)


@pytest.fixture(scope="module")
def published(generator, tmp_path_factory):
    home = tmp_path_factory.mktemp("models") / "style"
    return export.export(generator, home, limits=LIMITS)


@pytest.fixture(scope="module")
def ask(published):
    """Returns a function that asks the version as a server would."""
    servable = standin.Servable(published[0], 1)

    def ask(signature="serving_default", **inputs):
        request = predict_pb2.PredictRequest()
        request.model_spec.signature_name = signature
        for name, value in inputs.items():
            request.inputs[name].CopyFrom(tf.make_tensor_proto(value))
        response = servable.predict(request)
        (output,) = response.outputs.values()
        return tf.make_ndarray(output)

    return ask


@pytest.fixture
def photo(photographs):
    return images.to_uint8(photographs[0, :51])  # 51 x 64.


def coded(image, kind="PNG", **options):
    buffer = io.BytesIO()
    Image.fromarray(image).save(buffer, kind, **options)
    return buffer.getvalue()


def forged_png(width, height):
    """Returns a PNG file whose header claims a size."""
    content = bytearray(coded(np.zeros([20, 20, 3], np.uint8)))
    content[16:24] = struct.pack(">II", width, height)
    return bytes(content)


def test_says_how_near_it_is_to_the_model(published):
    path, difference = published
    assert path.name == "1"
    assert difference in (0, 1)


def test_png_in_png_out(ask, paint, photo):
    (answer,) = ask(image_bytes=[coded(photo)])
    painting = Image.open(io.BytesIO(answer))
    assert painting.format == "PNG"
    np.testing.assert_allclose(painting, paint(photo), atol=1)


def test_sixteen_bits_in_sixteen_bits_out(ask, generator, photographs):
    noise = np.random.default_rng(0).uniform(0, 1 / 256, [51, 64, 3])
    deep = np.rint((photographs[0, :51] * 0.99 + noise) * 65535)
    deep = deep.astype(np.uint16)
    (answer,) = ask(image_bytes=[tf.io.encode_png(deep).numpy()])
    painted = tf.io.decode_png(answer, dtype=tf.uint16).numpy()
    expected = generator(deep[None] / np.float32(65535))[0]
    difference = painted / 65535 - np.asarray(expected)
    assert np.abs(difference).max() < 0.2 / 255  # Eight bits have .5.
    (jpeg,) = ask(
        image_bytes=[tf.io.encode_png(deep).numpy()],
        jpeg_quality=np.int32([90]),
    )
    assert Image.open(io.BytesIO(jpeg)).format == "JPEG"


def test_it_tells_of_itself(published):
    request = predict_pb2.PredictRequest()
    request.model_spec.signature_name = "about"
    outputs = standin.Servable(published[0], 1).predict(request).outputs
    told = {name: int(tf.make_ndarray(outputs[name])[0]) for name in outputs}
    assert told == {
        "scale": 1,
        "halo": -1,
        "context": 1,
        "bits": 16,
        "smallest": 16,
        "max_pixels": 10_000,
    }


def test_jpeg_in_jpeg_out(ask, paint, photo):
    content = coded(photo, "JPEG", quality=95)
    (png,) = ask(image_bytes=[content])
    np.testing.assert_allclose(
        images.read(png), paint(images.read(content)), atol=2
    )
    (jpeg,) = ask(image_bytes=[content], jpeg_quality=np.int32([80]))
    assert jpeg == tf.io.encode_jpeg(images.read(png), quality=80)


def test_pictures_of_a_request_may_differ_in_size(ask, photo):
    answers = ask(
        image_bytes=[coded(photo), coded(photo[:30, :20])],
        jpeg_quality=np.int32([0, 90]),
    )
    painted = [Image.open(io.BytesIO(answer)) for answer in answers]
    assert [p.size for p in painted] == [(64, 51), (20, 30)]
    assert [p.format for p in painted] == ["PNG", "JPEG"]


def test_pixels(ask, paint, photo):
    answers = ask("pixels", images=np.stack([photo, photo[::-1]]))
    np.testing.assert_allclose(answers[0], paint(photo), atol=1)
    assert answers.shape == (2, 51, 64, 3)


def test_transparent_pixels_lie_over_white(ask, photo):
    rgba = np.dstack([photo, np.full(photo.shape[:2], 64, np.uint8)])
    flat = images.read(coded(rgba))
    (answer,) = ask(image_bytes=[coded(rgba)])
    (plain,) = ask(image_bytes=[coded(flat)])
    difference = np.subtract(images.read(answer), images.read(plain), dtype=int)
    assert np.abs(difference).max() <= 2


def test_gray_is_taken(ask, photo):
    (answer,) = ask(image_bytes=[coded(photo[..., 0])])
    assert images.read(answer).shape == photo.shape


PHOTO = coded(np.zeros([20, 20, 3], np.uint8))


@pytest.mark.parametrize(
    ("inputs", "reason"),
    [
        ({"image_bytes": [b"some text"]}, "only PNG and JPEG"),
        ({"image_bytes": [b""]}, "only PNG and JPEG"),
        ({"image_bytes": [b"GIF89a" + bytes(50)]}, "only PNG and JPEG"),
        ({"image_bytes": [PHOTO[:30]]}, "truncated PNG header"),
        ({"image_bytes": [PHOTO[:60]]}, "Invalid PNG data"),
        (
            {"image_bytes": [b"\xff\xd8\xff" + bytes(60)]},
            "[Ii]nvalid JPEG|JPEG data",
        ),
        (
            {"image_bytes": [forged_png(20_000, 20_000)]},
            "image too large: at most 10000 pixels",
        ),
        # Sides whose product overflows 64 bits.
        ({"image_bytes": [forged_png(2**32 - 1, 2**32 - 1)]}, "too large"),
        ({"image_bytes": [forged_png(2**31, 2**32 - 1)]}, "too large"),
        (
            {"image_bytes": [forged_png(0, 50)]},
            "image too small: at least 16 x 16",
        ),
        ({"image_bytes": [coded(np.zeros([15, 40, 3], np.uint8))]}, "small"),
        ({"image_bytes": np.array([], object)}, "no image"),
        ({"image_bytes": [b""] * 4}, "batch too large: at most 3"),
        ({"image_bytes": [[b""]]}, "not compatible with expected shape"),
        (
            {
                "image_bytes": [PHOTO],
                "jpeg_quality": np.int32([101]),
            },
            "jpeg_quality should be 0",
        ),
        (
            {
                "image_bytes": [PHOTO],
                "jpeg_quality": np.int32([1, 2]),
            },
            "one for each image",
        ),
    ],
)
def test_a_stray_coded_request_is_refused(ask, inputs, reason):
    with pytest.raises(messages.StatusError, match=reason) as raised:
        ask(**inputs)
    assert raised.value.code == 3


@pytest.mark.parametrize(
    ("shape", "kind", "reason"),
    [
        ([32, 32, 3], np.uint8, r"\[32,32,3\] is not compatible"),
        ([1, 32, 32, 1], np.uint8, "not compatible"),
        ([1, 32, 32, 4], np.uint8, "not compatible"),
        ([], np.uint8, "not compatible"),
        ([1, 32, 32, 3], np.float32, "Expects arg"),
        ([0, 32, 32, 3], np.uint8, "no image"),
        ([4, 32, 32, 3], np.uint8, "batch too large"),
        ([1, 0, 32, 3], np.uint8, "too small"),
        ([1, 15, 32, 3], np.uint8, "too small"),
        ([1, 101, 100, 3], np.uint8, "image too large"),
        ([2, 51, 100, 3], np.uint8, "at most 10000 pixels in all"),
    ],
)
def test_stray_pixels_are_refused(ask, shape, kind, reason):
    with pytest.raises(messages.StatusError, match=reason) as raised:
        ask("pixels", images=np.zeros(shape, kind))
    assert raised.value.code == 3


def test_warm_up_covers_each_signature(published):
    file = published[0] / "assets.extra" / "tf_serving_warmup_requests"
    records = tf.data.TFRecordDataset(str(file)).as_numpy_iterator()
    logs = map(prediction_log_pb2.PredictionLog.FromString, records)
    names = [log.predict_log.request.model_spec.signature_name for log in logs]
    assert set(names) == {"serving_default", "pixels", "part"}


def test_a_failing_warm_up_keeps_a_version_out(published, tmp_path):
    shutil.copytree(published[0], tmp_path / "1")
    file = tmp_path / "1" / "assets.extra" / "tf_serving_warmup_requests"
    log = prediction_log_pb2.PredictionLog()
    log.predict_log.request.model_spec.signature_name = "nope"
    with tf.io.TFRecordWriter(str(file)) as writer:
        writer.write(log.SerializeToString())
    with pytest.raises(ValueError, match='"nope" not found'):
        standin.Servable(tmp_path / "1", 1)


def test_the_smallest_limits_can_be_proved(generator, tmp_path):
    limits = signatures.Limits(max_pixels=16 * 16, max_batch=1)
    assert export.export(generator, tmp_path / "style", limits=limits)


def test_a_network_that_enlarges_and_leaves_its_range_is_served(
    tmp_path, photo
):
    network = networks.SRCNN(scale=2, middle=1)
    network.body.layers[-2].bias.assign([0.2])  # Brighter than white.
    version, worst = export.export(network, tmp_path / "x2", limits=LIMITS)
    assert worst <= 1
    pixels = tf.saved_model.load(str(version)).signatures["pixels"]
    answer = pixels(images=tf.constant(photo[None]))["images"]
    assert answer.shape == (1, 102, 128, 3)
    assert np.mean(answer == 255) > 0.01


def test_limits_that_no_picture_meets_raise():
    with pytest.raises(ValueError, match="max_pixels=100"):
        signatures.Limits(max_pixels=100)


def test_versions_count_up_and_never_change(generator, tmp_path):
    home = tmp_path / "style"
    (home / "7").mkdir(parents=True)
    assert export.export(generator, home)[0].name == "8"
    before = sorted(home.rglob("*"))
    with pytest.raises(FileExistsError, match="never change"):
        export.export(generator, home, version=8)
    assert sorted(home.rglob("*")) == before


class Broken(keras.layers.Layer):
    """Does what a test asks, where a served graph must not."""

    def __init__(self, function):
        super().__init__()
        self.function = function

    def call(self, inputs):
        return self.function(inputs)

    def compute_output_shape(self, shape):
        return shape


def python_call(images):
    same = tf.py_function(lambda x: x, [images], tf.float32)
    return tf.ensure_shape(same, images.shape)


@pytest.mark.parametrize(
    ("function", "reason"),
    [
        (python_call, "EagerPyFunc: needs Python"),
        (tf.function(lambda x: x * 1.0, jit_compile=True), "xla"),
        (lambda x: x + tf.random.uniform(tf.shape(x)), "differs"),
    ],
    ids=["python", "xla", "unlike the model"],
)
def test_what_would_not_serve_is_not_published(function, reason, tmp_path):
    picture = keras.Input([None, None, 3])
    broken = keras.Model(picture, Broken(function)(picture))
    home = tmp_path / "models" / "broken"
    with pytest.raises(export.ExportError, match=reason):
        export.export(broken, home)
    assert not home.exists()
    home.mkdir(parents=True)
    with pytest.raises(export.ExportError, match=reason):
        export.export(broken, home)
    assert not list(home.iterdir())


def test_the_command_refuses(refused, tmp_path):
    message = refused(
        "serving.export",
        f"--workdir={tmp_path}",
        f"--model_dir={tmp_path}/models/a",
    )
    assert "has the training run ended?" in message
    assert not (tmp_path / "models").exists()
