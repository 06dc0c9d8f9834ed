"""The contract of every comparator, on any Keras backend.

`make backends` runs this on JAX and PyTorch too.
"""

import functools

import keras
import numpy as np
import pytest
from backends import gradient

from percgen import comparators
from percgen import losses
from percgen.comparators import cards
from percgen.comparators import geometry

each = pytest.mark.parametrize("name", comparators.COMPARATORS)
card = functools.cache(cards.card)


def make(name, layers=None, seed=0):
    """Makes one of its shallow layers: deep random weights take long."""
    kind = comparators.COMPARATORS[name]
    return kind(layers or kind.content_layers, weights="random", seed=seed)


@functools.cache
def shallow(name):
    return make(name)


def look(name, pictures):
    """Returns the features of the content layer, as NumPy."""
    (features,) = shallow(name)(pictures).values()
    return keras.ops.convert_to_numpy(features)


@each
def test_gives_the_layers_asked_for_and_no_others(name, photographs):
    kind = comparators.COMPARATORS[name]
    layers = {*kind.content_layers, kind.style_layers[0]}
    features = make(name, sorted(layers))(photographs)
    assert set(features) == layers
    for layer, values in features.items():
        assert values.shape[0] == len(photographs)
        assert values.shape[-1] == card(name).layers[layer].channels


@each
def test_is_frozen(name):
    assert shallow(name).weights
    assert not shallow(name).trainable_variables


@each
@pytest.mark.parametrize("policy", ["mixed_bfloat16", "mixed_float16"])
def test_no_policy_changes_it(name, policy, photographs):
    before = keras.config.dtype_policy()
    keras.config.set_dtype_policy(policy)
    try:
        (features,) = make(name)(photographs).values()
    finally:
        keras.config.set_dtype_policy(before)
    assert keras.backend.standardize_dtype(features.dtype) == "float32"
    np.testing.assert_array_equal(
        keras.ops.convert_to_numpy(features), look(name, photographs)
    )


@each
def test_half_precision_measures_nearly_alike(name, photographs):
    kind = comparators.COMPARATORS[name]
    layers = dict.fromkeys(kind.content_layers, 1.0)
    half = kind(kind.content_layers, "random", dtype="mixed_bfloat16")
    (features,) = half(photographs).values()
    assert keras.backend.standardize_dtype(features.dtype) == "bfloat16"
    exact, rough = (
        losses.FeatureLoss(network, layers, reduction=None)(
            photographs, photographs[::-1].copy()
        )
        for network in (shallow(name), half)
    )
    np.testing.assert_allclose(
        keras.ops.convert_to_numpy(rough),
        keras.ops.convert_to_numpy(exact),
        rtol=0.02,
    )


@each
def test_a_gradient_reaches_the_picture(name, photographs):
    layers = dict.fromkeys(comparators.COMPARATORS[name].content_layers, 1.0)
    loss = losses.FeatureLoss(shallow(name), layers)
    other = photographs[::-1].copy()
    slope = gradient(lambda x: loss.call(photographs, x), other)
    assert np.isfinite(slope).all()
    assert np.all(np.abs(slope).max(axis=(1, 2, 3)) > 0)


@each
def test_smallest_means_smallest(name):
    side, deepest = card(name).smallest_image, list(card(name).layers)[-1]
    network = comparators.COMPARATORS[name]([deepest], weights="zeros")
    assert network.smallest_image == side > 1
    features = network(np.zeros([1, side, side, 3], "float32"))[deepest]
    assert min(features.shape) >= 1
    for shape in ((side - 1, side), (side, side - 1)):
        with pytest.raises(ValueError, match=f"at least {side} x {side}"):
            network(np.zeros([1, *shape, 3], "float32"))


@each
def test_an_unknown_layer_is_told_those_that_exist(name):
    with pytest.raises(ValueError, match="relu99") as caught:
        make(name, ["relu99"])
    assert ", ".join(card(name).layers) in str(caught.value)


@each
def test_its_seed_is_all_that_is_random(name, photographs):
    (same,) = make(name)(photographs).values()
    (other,) = make(name, seed=1)(photographs).values()
    expected = look(name, photographs)
    np.testing.assert_array_equal(keras.ops.convert_to_numpy(same), expected)
    assert np.any(keras.ops.convert_to_numpy(other) != expected)


