"""The contract of every loss and metric, on any Keras backend.

`make backends` runs this on JAX and PyTorch too.
"""

import inspect

import keras
import numpy as np
import pytest
from backends import BACKEND
from backends import gradient

from percgen import losses
from percgen import metrics

LAYERS = {"edges": 2.0, "colours": 0.5}
HEADS = [np.array([0.2, 0.5, 0.3]), np.array([1.0, 2.0, 0.5])]


def comparator(images):
    """Gives features simple enough to compute by hand too."""
    return {"edges": images[:, 1:] - images[:, :-1], "colours": images * 3.0}


comparator.smallest_image = 2


def lpips(**options):
    return losses.LPIPSLoss(
        comparator, HEADS, list(LAYERS), published=True, **options
    )


# How to make every loss and metric there is; extra arguments go through.
LOSSES = {
    "l1": losses.L1Loss,
    "l2": losses.L2Loss,
    "charbonnier": losses.CharbonnierLoss,
    "total_variation": losses.TotalVariationLoss,
    "absolute_variation": lambda **o: losses.TotalVariationLoss(1, **o),
    "ssim": losses.SSIMLoss,
    "ssim_same": lambda **o: losses.SSIMLoss("same", **o),
    "ms_ssim": lambda **o: losses.MSSSIMLoss(scales=2, **o),
    "ms_ssim_same": lambda **o: losses.MSSSIMLoss("ones", "same", **o),
    "feature": lambda **o: losses.FeatureLoss(comparator, LAYERS, **o),
    "style": lambda **o: losses.StyleLoss(comparator, LAYERS, **o),
    "lpips": lpips,
}
METRICS = {
    "psnr": metrics.PSNR,
    "psnr_luma": lambda **o: metrics.PSNR(luma=True, **o),
    "ssim": metrics.SSIM,
    "ms_ssim": lambda **o: metrics.MSSSIM(scales=2, **o),
    "normalized_euclidean": metrics.NormalizedEuclidean,
    "feature_distance": lambda **o: metrics.FeatureDistance(
        comparator, LAYERS, **o
    ),
    "lpips": lambda **o: metrics.LPIPS(lpips(), **o),
}
FUNCTIONS = [
    losses.charbonnier,
    losses.discriminator_log_loss,
    losses.generator_log_loss,
    losses.kl_divergence,
    losses.l1,
    losses.l2,
    losses.ms_ssim,
    losses.psnr,
    losses.ssim,
    losses.ssim_map,
    losses.total_variation,
]
PAIRS = [
    function
    for function in FUNCTIONS
    if list(inspect.signature(function).parameters)[:2] == ["y_true", "y_pred"]
]
# They hold a network, which a config cannot.
UNSAVED = ("feature", "style", "lpips", "feature_distance")

each_loss = pytest.mark.parametrize("name", LOSSES)
each_metric = pytest.mark.parametrize("name", METRICS)


@pytest.fixture
def noisy(photographs):
    noise = np.random.default_rng(0).normal(0.0, 0.1, photographs.shape)
    return np.clip(photographs + noise, 0, 1).astype(np.float32)


def number(value):
    return keras.ops.convert_to_numpy(value)


def test_none_is_forgotten():
    public = [value for n, value in vars(losses).items() if n[0] != "_"]
    classes = {v for v in public if inspect.isclass(v)}
    assert classes - {losses.PictureLoss} == {
        type(make()) for make in LOSSES.values()
    }
    assert {v for v in public if inspect.isfunction(v)} == set(FUNCTIONS)
    assert {
        value
        for value in vars(metrics).values()
        if inspect.isclass(value)
        and issubclass(value, keras.metrics.Metric)
        and value is not metrics.PictureMetric
    } == {type(make()) for make in METRICS.values()}


@pytest.mark.parametrize(
    "promised",
    [
        *FUNCTIONS,
        *[make() for make in LOSSES.values()],
        *[make() for make in METRICS.values()],
    ],
    ids=lambda promised: getattr(promised, "__name__", None) or promised.name,
)
def test_all_say_what_they_promise(promised):
    assert promised.direction in ("lower", "higher")
    least, most = promised.value_range
    assert least < most
    assert promised.color_space
    assert promised.border
    assert promised.smallest_image >= 1


