import numpy as np
import pytest
import tensorflow as tf

from percgen import losses
from percgen import metrics
from percgen import ops


@pytest.fixture
def mixed(photographs):
    """Returns predictions, some good and some bad."""
    noise = np.random.default_rng(0).normal(0.0, 1.0, photographs.shape)
    deviation = np.array([0.01, 0.02, 0.1, 0.3])[:, None, None, None]
    noisy = photographs + deviation * noise
    return np.clip(noisy, 0, 1).astype(np.float32)


def test_psnr_is_averaged_after_the_logarithm(photographs, mixed):
    metric = metrics.PSNR()
    metric.update_state(photographs, mixed)
    expected = np.mean(tf.image.psnr(photographs, mixed, 1.0))
    assert float(metric.result()) == pytest.approx(expected, rel=1e-5)
    of_mean = 10 * np.log10(1 / np.mean((photographs - mixed) ** 2))
    assert float(metric.result()) > of_mean + 3


def test_luma_is_compared_alone(photographs, mixed):
    metric = metrics.PSNR(luma=True)
    metric.update_state(photographs, mixed)
    expected = tf.image.psnr(ops.luma(photographs), ops.luma(mixed), 1.0)
    assert float(metric.result()) == pytest.approx(np.mean(expected), rel=1e-5)


def test_ms_ssim_takes_the_arguments_of_its_function(photographs, mixed):
    options = {"exponents": "ones", "border": "same", "scales": 3}
    metric = metrics.MSSSIM(**options)
    metric.update_state(photographs, mixed)
    expected = np.mean(losses.ms_ssim(photographs, mixed, **options))
    assert float(metric.result()) == pytest.approx(expected, rel=1e-5)


def test_small_pictures_are_refused_with_a_way_out(photographs, mixed):
    with pytest.raises(ValueError, match="hold 3. Pass scales=None"):
        metrics.MSSSIM().update_state(photographs, mixed)
    small = photographs[:, :10]
    with pytest.raises(ValueError, match="at least 11 x 11"):
        metrics.SSIM().update_state(small, small)


def test_a_random_picture_has_a_normalized_error_of_one(photographs):
    shuffled = np.roll(photographs, 1, axis=0)
    everything = metrics.mean_pair_distance(photographs)
    distances = [
        np.linalg.norm(a.astype(np.float64) - b)
        for n, a in enumerate(photographs)
        for b in photographs[:n]
    ]
    assert everything == pytest.approx(np.mean(distances))
    known, estimated = (
        metrics.NormalizedEuclidean(everything),
        metrics.NormalizedEuclidean(),
    )
    for metric in (known, estimated):
        metric.update_state(photographs, shuffled)
    difference = photographs.astype(np.float64) - shuffled
    expected = np.linalg.norm(difference.reshape(4, -1), axis=1).mean()
    for metric in (known, estimated):
        assert float(metric.result()) == pytest.approx(
            expected / everything, rel=1e-5
        )
        assert 0.8 < float(metric.result()) < 1.2


def test_without_pairs_there_is_no_normalized_error(photographs, mixed):
    metric = metrics.NormalizedEuclidean()
    metric.update_state(photographs[:1], mixed[:1])
    assert np.isnan(metric.result())
    with pytest.raises(ValueError, match="at least two. Received: 1"):
        metrics.mean_pair_distance(photographs[:1])
    with pytest.raises(ValueError, match="pair_distance=0"):
        metrics.NormalizedEuclidean(0.0)


def test_sample_weights_count(photographs, mixed):
    metric = metrics.SSIM()
    metric.update_state(photographs, mixed, sample_weight=[0, 0, 1, 3])
    values = np.asarray(losses.ssim(photographs, mixed))
    expected = (values[2] + 3 * values[3]) / 4
    assert float(metric.result()) == pytest.approx(expected, rel=1e-5)


def test_lpips_says_its_trunk():
    loss = losses.LPIPSLoss(lambda x: {"a": x}, [np.ones(3)], ["a"])
    assert "a trunk of the caller" in metrics.LPIPS(loss).remark


def test_two_replicas_measure_what_one_measures(photographs, mixed):
    strategy = tf.distribute.MirroredStrategy(["CPU:0", "CPU:1"])
    made = {
        "psnr": metrics.PSNR,
        "ms_ssim": lambda: metrics.MSSSIM(scales=None),
        "normalized_euclidean": lambda: metrics.NormalizedEuclidean(10.0),
    }
    with strategy.scope():
        several = {name: make() for name, make in made.items()}
    data = tf.data.Dataset.from_tensor_slices((photographs, mixed)).batch(4)

    @tf.function
    def step(batch):
        def update(y_true, y_pred):
            for metric in several.values():
                metric.update_state(y_true, y_pred)

        strategy.run(update, batch)

    for batch in strategy.experimental_distribute_dataset(data):
        step(batch)
    for name, make in made.items():
        metric = make()
        metric.update_state(photographs, mixed)
        assert float(several[name].result()) == pytest.approx(
            float(metric.result()), rel=1e-5
        )
