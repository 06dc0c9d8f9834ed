import importlib.util
import os
import subprocess
import sys

import keras
import numpy as np
import pytest
import tensorflow as tf

from percgen import networks
from percgen.networks import picture_layers

VARIANTS = ("modern", "johnson2016")


def convolutions(network):
    kinds = (keras.layers.Conv2D, keras.layers.Conv2DTranspose)
    return [layer for layer in network.layers if isinstance(layer, kinds)]


@pytest.fixture(scope="module", params=VARIANTS)
def generator(request):
    keras.utils.set_random_seed(0)
    return networks.StyleGenerator(request.param, width=4)


@pytest.mark.parametrize(
    "size", [(16, 16), (17, 16), (16, 19), (33, 50), (63, 65), (128, 41)]
)
def test_gives_the_size_it_takes(generator, size):
    images = np.random.default_rng(0).random([2, *size, 3], np.float32)
    outputs = generator(images)
    assert outputs.shape == images.shape
    assert outputs.dtype == tf.float32
    assert np.min(outputs) >= 0.0
    assert np.max(outputs) <= 1.0
    assert np.std(outputs) > 0.0


def test_small_pictures_raise(generator):
    with pytest.raises(ValueError, match="at least 16 x 16"):
        generator(np.zeros([1, 15, 64, 3], np.float32))


# h5py, which Keras saves by, reads NumPy's arrays in a way NumPy will drop.
@pytest.mark.filterwarnings("ignore:__array__:DeprecationWarning")
def test_reloads_with_the_same_answers(generator, tmp_path, photographs):
    generator.save(tmp_path / "generator.keras")
    loaded = keras.saving.load_model(tmp_path / "generator.keras")
    assert loaded.get_config() == generator.get_config()
    np.testing.assert_array_equal(loaded(photographs), generator(photographs))


def test_the_published_table_has_its_parameters():
    network = networks.StyleGenerator("johnson2016")
    count = sum(
        int(np.prod(weight.shape))
        for layer in convolutions(network)
        for weight in layer.weights
    )
    assert count == 1_676_035  # papers: derived from the table.


def test_the_published_table_has_its_sizes():
    network = networks.StyleGenerator("johnson2016")
    outputs = [layer.output for layer in convolutions(network)]
    sizes = keras.Model(network.input, outputs).compute_output_shape(
        [1, 256, 256, 3]
    )
    # Supplement, table 1: 32 x 336 x 336 (seen), then by its arithmetic.
    blocks = [s for end in (80, 76, 72, 68, 64) for s in (end + 2, end)]
    expected = [(336, 32), (168, 64), (84, 128), *((s, 128) for s in blocks)]
    expected += [(128, 64), (256, 32), (256, 3)]
    assert [(shape[1], shape[3]) for shape in sizes] == expected


def test_the_modern_form_treats_each_picture_by_itself(photographs):
    generator = networks.StyleGenerator(width=4)
    together = generator(photographs, training=True)
    for image, expected in zip(photographs, together, strict=True):
        alone = generator(image[None], training=True)[0]
        np.testing.assert_allclose(alone, expected, atol=1e-5)


