import keras
import numpy as np
import pytest
import tensorflow as tf

from percgen import losses
from percgen import networks
from percgen.networks import picture_layers
from percgen.networks import upscaling

CONVOLUTIONS = (keras.layers.Conv2D, keras.layers.Conv2DTranspose)


@pytest.mark.parametrize("scale", [2, 4, 8])
def test_an_untrained_network_enlarges(scale, photographs):
    network = networks.Upscaler(scale, width=8, blocks=1)
    pictures = photographs[:, :13, :10]
    expected = tf.image.resize(pictures, [13 * scale, 10 * scale])
    np.testing.assert_allclose(network(pictures), expected, atol=1e-6)


@pytest.mark.parametrize("variant", ["modern", "johnson2016"])
def test_pictures_of_a_size_not_known_before(variant, photographs):
    network = networks.Upscaler(2, 4, 1, variant)
    compiled = tf.function(
        lambda x: network(x, training=False),
        input_signature=[tf.TensorSpec([None, None, None, 3])],
    )
    for pictures in (photographs[:, :13, :10], photographs[:1, :1, :2]):
        expected = network(pictures)
        np.testing.assert_allclose(compiled(pictures), expected, atol=1e-5)


def test_another_scale_raises():
    with pytest.raises(ValueError, match=r"2, 4 or 8. Received: scale=3"):
        networks.Upscaler(3)


@pytest.mark.parametrize(
    "wrong", [{"variant": "eccv"}, {"width": 0}, {"blocks": 0}]
)
def test_other_wrong_arguments_raise(wrong):
    with pytest.raises(ValueError, match=f"{next(iter(wrong))}="):
        networks.Upscaler(4, **wrong)


@pytest.mark.parametrize(("scale", "kernels"), [(4, 400_451), (8, 437_379)])
def test_the_papers_table(scale, kernels):
    network = networks.Upscaler(scale, variant="johnson2016")
    side = 288 // scale
    assert network.compute_output_shape((4, side, side, 3)) == (4, 288, 288, 3)
    convs = [x for x in network.layers if isinstance(x, CONVOLUTIONS)]
    assert sum(x.count_params() for x in convs) == kernels
    assert [(x.filters, *x.kernel_size) for x in convs] == [
        (64, 9, 9),
        *[(64, 3, 3)] * (8 + (2 if scale == 4 else 3)),
        (3, 9, 9),
    ]
    norms = [
        x
        for x in network.layers
        if isinstance(x, keras.layers.BatchNormalization)
    ]
    assert len(norms) == len(convs) - 1


def test_the_papers_network_enlarges_into_the_range(photographs):
    network = networks.Upscaler(8, 4, 1, "johnson2016")
    pictures = photographs[:, :13, :10]
    answer = np.asarray(network(pictures))
    assert answer.shape == (4, 104, 80, 3)
    assert answer.dtype == np.float32
    assert 0.0 <= answer.min() < answer.max() <= 1.0


@pytest.mark.parametrize("variant", ["modern", "johnson2016"])
def test_reloads_with_the_same_answers(variant, tmp_path, photographs):
    network = networks.Upscaler(2, width=4, blocks=1, variant=variant)
    for variable in network.trainable_variables:
        variable.assign(np.random.default_rng(0).normal(size=variable.shape))
    network.save(tmp_path / "x.keras")
    again = keras.saving.load_model(tmp_path / "x.keras")
    np.testing.assert_array_equal(again(photographs), network(photographs))


def test_learns_what_enlarging_lacks(photographs):
    small = photographs.reshape(4, 32, 2, 32, 2, 3).mean(axis=(2, 4))
    keras.utils.set_random_seed(0)
    network = networks.Upscaler(2, width=16, blocks=2)
    network.compile(keras.optimizers.Adam(1e-3), losses.L2Loss(check=False))
    before = np.mean(losses.psnr(photographs[:1], network(small[:1])))
    network.fit(small[1:], photographs[1:], epochs=80, verbose=0)
    after = np.clip(network(small[:1]), 0.0, 1.0)  # Which it has not seen.
    assert np.mean(losses.psnr(photographs[:1], after)) > before + 0.5


def test_the_shuffle_is_tensorflows():
    pictures = np.random.default_rng(0).normal(size=[2, 3, 5, 48]).astype("f")
    np.testing.assert_array_equal(
        upscaling.PixelShuffle(4)(pictures), tf.nn.depth_to_space(pictures, 4)
    )


def test_a_convolution_by_blocks_is_the_convolution():
    pictures = tf.random.stateless_normal([2, 20, 24, 5], [0, 0])
    plain, blocks = keras.layers.Conv2D(3, 9), picture_layers.BlockConv2D(3, 9)
    slopes = []
    for layer in (plain, blocks):
        layer.build(pictures.shape)
        layer.set_weights([np.ones([9, 9, 5, 3]).cumsum(0), np.arange(3.0)])
        with tf.GradientTape() as tape:
            answer = layer(pictures)
            value = tf.reduce_sum(tf.sin(answer))
        slopes.append((answer, *tape.gradient(value, layer.weights)))
    for one, other in zip(*slopes, strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-3, atol=1e-3)
