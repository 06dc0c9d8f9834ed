import keras
import numpy as np
import pytest

from percgen import losses
from percgen import networks

SIZE = 16
SMALL = {
    "fc": lambda **o: networks.FCAutoencoder(SIZE, 3, (24, 12), 7, **o),
    "conv": lambda **o: networks.ConvAutoencoder(SIZE, 3, (4, 6), 7, **o),
}
FEATURES = {"fc": (12,), "conv": (4, 4, 6)}
FC, CONV = networks.FCAutoencoder, networks.ConvAutoencoder


@pytest.fixture(params=SMALL)
def kind(request):
    keras.utils.set_random_seed(0)
    return request.param


@pytest.fixture
def pictures(photographs):
    return photographs[:, 20 : 20 + SIZE, 20 : 20 + SIZE]


def patches(photographs, step):
    """Returns squares cut from photographs, `[N, SIZE, SIZE, 3]`."""
    views = np.lib.stride_tricks.sliding_window_view(
        photographs, (SIZE, SIZE), axis=(1, 2)
    )[:, ::step, ::step]
    return np.moveaxis(views.reshape(-1, 3, SIZE, SIZE), 1, -1)


@pytest.mark.parametrize("stochastic", [False, True])
def test_the_parts_make_the_whole(kind, stochastic, pictures):
    network = SMALL[kind](stochastic=stochastic)
    features = network.encoder(pictures)
    code = network.bottleneck(features)
    if stochastic:
        code, log_variance = code
        assert log_variance.shape == (4, 7)
        assert np.all(code != log_variance)
    restored = network.decoder(code)
    assert features.shape == (4, *FEATURES[kind])
    assert code.shape == (4, 7)
    assert np.min(np.std(code, axis=0)) > 0.0, "each number tells pictures"
    np.testing.assert_array_equal(network.encode(pictures), code)
    np.testing.assert_array_equal(network(pictures), restored)
    assert np.std(restored) > 0.0


def test_restores_pictures_in_zero_to_one(kind):
    codes = np.random.default_rng(0).normal(0.0, 100.0, [4, 7])
    restored = SMALL[kind]().decoder(codes)
    assert restored.shape == (4, SIZE, SIZE, 3)
    assert restored.dtype == "float32"
    assert np.min(restored) >= 0.0
    assert np.max(restored) <= 1.0
    assert np.std(restored) > 0.1


def test_restores_in_float32_under_half_precision(kind, pictures):
    keras.config.set_dtype_policy("mixed_bfloat16")
    try:
        network = SMALL[kind]()
    finally:
        keras.config.set_dtype_policy("float32")
    assert network.encode(pictures).dtype == "bfloat16"
    assert network(pictures).dtype == "float32"


def test_takes_gray_pictures(pictures):
    for network in (FC(SIZE, 1, (8,), 2), CONV(SIZE, 1, (4,), 2)):
        assert network(pictures[..., :1]).shape == (4, SIZE, SIZE, 1)


def test_no_weight_is_listed_twice(kind):
    network = SMALL[kind](stochastic=True)
    parts = (network.encoder, network.bottleneck, network.decoder)
    expected = {id(weight) for part in parts for weight in part.weights}
    actual = [id(weight) for weight in network.weights]
    assert set(actual) == expected
    assert len(actual) == len(expected)
    assert sum(part.count_params() for part in parts) == network.count_params()


@pytest.mark.parametrize("stochastic", [False, True])
def test_fc_has_the_parameters_of_its_table(stochastic):
    ends = [(3072, 1024), (1024, 512), (512, 128)]
    pairs = [*ends, *((b, a) for a, b in ends), *[(512, 128)] * stochastic]
    expected = sum(a * b + b for a, b in pairs)
    assert FC(stochastic=stochastic).count_params() == expected