def test_the_modern_form_pads_every_convolution_by_reflection(photographs):
    generator = networks.StyleGenerator(width=4)
    assert all(layer.padding == "valid" for layer in convolutions(generator))
    paddings = [
        layer.padding
        for layer in generator.layers
        if isinstance(layer, picture_layers.ReflectionPadding2D)
    ]
    sizes = [layer.kernel_size[0] for layer in convolutions(generator)]
    assert paddings == [size // 2 for size in sizes]


@pytest.mark.parametrize("padding", [1, 4])
def test_reflection_is_numpys(padding, photographs):
    each = (padding, padding)
    expected = np.pad(photographs, [(0, 0), each, each, (0, 0)], mode="reflect")
    for layer in (
        picture_layers.ReflectionPadding2D,
        picture_layers.MirrorFrame2D,
    ):
        np.testing.assert_array_equal(layer(padding)(photographs), expected)


def test_a_frame_may_be_larger_than_the_picture(photographs):
    small = photographs[:, :16, :21]
    each = (40, 40)
    expected = np.pad(small, [(0, 0), each, each, (0, 0)], mode="reflect")
    actual = picture_layers.MirrorFrame2D(40)(small)
    np.testing.assert_array_equal(actual, expected)


@pytest.fixture(scope="module")
def painter():
    """Returns a network of three styles, each unlike the others."""
    keras.utils.set_random_seed(0)
    network = networks.StyleGenerator(width=4, styles=3)
    random = np.random.default_rng(0)
    for layer in affines(network):
        for rows in (layer.scale, layer.shift):
            rows.assign(random.uniform(0.5, 1.5, rows.shape))
    return network


def affines(network):
    kind = picture_layers.StyleAffine
    return [layer for layer in network.layers if isinstance(layer, kind)]


@pytest.mark.parametrize("number", [0, 1, 2])
def test_each_style_alone_is_a_network_of_one(painter, photographs, number):
    pictures = photographs[:2, :33, :41]
    alone = networks.StyleGenerator(width=4)
    rows = iter(affines(painter))
    for layer in alone.layers:
        if isinstance(layer, keras.layers.GroupNormalization):
            own = next(rows)
            layer.set_weights([own.scale[number], own.shift[number]])
    pairs = zip(convolutions(alone), convolutions(painter), strict=True)
    for one, other in pairs:
        one.set_weights(other.get_weights())
    weights = np.tile(np.eye(3, dtype=np.float32)[number], [2, 1])
    painted = painter([pictures, weights])
    assert painted.shape == pictures.shape
    np.testing.assert_allclose(painted, alone(pictures), atol=1e-5)


def test_styles_are_told_picture_by_picture(painter, photographs):
    weights = np.array([[1, 0, 0], [0, 0.5, 0.5], [0.2, 0.3, 0.5], [0, 0, 1]])
    weights = weights.astype(np.float32)
    together = painter([photographs, weights])
    for number in range(4):
        one = slice(number, number + 1)
        alone = painter([photographs[one], weights[one]])
        np.testing.assert_allclose(alone, together[one], atol=1e-5)
    assert np.abs(together[0] - painter([photographs[:1], weights[3:]])).max()


def test_styles_are_kept(painter, photographs, tmp_path):
    painter.save(tmp_path / "x.keras")
    again = keras.saving.load_model(tmp_path / "x.keras")
    pair = [photographs, np.full([4, 3], 1 / 3, np.float32)]
    np.testing.assert_array_equal(again(pair), painter(pair))


def test_what_a_network_of_styles_refuses(painter, photographs):
    with pytest.raises(ValueError, match="style_weights"):
        painter(photographs)
    with pytest.raises(ValueError, match=r"expected shape=\(None, 3\)"):
        painter([photographs, np.ones([4, 2], np.float32)])
    with pytest.raises(ValueError, match="at least 16 x 16"):
        painter([photographs[:, :15], np.ones([4, 3], np.float32)])
    with pytest.raises(ValueError, match="styles=2, variant='johnson2016'"):
        networks.StyleGenerator("johnson2016", styles=2)
    with pytest.raises(ValueError, match="styles=0"):
        networks.StyleGenerator(styles=0)


def test_unknown_arguments_raise():
    with pytest.raises(ValueError, match="variant='old'"):
        networks.StyleGenerator("old")
    with pytest.raises(ValueError, match="width=0"):
        networks.StyleGenerator(width=0)


@pytest.mark.filterwarnings("ignore:__array__:DeprecationWarning")
@pytest.mark.parametrize("backend", ["jax", "torch"])
def test_lower_floors_agree_on_another_backend(backend, tmp_path, photographs):
    if importlib.util.find_spec(backend) is None:
        pytest.skip(f"needs {backend}")
    keras.utils.set_random_seed(0)
    generator = networks.StyleGenerator(width=4)
    generator.save(tmp_path / "generator.keras")
    np.save(tmp_path / "in.npy", photographs)
    code = (
        "import sys, keras, numpy as np\n"
        "from percgen import comparators, losses, networks\n"
        "folder = sys.argv[1]\n"
        "images = np.load(f'{folder}/in.npy')\n"
        "net = keras.saving.load_model(f'{folder}/generator.keras')\n"
        "vgg = comparators.VGG16(['relu2_2'], weights='random')\n"
        "loss = losses.StyleLoss(vgg, {'relu2_2': 1.0})\n"
        "out = keras.ops.convert_to_numpy(net(images))\n"
        "value = keras.ops.convert_to_numpy(loss.call(images[:1], images))\n"
        "assert value.shape == (4,) and np.isfinite(value).all()\n"
        "np.save(f'{folder}/out.npy', out)\n"
    )
    subprocess.run(
        [sys.executable, "-c", code, str(tmp_path)],
        env={**os.environ, "KERAS_BACKEND": backend, "PYTHONPATH": "."},
        check=True,
    )
    np.testing.assert_allclose(
        np.load(tmp_path / "out.npy"), generator(photographs), atol=1e-5
    )
