"""SSIM and MS-SSIM against TensorFlow, scikit-image and float64."""

import pathlib

import keras
import numpy as np
import pytest
import skimage
import tensorflow as tf
from backends import gradient
from skimage import metrics as skimage_metrics

from percgen import images
from percgen import losses

SIDE = 192
WANG = np.array([0.0448, 0.2856, 0.3001, 0.2363, 0.1333])
SIZES = [
    (161, 161),
    (162, 175),
    (173, 200),
    (176, 176),
    (191, 255),
    (240, 161),
    (256, 256),
]


@pytest.fixture(scope="module")
def photos():
    """Returns 15 crops of real photographs, float32 `[15, 192, 192, 3]`."""
    folder = pathlib.Path(skimage.__file__).parent / "data"
    crops = []
    for name in ("astronaut.png", "coffee.png"):
        photo = images.read(folder / name)
        for top in range(0, photo.shape[0] - SIDE, 128):
            for left in range(0, photo.shape[1] - SIDE, 128):
                crops.append(photo[top : top + SIDE, left : left + SIDE])
    return np.stack(crops)[:15] / np.float32(255)


@pytest.fixture(scope="module")
def photo():
    """Returns one photograph, float32 `[1, 512, 512, 3]`."""
    return skimage.data.astronaut()[None] / np.float32(255)


def noise(shape, seed=0):
    return np.random.default_rng(seed).normal(size=shape).astype(np.float32)


def with_noise(pictures, deviation=0.1):
    noisy = pictures + deviation * noise(pictures.shape)
    return np.clip(noisy, 0, 1)


def reference(y_true, y_pred, exponents=WANG):
    """Computes MS-SSIM by its definition, in float64."""
    x, y = tf.cast(y_true, tf.float64), tf.cast(y_pred, tf.float64)
    taps = np.exp(-(np.arange(-5, 6) ** 2) / (2 * 1.5**2))
    window = np.outer(taps, taps) / np.outer(taps, taps).sum()
    window = np.tile(window[:, :, None, None], [1, 1, 3, 1])

    def mean(values):
        return tf.nn.depthwise_conv2d(values, window, [1] * 4, "VALID")

    product = 1.0
    for scale, exponent in enumerate(exponents):
        if scale:
            x, y = (tf.nn.avg_pool2d(z, 2, 2, "SAME") for z in (x, y))
        mean_x, mean_y = mean(x), mean(y)
        covariance = mean(x * y) - mean_x * mean_y
        variances = mean(x * x) - mean_x**2 + mean(y * y) - mean_y**2
        similarity = (2 * covariance + 0.03**2) / (variances + 0.03**2)
        if scale == len(exponents) - 1:
            light = 2 * mean_x * mean_y + 0.01**2
            similarity *= light / (mean_x**2 + mean_y**2 + 0.01**2)
        product *= tf.reduce_mean(similarity, [1, 2]) ** exponent
    return tf.reduce_mean(product, axis=-1)


def distance(actual, expected):
    """Returns how far apart two gradients are, relatively, per picture."""
    axes = (1, 2, 3)
    difference = np.sqrt(np.sum((actual - expected) ** 2, axes))
    return difference / np.sqrt(np.sum(expected**2, axes))


def loss_gradient(y_true, y_pred, **options):
    loss = losses.MSSSIMLoss(**options)
    return gradient(lambda y: loss.call(y_true, y), y_pred)


def tensorflow_gradient(y_true, y_pred):
    return gradient(
        lambda y: 1 - tf.image.ssim_multiscale(y_true, y, 1.0), y_pred
    )


@pytest.mark.parametrize(("height", "width"), SIZES)
def test_ms_ssim_is_tensorflows(photo, height, width):
    true = photo[:, :height, :width]
    pred = with_noise(true)
    expected = tf.image.ssim_multiscale(true, pred, 1.0)
    actual = losses.ms_ssim(true, pred)
    np.testing.assert_allclose(actual, expected, atol=1e-5)
    np.testing.assert_allclose(actual, reference(true, pred), atol=1e-6)


def test_ms_ssim_of_many_pixels_is_exact():
    # tf.image adds them up in one float32 and is off by 4e-4 here.
    true = np.random.default_rng(0).random([1, 1080, 1920, 3], np.float32)
    pred = with_noise(true)
    actual = losses.ms_ssim(true, pred)
    np.testing.assert_allclose(actual, reference(true, pred), atol=1e-6)