@each
@pytest.mark.parametrize("weights", [None, "gone.npz"])
def test_says_which_weights_it_lacks(name, weights):
    kind = comparators.COMPARATORS[name]
    if weights is None and (kind.application or name in ("compact", "random")):
        pytest.skip("has weights of its own")
    with pytest.raises(comparators.WeightsError, match=weights or "None"):
        kind(kind.content_layers, weights=weights)


@each
def test_pictures_may_be_odd_and_oblong(name, photographs):
    pictures = photographs[:1, :51, :37]
    features = look(name, pictures)
    assert np.isfinite(features).all()
    taller = look(name, photographs[:1, :, :37])
    assert taller.shape[1] >= features.shape[1]
    assert taller.shape[2] == features.shape[2] <= features.shape[1]


@each
def test_pictures_do_not_see_each_other(name, photographs):
    alone = [look(name, photograph[None]) for photograph in photographs]
    together = look(name, photographs)
    np.testing.assert_allclose(
        together,
        np.concatenate(alone),
        rtol=1e-4,
        atol=1e-5 * np.abs(together).max(),
    )


@each
def test_a_card_tells_all(name):
    known, kind = card(name), comparators.COMPARATORS[name]
    assert known.name == name
    assert list(known.layers) == shallow(name).layer_names
    assert {*kind.content_layers, *kind.style_layers} <= set(known.layers)
    assert known.smallest_image >= shallow(name).smallest_image
    assert known.parameters >= shallow(name).count_params()
    assert known.gflops_per_megapixel > 1
    assert known.origin == kind.origin
    for word in (name, known.summary.split()[-1], list(known.layers)[-1]):
        assert word in str(known)
    assert "\n" not in known.summary.strip(".")


@each
def test_a_card_tells_what_a_layer_sees(name):
    (layer,) = comparators.COMPARATORS[name].content_layers
    known = card(name).layers[layer]
    seen = what_rows_see(name, known.field + 4 * known.stride)
    whole = [rows for rows in seen.T if not (rows[0] or rows[-1])]
    assert whole
    fields = {tuple(np.flatnonzero(rows)[[0, -1]]) for rows in whole}
    firsts = sorted(first for first, _ in fields)
    assert {last - first + 1 for first, last in fields} == {known.field}
    assert set(np.diff(firsts)) == {known.stride}


def what_rows_see(name, height):
    """Returns which rows of a picture change which rows of features.

    Each row in turn is painted anew, whole: so are its effects large enough to
    be seen.
    """
    random = np.random.default_rng(0)
    width = max(12, shallow(name).smallest_image)
    picture = random.random([1, height, width, 3], np.float32)
    painted = np.repeat(picture, height, axis=0)
    for row in range(height):
        painted[row, row] = 1.0 - np.round(picture[0, row])
    change = np.abs(look(name, painted) - look(name, picture))
    change = change.max(axis=(2, 3))
    return change > 1e-5 * change.max()


def test_a_card_counts_what_convolutions_do():
    # By hand: two 3 x 3 at full size, two at a quarter of its pixels.
    vgg = comparators.VGG19(["relu2_2"], weights="zeros")
    channels = 3 * 64 + 64 * 64 + (64 * 128 + 128 * 128) / 4
    assert geometry.flops_per_pixel(vgg) == 2 * 9 * channels
    assert card("vgg19").parameters == 20_024_384  # As Keras counts its own.
    # Krizhevsky et al., section 3: 60 million parameters.
    assert 60e6 < card("alexnet").parameters < 62e6


def test_there_is_no_card_of_what_is_not_there():
    with pytest.raises(ValueError, match="alexnet, compact.*'vgg'"):
        cards.card("vgg")


def test_random_takes_no_other_weights():
    with pytest.raises(comparators.WeightsError, match="imagenet"):
        comparators.RandomVGG(weights="imagenet")
    network = comparators.RandomVGG(["relu2_2"])
    assert network.provenance == "randomvgg: random orthogonal weights"
    assert network.get_layer("conv2_2").kernel.shape == (3, 3, 128, 128)