def test_conv_has_the_parameters_of_the_papers_table():
    widths = [(3, 128), (128, 256), (256, 512)]
    convolutions = 2 * sum(25 * a * b for a, b in widths) + 3
    dense = 2 * (12 * 12 * 512 * 512) + 512
    norms = 4 * (128 + 256 + 512 + 512 + 256 + 128)
    network = CONV()
    assert network.count_params() == convolutions + dense + norms
    sizes = [
        layer.output.shape[1:]
        for part in (network.encoder, network.decoder)
        for layer in part.layers
        if "conv2d" in layer.name
    ]
    shrunk = [(48, 48, 128), (24, 24, 256), (12, 12, 512)]
    assert sizes == [*shrunk, (24, 24, 256), (48, 48, 128), (96, 96, 3)]


def test_norms_see_the_batch_in_training_alone(pictures):
    network = SMALL["conv"]()
    together = network.encode(pictures)
    alone = network.encode(pictures[:1])
    np.testing.assert_allclose(alone, together[:1], atol=1e-5)
    trained = network.encode(pictures, training=True)
    assert np.max(np.abs(trained - together)) > 0.01
    # Which moved what is remembered of batches.
    assert np.max(np.abs(network.encode(pictures) - together)) > 1e-3


@pytest.mark.parametrize("stochastic", [False, True])
def test_reloads_with_the_same_answers(kind, stochastic, tmp_path, pictures):
    network = SMALL[kind](stochastic=stochastic, name="mine")
    draw = np.random.default_rng(0)
    for weight in network.weights:  # Those of norms too, which start alike.
        weight.assign_add(draw.uniform(0.0, 0.1, weight.shape))
    network.save(tmp_path / "x.keras")
    again = keras.saving.load_model(tmp_path / "x.keras")
    assert again.get_config() == network.get_config()
    assert again.name == "mine"
    assert np.std(network(pictures)) > 0.01
    np.testing.assert_array_equal(again(pictures), network(pictures))
    for old, new in zip(network.weights, again.weights, strict=True):
        np.testing.assert_array_equal(old, new)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: FC(size=0), "`size` should be at least 1. Received: size=0"),
        (lambda: FC(channels=0), "channels=0"),
        (lambda: FC(hidden=()), "`hidden` should be one or more numbers"),
        (lambda: FC(hidden=(4, 0)), r"hidden=\(4, 0\)"),
        (lambda: FC(code=0), "`code` should be at least 1. Received: code=0"),
        (lambda: CONV(widths=[]), r"one or more numbers.*widths=\(\)"),
        (lambda: CONV(widths=[4, -1]), r"each at least 1.*widths=\(4, -1\)"),
        (lambda: CONV(code=-1), "code=-1"),
        (lambda: CONV(size=100), "multiple of 8, for 3 widths.*size=100"),
    ],
)
def test_unfit_arguments_raise(make, message):
    with pytest.raises(ValueError, match=message):
        make()


@pytest.mark.parametrize(
    "shape", [(1, 32, 32, 3), (1, 16, 15, 3), (1, 16, 16, 1), (16, 16, 3)]
)
def test_pictures_of_another_size_raise(kind, shape):
    network = SMALL[kind]()
    for ask in (network, network.encode):
        with pytest.raises(ValueError, match=r"be \[B, 16, 16, 3\]. Received"):
            ask(np.zeros(shape, np.float32))


@pytest.mark.parametrize(
    "make",
    [
        lambda: FC(SIZE, 3, (512,), 64),
        lambda: CONV(SIZE, 3, (8, 16), 64),
    ],
    ids=SMALL,
)
def test_learns_to_restore_what_it_has_not_seen(make, photographs):
    seen, unseen = patches(photographs[1:], 4), patches(photographs[:1], 8)

    def similarity(restored):
        values = losses.ms_ssim(unseen, restored, border="same", scales=None)
        return float(np.mean(values))

    keras.utils.set_random_seed(0)
    network = make()
    before = similarity(network(unseen))
    loss = losses.MSSSIMLoss(border="same", scales=None)
    network.compile(keras.optimizers.Adam(1e-3), loss)
    network.fit(seen, seen, epochs=3, batch_size=16, verbose=0)
    restored = network(unseen)
    assert similarity(restored) > before + 0.3
    # Nor does one answer do for all.
    assert similarity(restored) > similarity(restored[::-1]) + 0.3