def test_ms_ssim_of_paper_a_is_tensorflows(photos):
    pred = with_noise(photos)
    expected = tf.image.ssim_multiscale(photos, pred, 1.0, [1.0] * 5)
    actual = losses.ms_ssim(photos, pred, exponents="ones")
    np.testing.assert_allclose(actual, expected, atol=1e-5)


def test_below_zero_the_value_is_tensorflows(photos):
    np.testing.assert_array_equal(losses.ms_ssim(photos, 1 - photos), 0.0)
    unrelated = np.roll(photos, 7, axis=0)
    expected = tf.image.ssim_multiscale(photos, unrelated, 1.0)
    actual = losses.ms_ssim(photos, unrelated)
    np.testing.assert_allclose(actual, expected, atol=1e-5)


def test_ssim_is_tensorflows_and_scikit_images(photos):
    pred = with_noise(photos)
    actual = losses.ssim(photos, pred)
    expected = tf.image.ssim(photos, pred, 1.0)
    np.testing.assert_allclose(actual, expected, atol=2e-5)
    for one, true, other in zip(actual, photos, pred, strict=True):
        expected = skimage_metrics.structural_similarity(
            true.astype(np.float64),
            other.astype(np.float64),
            data_range=1.0,
            gaussian_weights=True,
            sigma=1.5,
            use_sample_covariance=False,
            channel_axis=2,
        )
        assert float(one) == pytest.approx(expected, abs=1e-6)


def test_ssim_map_is_scikit_images(photos):
    true, pred = photos[:3], with_noise(photos[:3])
    valid = losses.ssim_map(true, pred, border="valid")
    same = losses.ssim_map(true, pred)
    assert same.shape == (3, SIDE, SIDE)
    for one, x, y in zip(valid, true, pred, strict=True):
        _, expected = skimage_metrics.structural_similarity(
            x.astype(np.float64),
            y.astype(np.float64),
            data_range=1.0,
            gaussian_weights=True,
            sigma=1.5,
            use_sample_covariance=False,
            channel_axis=2,
            full=True,
        )
        expected = expected[5:-5, 5:-5].mean(axis=-1)
        # One position, in float32; their mean is closer by far, see below.
        np.testing.assert_allclose(one, expected, atol=2e-4)
    # Its windows lie inside: there the border makes no difference.
    np.testing.assert_allclose(same[:, 5:-5, 5:-5], valid, atol=2e-4)


@pytest.mark.parametrize("border", ["valid", "same"])
def test_the_mean_of_ssim_map_is_ssim(photos, border):
    pred = with_noise(photos)
    actual = losses.ssim_map(photos, pred, border)
    expected = losses.ssim(photos, pred, border)
    np.testing.assert_allclose(np.mean(actual, (1, 2)), expected, atol=1e-5)


# Rows of the conformance table: how predictions are made of targets.
ROWS = {
    "noisy": with_noise,
    "uniform noise": lambda x: np.random.default_rng(1).random(
        x.shape, np.float32
    ),
    "unrelated": lambda x: np.roll(x, 7, axis=0),
    "inverted": lambda x: 1 - x,
    "gray": lambda x: np.clip(0.5 + 0.01 * noise(x.shape), 0, 1),
}


@pytest.mark.parametrize("row", ROWS)
@pytest.mark.parametrize("exponents", ["wang", "ones"])
def test_the_gradient_never_dies(photos, row, exponents):
    pred = ROWS[row](photos)
    slope = loss_gradient(photos, pred, exponents=exponents)
    assert np.isfinite(slope).all()
    assert np.all(np.abs(slope).max(axis=(1, 2, 3)) > 1e-9)
    towards = np.sum(-slope * (photos - pred), axis=(1, 2, 3))
    assert np.all(towards > 0)
    own = gradient(
        lambda y: 1 - losses.ms_ssim(photos, y, exponents=exponents), pred
    )
    np.testing.assert_allclose(own, slope, atol=1e-12)


def test_tensorflows_gradient_dies(photos):
    # What the rows above are about; were this mended, say so in the docstring.
    slope = tensorflow_gradient(photos, 1 - photos)
    assert not np.isfinite(slope).all(axis=(1, 2, 3)).any()