@each_loss
def test_a_loss_gives_a_number_per_image_and_a_gradient(
    name, photographs, noisy
):
    loss = LOSSES[name]()
    values = number(loss.call(photographs, noisy))
    assert values.shape == (4,)
    assert values.dtype == np.float32
    assert np.all(values >= loss.value_range[0])
    assert np.all(values <= loss.value_range[1])
    slope = gradient(lambda x: loss.call(photographs, x), noisy)
    assert np.isfinite(slope).all()
    assert np.all(np.abs(slope).max(axis=(1, 2, 3)) > 0)
    np.testing.assert_allclose(
        number(loss(photographs, noisy)), np.mean(values), rtol=1e-5
    )


@each_loss
def test_the_gradient_is_that_of_the_value(name, photographs, noisy):
    loss = LOSSES[name]()
    slope = gradient(lambda x: loss.call(photographs, x), noisy)
    step = np.float32(0.002) * np.sign(slope) * (np.abs(noisy - 0.5) < 0.49)
    ahead = number(loss.call(photographs, noisy + step))
    behind = number(loss.call(photographs, noisy - step))
    expected = np.sum(slope * 2 * step, axis=(1, 2, 3))
    np.testing.assert_allclose(ahead - behind, expected, rtol=0.05)


@each_loss
def test_nothing_is_better_than_equal(name, photographs, noisy):
    loss = LOSSES[name]()
    same = number(loss.call(photographs, photographs))
    if "variation" not in name:
        least = max(loss.value_range[0], 0.0)
        np.testing.assert_allclose(same, least, atol=1e-6)
    assert np.all(same < number(loss.call(photographs, noisy)))


@pytest.mark.parametrize("function", PAIRS, ids=lambda f: f.__name__)
def test_a_function_says_which_way_is_better(function, photographs, noisy):
    options = {"scales": 2} if function is losses.ms_ssim else {}
    worse = photographs + 3 * (noisy - photographs)
    worse = np.clip(worse, 0, 1)
    near, far = (
        # Of a map, which may differ at a position, the mean.
        number(function(photographs, y, **options)).reshape(4, -1).mean(1)
        for y in (noisy, worse)
    )
    assert np.all((near < far) == (function.direction == "lower"))


MISTAKES = {
    "0-255": lambda x: x * 255,
    r"\[-1, 1\]": lambda x: x * 2 - 1,
    "bfloat16": lambda x: x / x.max() + np.float32(0.008),
    "sigmoid": lambda x: x + np.float32(0.6),
    "NaN": lambda x: np.where(x == x.max(), np.float32("nan"), x),
}


@each_loss
@pytest.mark.parametrize("mistake", MISTAKES)
def test_a_loss_names_the_mistake(name, mistake, photographs):
    wrong = MISTAKES[mistake](photographs)
    with pytest.raises(ValueError, match=f"y_pred.*{mistake}.*Received"):
        LOSSES[name]().call(photographs, wrong)
    if "variation" not in name:
        with pytest.raises(ValueError, match=f"y_true.*{mistake}.*Received"):
            LOSSES[name]().call(wrong, photographs)
    unchecked = LOSSES[name](check=False).call(photographs, wrong)
    assert number(unchecked).shape == (4,)


@each_metric
@pytest.mark.parametrize("mistake", MISTAKES)
def test_a_metric_names_the_mistake(name, mistake, photographs):
    wrong = MISTAKES[mistake](photographs)
    with pytest.raises(ValueError, match=f"{mistake}.*Received"):
        METRICS[name]().update_state(photographs, wrong)
    METRICS[name](check=False).update_state(photographs, wrong)


@pytest.mark.parametrize("mistake", MISTAKES)
def test_fit_names_the_mistake(mistake, photographs):
    model = keras.Sequential([keras.layers.Conv2D(3, 1, activation="sigmoid")])
    model.compile("sgd", loss=losses.MSSSIMLoss(scales=None))
    wrong = MISTAKES[mistake](photographs)
    with pytest.raises(Exception, match=f"in .0, 1.; .*{mistake}"):
        model.fit(photographs, wrong, batch_size=2, verbose=0)


@each_loss
@pytest.mark.parametrize("dtype", ["bfloat16", "float16"])
def test_a_loss_computes_in_float32(name, dtype, photographs, noisy):
    loss = LOSSES[name]()
    low = [keras.ops.cast(x, dtype) for x in (photographs, noisy)]
    values = loss.call(*low)
    assert keras.backend.standardize_dtype(values.dtype) == "float32"
    expected = loss.call(*[keras.ops.cast(x, "float32") for x in low])
    np.testing.assert_allclose(number(values), number(expected), rtol=1e-5)


