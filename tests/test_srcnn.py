import keras
import numpy as np
import pytest

from percgen import losses
from percgen import networks
from percgen import ops
from percgen import resizing
from percgen.networks import srcnn


@pytest.fixture(scope="module")
def noisy():
    """Returns a network with weights that no constructor gives."""
    network = networks.SRCNN(2, 3)
    draw = np.random.default_rng(0)
    for weight in network.weights:
        weight.assign(draw.normal(0.0, 0.1, weight.shape))
    return network


def bicubic(pictures, scale):
    height, width = (scale * side for side in pictures.shape[1:3])
    return np.stack([resizing.resize(x, height, width) for x in pictures])


@pytest.mark.parametrize("scale", [2, 3, 4])
@pytest.mark.parametrize("size", [(3, 3), (13, 10), (32, 17)])
def test_enlarging_is_matlabs(scale, size, photographs):
    pictures = photographs[:, : size[0], : size[1]]
    layer = srcnn.BicubicEnlarge(scale)
    expected = bicubic(pictures, scale)
    np.testing.assert_allclose(layer(pictures), expected, atol=1e-6)
    gray = pictures[..., 1:2]
    np.testing.assert_allclose(layer(gray), expected[..., 1:2], atol=1e-6)


def test_enlarges_pictures_of_a_size_not_known_before(photographs):
    images = keras.Input([None, None, 3])
    enlarged = srcnn.BicubicEnlarge(3)(images)
    assert enlarged.shape == (None, None, None, 3)
    network = keras.Model(images, enlarged)
    again = keras.Model.from_config(network.get_config())
    for pictures in (photographs[:, :5, :9], photographs[:, :20, :8]):
        answer = again.predict(pictures, verbose=0)
        np.testing.assert_allclose(answer, bicubic(pictures, 3), atol=1e-6)


@pytest.mark.parametrize(
    ("middle", "count"),
    # Section 4.3.2's table (recalled), which has no biases: 64 + 32 + 1.
    [(1, 8_032 + 97), (3, 24_416 + 97), (5, 57_184 + 97)],
)
def test_has_the_papers_parameters(middle, count):
    assert networks.SRCNN(middle=middle).count_params() == count


def test_has_the_parameters_of_three_channels():
    count = 81 * 3 * 64 + 64 + 9 * 64 * 32 + 32 + 25 * 32 * 3 + 3
    assert networks.SRCNN(3, 3, "rgb").count_params() == count


@pytest.mark.parametrize("color", ["luma", "rgb"])
@pytest.mark.parametrize("scale", [2, 3, 4])
def test_an_untrained_network_enlarges(scale, color, photographs):
    pictures = photographs[:, :13, :10]
    answer = networks.SRCNN(scale, color=color)(pictures)
    assert answer.shape == (4, 13 * scale, 10 * scale, 3)
    expected = bicubic(pictures, scale)
    # All but what falls below zero, which ReLU cuts.
    expected = np.maximum(expected, 0.0) if color == "rgb" else expected
    np.testing.assert_allclose(answer, expected, atol=1e-5)


def test_all_but_the_last_layer_start_at_random():
    first, second, last = (
        layer.kernel
        for layer in networks.SRCNN(color="rgb").body.layers
        if isinstance(layer, keras.layers.Conv2D)
    )
    for kernel, inputs in ((first, 81 * 3), (second, 25 * 64)):
        spread = np.std(kernel[..., 3:])
        np.testing.assert_allclose(spread, 0.1 * (2 / inputs) ** 0.5, rtol=0.05)
    for kernel in (first, second, last):
        kept = np.asarray(kernel)[..., :3]
        assert np.count_nonzero(kept) == 3
        middle = kernel.shape[0] // 2
        np.testing.assert_array_equal(kept[middle, middle, :3], np.eye(3))


def test_luma_is_what_the_body_made_and_chroma_what_it_was(noisy, photographs):
    pictures = photographs[:, :13, :10]
    answer, enlarged = noisy(pictures), noisy.enlarge(pictures)
    made = noisy.body(ops.luma(enlarged))
    assert np.max(np.abs(made - ops.luma(enlarged))) > 0.1
    np.testing.assert_allclose(ops.luma(answer), made, atol=1e-5)
    changed = np.asarray(answer - enlarged)
    # Which leaves differences of channels, so Cb and Cr, as they were.
    np.testing.assert_allclose(changed[..., :1] - changed, 0.0, atol=1e-5)