def test_the_gradient_is_tensorflows_where_that_is_sound(photos):
    pred = with_noise(photos)
    slope = loss_gradient(photos, pred)
    assert distance(slope, tensorflow_gradient(photos, pred)).max() < 1e-4


@pytest.mark.parametrize("row", ["noisy", "gray"])
def test_the_gradient_is_that_of_the_definition(photos, row):
    pred = ROWS[row](photos)
    expected = gradient(lambda y: 1 - reference(photos, y), pred)
    assert distance(loss_gradient(photos, pred), expected).max() < 1e-4


def test_the_targets_gradient_is_right_too(photos):
    pred = with_noise(photos)
    actual = gradient(lambda x: losses.ms_ssim(x, pred), photos)
    expected = gradient(lambda x: reference(x, pred), photos)
    assert distance(actual, expected).max() < 1e-4


@pytest.mark.parametrize(
    ("first", "second"), [(0.3, 0.3), (0.0, 0.0), (0.3, None)]
)
def test_the_gradient_of_flat_pictures_is_finite(photos, first, second):
    true = np.full_like(photos[:2], first)
    pred = with_noise(true) if second is None else np.full_like(true, second)
    assert np.isfinite(loss_gradient(true, pred)).all()


def autoencoder(dense, normalized):
    """Returns a small untrained autoencoder of 192 x 192 pictures."""
    layers = keras.layers
    x = inputs = keras.Input([SIDE, SIDE, 3])
    for filters in (8, 16):
        x = layers.Conv2D(filters, 5, 4, "same")(x)
        x = layers.BatchNormalization()(x) if normalized else x
        x = layers.ReLU()(x)
    if dense:
        x = layers.Dense(32)(layers.Flatten()(x))
        x = layers.Reshape([12, 12, 16])(layers.Dense(12 * 12 * 16)(x))
    for filters in (8, 3):
        x = layers.Conv2DTranspose(filters, 5, 4, "same")(x)
    return keras.Model(inputs, layers.Activation("sigmoid")(x))


@pytest.mark.parametrize("dense", [False, True])
@pytest.mark.parametrize("normalized", [False, True])
def test_untrained_autoencoders_can_start(photos, dense, normalized):
    for seed in range(3):
        keras.utils.set_random_seed(seed)
        model = autoencoder(dense, normalized)
        with tf.GradientTape() as tape:
            output = model(photos, training=True)
            value = tf.reduce_mean(losses.MSSSIMLoss().call(photos, output))
        for slope in tape.gradient(value, model.trainable_variables):
            assert np.isfinite(slope).all()
            assert np.abs(slope).max() > 0


def test_equal_pictures_have_no_gradient(photos):
    assert np.abs(loss_gradient(photos, photos)).max() < 1e-8


def test_it_trains_out_of_an_inverted_picture(photos):
    true = tf.constant(photos[:1])
    pred = tf.Variable(1 - photos[:1])
    loss = losses.MSSSIMLoss()
    optimizer = keras.optimizers.Adam(0.02)

    @tf.function
    def step():
        with tf.GradientTape() as tape:
            value = loss.call(true, pred)
        optimizer.apply(tape.gradient(value, [pred]), [pred])
        pred.assign(tf.clip_by_value(pred, 0.0, 1.0))
        return value

    first = float(step()[0])
    for _ in range(150):
        last = float(step()[0])
    assert first > 1.2
    assert last < 0.1


@pytest.mark.parametrize("scales", [1, 2, 3, 4])
def test_fewer_scales_keep_the_sum_of_exponents(photos, scales):
    pred = with_noise(photos)
    exponents = WANG[:scales] * WANG.sum() / WANG[:scales].sum()
    actual = losses.ms_ssim(photos, pred, scales=scales)
    expected = reference(photos, pred, exponents)
    np.testing.assert_allclose(actual, expected, atol=1e-6)