@each_loss
@pytest.mark.parametrize("policy", ["mixed_bfloat16", "mixed_float16"])
def test_no_policy_changes_a_loss(name, policy, photographs, noisy):
    expected = number(LOSSES[name]()(photographs, noisy))
    before = keras.config.dtype_policy()
    keras.config.set_dtype_policy(policy)
    try:
        actual = LOSSES[name]()(photographs, noisy)
    finally:
        keras.config.set_dtype_policy(before)
    assert keras.backend.standardize_dtype(actual.dtype) == "float32"
    np.testing.assert_array_equal(number(actual), expected)


@each_loss
def test_a_loss_refuses_what_is_not_a_picture(name, photographs):
    loss = LOSSES[name]()
    for wrong, message in (
        ((photographs * 255).astype(np.uint8), "dtype=uint8"),
        (photographs > 0.5, "dtype=bool"),
        (photographs[0], r"\[B, H, W, C\]"),
        (np.concatenate([photographs] * 2, axis=-1), "Received: shape"),
    ):
        with pytest.raises(ValueError, match=message):
            loss.call(photographs, wrong)
    with pytest.raises(ValueError, match="dtype=uint8"):
        loss(photographs, (photographs * 255).astype(np.uint8))


@pytest.mark.parametrize(
    "name", [n for n in LOSSES if "variation" not in n and n != "style"]
)
def test_a_loss_refuses_another_shape(name, photographs):
    with pytest.raises(ValueError, match="the same shape"):
        LOSSES[name]().call(photographs, photographs[:, :40])


@each_loss
def test_smallest_means_smallest(name, photographs):
    loss = LOSSES[name]()
    side = loss.smallest_image
    small = photographs[:, :side, :side]
    assert np.isfinite(number(loss.call(small, small))).all()
    if side > 1:
        less = photographs[:, : side - 1]
        with pytest.raises(ValueError, match=f"at least {side} x {side}"):
            loss.call(less, less)


@pytest.mark.parametrize(
    "name", sorted(set(LOSSES) - {"feature", "style", "lpips"})
)
def test_a_loss_survives_its_config(name, photographs, noisy):
    loss = LOSSES[name](check=False)
    twin = keras.losses.deserialize(keras.losses.serialize(loss))
    assert twin.get_config() == loss.get_config()
    assert not twin.check
    np.testing.assert_array_equal(
        number(twin(photographs, noisy)), number(loss(photographs, noisy))
    )


@pytest.mark.parametrize(
    "name", sorted(set(METRICS) - {"feature_distance", "lpips"})
)
def test_a_metric_survives_its_config(name, photographs, noisy):
    metric = METRICS[name]()
    twin = keras.metrics.deserialize(keras.metrics.serialize(metric))
    for one in (metric, twin):
        one.update_state(photographs, noisy)
    assert twin.get_config() == metric.get_config()
    assert float(twin.result()) == float(metric.result())


@pytest.mark.parametrize(
    "name", sorted(set(METRICS) - {"normalized_euclidean"})
)
def test_a_metric_is_a_mean_over_pictures(name, photographs, noisy):
    noisy = np.concatenate([noisy[:2], photographs[2:] * 0.9])
    metric, alone = METRICS[name](), []
    for true, pred in zip(photographs, noisy, strict=True):
        one = METRICS[name]()
        one.update_state(true[None], pred[None])
        alone.append(float(one.result()))
    metric.update_state(photographs[:3], noisy[:3])
    metric.update_state(photographs[3:], noisy[3:])
    assert float(metric.result()) == pytest.approx(np.mean(alone), rel=1e-5)
    metric.reset_state()
    metric.update_state(photographs[:1], noisy[:1])
    assert float(metric.result()) == pytest.approx(alone[0], rel=1e-5)


@each_metric
def test_a_metric_works_in_fit(name, photographs):
    model = keras.Sequential([keras.layers.Conv2D(3, 1, activation="sigmoid")])
    model.compile("sgd", loss=losses.L2Loss(), metrics=[METRICS[name]()])
    # The last batch is smaller.
    history = model.fit(photographs, photographs, batch_size=3, verbose=0)
    assert np.isfinite(history.history[METRICS[name]().name][0])


def test_the_backend_is_the_one_asked_for():
    assert keras.backend.backend() == BACKEND