def test_gray_goes_through_the_body_alone(noisy, photographs):
    gray = photographs[:, :13, :10, :1]
    expected = noisy.body(bicubic(gray, 2))
    np.testing.assert_allclose(noisy(gray), expected, atol=1e-5)


def test_the_body_reflects_at_the_border(noisy, photographs):
    planes = x = photographs[:, :12, :12, :1]
    for layer in noisy.body.layers:
        if not isinstance(layer, keras.layers.Conv2D):
            continue
        half = layer.kernel_size[0] // 2
        frame = [(0, 0), (half, half), (half, half), (0, 0)]
        x = keras.ops.conv(np.pad(x, frame, "reflect"), layer.kernel)
        x = np.asarray(x + layer.bias)
        x = x if layer.filters == 1 else np.maximum(x, 0.0)
    np.testing.assert_allclose(noisy.body(planes), x, atol=1e-4)


def test_tells_its_parts(photographs):
    network, lines = networks.SRCNN(2, 3), []
    network(photographs)
    network.summary(print_fn=lines.append)
    assert "(4, 128, 128, 3)" in lines[0]
    assert f"{network.count_params():,}" in lines[0]


def test_the_smallest_pictures_work(photographs):
    for scale in (2, 3, 4):
        side = srcnn.SMALLEST
        answer = networks.SRCNN(scale)(photographs[:, :side, :side])
        assert answer.shape == (4, scale * side, scale * side, 3)


def test_reloads_with_the_same_answers(noisy, tmp_path, photographs):
    noisy.save(tmp_path / "x.keras")
    again = keras.saving.load_model(tmp_path / "x.keras")
    assert again.get_config() == noisy.get_config()
    np.testing.assert_array_equal(again(photographs), noisy(photographs))


def test_its_body_reloads_alone(noisy, tmp_path, photographs):
    noisy.body.save(tmp_path / "x.keras")
    again = keras.saving.load_model(tmp_path / "x.keras")
    planes = photographs[..., :1]
    np.testing.assert_array_equal(again(planes), noisy.body(planes))


def test_half_precision_does_not_touch_the_enlarging(photographs):
    keras.config.set_dtype_policy("mixed_bfloat16")
    try:
        network = networks.SRCNN(2)
    finally:
        keras.config.set_dtype_policy("float32")
    pictures = photographs[:, :13, :10]
    answer, enlarged = network(pictures), bicubic(pictures, 2)
    assert answer.dtype == "float32"
    changed = np.asarray(answer) - enlarged
    assert np.max(np.abs(changed)) > 1e-4, "Half precision was not tried."
    np.testing.assert_allclose(changed[..., :1] - changed, 0.0, atol=1e-5)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"scale": 8}, r"of \(2, 3, 4\). Received: scale=8"),
        ({"middle": 7}, r"of \(1, 3, 5\). Received: middle=7"),
        ({"color": "y"}, "'luma', 'rgb'.*Received: color='y'"),
    ],
)
def test_unknown_arguments_raise(arguments, message):
    with pytest.raises(ValueError, match=message):
        networks.SRCNN(**arguments)


@pytest.mark.parametrize(
    ("color", "shape", "message"),
    [
        ("luma", [1, 2, 9, 3], r"at least 3 x 3. Received: shape=\(1, 2, 9, 3"),
        ("luma", [1, 9, 2, 1], "at least 3 x 3"),
        ("luma", [1, 9, 9, 4], "1 or 3 with color='luma'"),
        ("rgb", [1, 9, 9, 1], "3 with color='rgb'. Received: shape="),
        ("rgb", [9, 9, 3], r"Received: shape=\(9, 9, 3\)"),
    ],
)
def test_other_pictures_raise(color, shape, message):
    network = networks.SRCNN(2, 1, color)
    with pytest.raises(ValueError, match=message):
        network(np.zeros(shape, np.float32))


def test_learns_what_enlarging_lacks(photographs):
    small = np.stack([resizing.resize(x, 32, 32) for x in photographs])

    def quality(pictures):
        pictures = np.clip(pictures, 0.0, 1.0)
        return float(np.mean(losses.psnr(photographs[:1], pictures)))

    keras.utils.set_random_seed(0)
    network = networks.SRCNN(2, 1)
    network.compile(keras.optimizers.Adam(1e-3), losses.L2Loss(check=False))
    network.fit(small[1:], photographs[1:], epochs=80, verbose=0)
    enlarged = quality(bicubic(small[:1], 2))
    answer = network(small[:1])  # Of a picture that it has not seen.
    assert quality(answer) > enlarged + 0.3