@pytest.mark.parametrize(
    ("side", "border", "scales"),
    [
        (11, "valid", 1),
        (20, "valid", 1),
        (21, "valid", 2),
        (32, "valid", 2),
        (96, "valid", 4),
        (160, "valid", 4),
        (161, "valid", 5),
        (16, "same", 4),
        (17, "same", 5),
        (32, "same", 5),
    ],
)
def test_as_many_scales_as_fit(photos, side, border, scales):
    true = photos[:2, :side, :side]
    pred = with_noise(true)
    fitting = losses.ms_ssim(true, pred, border=border, scales=None)
    explicit = losses.ms_ssim(true, pred, border=border, scales=scales)
    np.testing.assert_array_equal(fitting, explicit)
    if scales < 5:
        with pytest.raises(ValueError, match=f"which hold {scales}.*None"):
            losses.ms_ssim(true, pred, border=border, scales=scales + 1)


def test_same_border_is_the_mean_of_cut_windows(photos):
    true, pred = photos[:1, :20, :23], with_noise(photos[:1, :20, :23])
    taps = np.exp(-(np.arange(-5, 6) ** 2) / (2 * 1.5**2))
    total = 0.0
    for row in range(20):
        for column in range(23):
            rows = slice(max(0, row - 5), row + 6)
            columns = slice(max(0, column - 5), column + 6)
            weights = np.outer(
                taps[max(0, 5 - row) : 5 + 20 - row],
                taps[max(0, 5 - column) : 5 + 23 - column],
            )
            weights = weights[..., None] / weights.sum()
            x, y = true[0, rows, columns], pred[0, rows, columns]
            x, y = x.astype(np.float64), y.astype(np.float64)
            m_x, m_y = (np.sum(weights * z, (0, 1)) for z in (x, y))
            v_x = np.sum(weights * (x - m_x) ** 2, (0, 1))
            v_y = np.sum(weights * (y - m_y) ** 2, (0, 1))
            covariance = np.sum(weights * (x - m_x) * (y - m_y), (0, 1))
            total += np.mean(
                (2 * m_x * m_y + 1e-4)
                / (m_x**2 + m_y**2 + 1e-4)
                * (2 * covariance + 9e-4)
                / (v_x + v_y + 9e-4)
            )
    actual = float(losses.ssim(true, pred, border="same")[0])
    assert actual == pytest.approx(total / (20 * 23), abs=1e-6)


def test_sizes_may_be_known_late(photos):
    spec = [tf.TensorSpec([None, None, None, 3])] * 2
    late = tf.function(losses.ms_ssim, input_signature=spec)
    for size in (176, 192):
        true = photos[:3, :size]
        pred = with_noise(true)
        np.testing.assert_allclose(
            late(true, pred), losses.ms_ssim(true, pred), atol=5e-6
        )


def test_under_xla_the_wrong_range_gives_nan(photos):
    compiled = tf.function(losses.ms_ssim, jit_compile=True)
    right = compiled(photos[:1], photos[:1])
    np.testing.assert_allclose(right, 1.0, atol=1e-6)
    assert np.isnan(compiled(photos[:1], photos[:1] * 255)).all()


def test_two_replicas_see_what_one_sees(photos):
    strategy = tf.distribute.MirroredStrategy(["CPU:0", "CPU:1"])
    data = tf.data.Dataset.from_tensors((photos[:4], with_noise(photos[:4])))
    loss = losses.MSSSIMLoss()

    @tf.function
    def step(batch):
        return strategy.run(loss.call, batch)

    (batch,) = strategy.experimental_distribute_dataset(data.unbatch().batch(4))
    # Not gathered: keys of that collective would clash with other tests'.
    actual = np.concatenate(strategy.experimental_local_results(step(batch)))
    expected = loss.call(photos[:4], with_noise(photos[:4]))
    np.testing.assert_allclose(actual, expected, atol=5e-6)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"scales": 6}, "None or 1 to 5"),
        ({"scales": 0}, "None or 1 to 5"),
        ({"border": "full"}, "border='full'"),
        ({"exponents": "equal"}, "exponents='equal'"),
        ({"exponents": [1.0, 2.0], "scales": 1}, "one for each scale"),
        ({"exponents": [1.0, -2.0], "scales": 2}, "should be positive"),
    ],
)
def test_unknown_options_raise(photos, options, message):
    with pytest.raises(ValueError, match=message):
        losses.ms_ssim(photos, photos, **options)
    with pytest.raises(ValueError, match=message):
        losses.MSSSIMLoss(**options)
