import keras
import numpy as np
import pytest

from percgen import networks


@pytest.fixture(scope="module")
def network():
    keras.utils.set_random_seed(0)
    return networks.UpconvAutoencoder(width=4)


def test_codes_are_eight_times_smaller(network, photographs):
    assert network.encoder(photographs).shape == (4, 8, 8, 8)
    assert network.encode(photographs).shape == (4, 512)
    restored = network(photographs)
    assert restored.shape == photographs.shape
    decoded = network.decoder(network.encoder(photographs))
    np.testing.assert_array_equal(restored, decoded)
    wide = network(photographs[:, :40])
    assert wide.shape == (4, 40, 64, 3)


def test_an_up_convolution_is_a_bed_of_nails_convolved(network):
    """4 x 4 over pixels with zeros between, as the paper says it."""
    first = next(
        x
        for x in network.decoder.layers
        if isinstance(x, keras.layers.Conv2DTranspose)
    )
    rng = np.random.default_rng(0)
    x = rng.normal(size=[1, 5, 6, first.input.shape[-1]]).astype(np.float32)
    nails = np.zeros([1, 10 + 3, 12 + 3, x.shape[-1]])
    nails[:, 2:12:2, 2:14:2] = x
    kernel = first.kernel.numpy()[::-1, ::-1]  # [4, 4, outputs, inputs]
    expected = np.zeros([1, 10, 12, kernel.shape[2]])
    for i in range(4):
        for j in range(4):
            expected += nails[:, i : i + 10, j : j + 12] @ kernel[i, j].T
    np.testing.assert_allclose(first(x), expected, atol=1e-5)


def test_is_built_as_the_released_nets_are(network):
    kinds = {
        "ups": keras.layers.Conv2DTranspose,
        "acts": keras.layers.LeakyReLU,
    }
    found = {
        name: [x for x in network.decoder.layers if isinstance(x, kind)]
        for name, kind in kinds.items()
    }
    assert [x.filters for x in found["ups"]] == [8, 4, 3]
    assert all(x.kernel_size == (4, 4) for x in found["ups"])
    assert {x.negative_slope for x in found["acts"]} == {0.3}
    biases = [w for w in network.weights if w.path.endswith("bias")]
    assert len(biases) == 1  # The code's own, our choice.


def test_weights_start_as_released():
    layers = networks.UpconvAutoencoder().decoder.layers
    first, up = layers[1], layers[3]
    found = [x.get_weights()[0].std() for x in (first, up)]
    expected = [0.9 * (2 / 72) ** 0.5, 1.8 * (2 / (16 * up.filters)) ** 0.5]
    np.testing.assert_allclose(found, expected, rtol=0.03)


def test_is_saved_and_loaded(network, photographs, tmp_path):
    network.save(tmp_path / "x.keras")
    again = keras.saving.load_model(tmp_path / "x.keras")
    np.testing.assert_array_equal(again(photographs), network(photographs))


def test_wrong_arguments_raise(network, photographs):
    with pytest.raises(ValueError, match="Received: width=4, code=0"):
        networks.UpconvAutoencoder(4, 0)
    with pytest.raises(ValueError, match="multiples of 8"):
        network(photographs[:, :60])
