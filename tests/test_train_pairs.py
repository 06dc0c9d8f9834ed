"""The commands that learn from pairs: train.reconstruct and train.upscale."""

import keras
import numpy as np
import pytest
import tensorflow as tf
from conftest import logged
from PIL import Image

from percgen import data
from percgen import images
from percgen import losses
from percgen import shipped

FLAGS = {
    "train.reconstruct": [
        "--network=conv_autoencoder",
        "--stochastic",
        "--loss=ms_ssim,mae:1@0/0.2@8",
        "--exponents=wang",
        "--image_size=32",
        "--width=4",
        "--code=32",
        "--learning_rate=0.01",
    ],
    "train.upscale": [
        "--scale=2",
        "--middle=1",
        "--loss=mse",
        "--image_size=32",
        "--flattest=0.01",
        "--halve_at=100,30",
    ],
    "train.deepsim": [
        "--feature_weight=1@0/0.5@8",
        "--image_size=64",
        "--width=4",
        "--discriminator_width=4",
        "--ema=0.5",
        "--learning_rate=0.005",
        "--discriminator_rate=0.005",
    ],
    "train.invert": [
        "--layer=relu3_1",
        "--comparator_precision=bfloat16",
        "--image_size=64",
        "--width=2",
        "--learning_rate=0.003",
        "--discriminator_width=4",
        "--discriminator_rate=0.0002",
    ],
    "train.vae": [
        "--layer=relu3_1",
        "--image_size=64",
        "--code=16",
        "--kl_weight=0.01",
        "--adversarial_weight=0.001",
        "--width=2",
        "--learning_rate=0.001",
        "--notrain_encoder",
        "--discriminator_width=4",
    ],
}
TERMS = {
    "train.reconstruct": {"ms_ssim", "mae", "kl"},
    "train.upscale": {"mse"},
    "train.deepsim": {"feature", "adversarial", "image"},
    "train.invert": {"feature", "adversarial", "image"},
    "train.vae": {"feature", "adversarial", "image", "kl"},
}


@pytest.fixture(scope="module")
def photos(tmp_path_factory, photographs):
    """Returns a folder of four photographs, 160 x 160."""
    folder = tmp_path_factory.mktemp("photos")
    for number, photo in enumerate(images.to_uint8(photographs)):
        square = Image.fromarray(photo).resize((160, 160), Image.LANCZOS)
        square.save(folder / f"{number}.png")
    return folder


@pytest.fixture(scope="module")
def line(photos):
    """Returns a function from a command to the flags of a small run."""

    def line(module):
        return [
            f"--images={photos}/[012].png",
            f"--held_out={photos}/3.png",
            "--batch_size=4",
            "--steps=150",
            "--checkpoint_every=75",
            *FLAGS[module],
        ]

    return line


@pytest.fixture(scope="module")
def finished(tmp_path_factory, line):
    """Returns a function from a command to the folder of a whole run."""
    folders = {}

    def finished(module, run):
        if module not in folders:
            folder = tmp_path_factory.mktemp("runs") / module
            done = run(module, f"--workdir={folder}", *line(module))
            assert done.returncode == 0, done.stderr
            assert "150/150" in done.stdout
            folders[module] = folder
        return folders[module]

    return finished


@pytest.mark.parametrize(
    ("module", "steps"), [("train.upscale", 6000), ("train.deepsim", 3000)]
)
def test_help_tells_a_commands_own_defaults(module, steps, run):
    shown = " ".join(run(module, "--help").stdout.split())
    assert f"--steps: Steps to train in all. (default: '{steps}')" in shown


def test_rates_fall_like_a_cosine_or_by_halves(finished, run):
    found = logged(finished("train.reconstruct", run))["learning_rate"]
    assert {10, 150} < set(found)
    for step, rate in found.items():
        expected = 0.01 * (1.0 + np.cos(np.pi * step / 150)) / 2.0
        assert rate == pytest.approx(expected, rel=1e-4, abs=1e-9)
    found = logged(finished("train.upscale", run))["learning_rate"]
    rates = [found[step] for step in (30, 40, 100, 110)]
    assert rates == pytest.approx([1e-3, 5e-4, 5e-4, 2.5e-4])


@pytest.mark.parametrize("module", FLAGS)
class TestBoth:
    def test_leaves_its_results(self, module, finished, run):
        folder = finished(module, run)
        assert {path.name for path in folder.iterdir()} == {
            "checkpoints",
            "flags.txt",
            "generator.keras",
            "logs",
            "samples.png",
            "used.txt",
            *(["drawn.png"] if module == "train.vae" else []),
        }
        assert images.read(folder / "samples.png").std() > 10

    def test_shows_what_each_term_does(self, module, finished, run):
        logs = logged(finished(module, run))
        terms = TERMS[module]
        assert terms < {
            tag.partition("/")[2] for tag in logs if "terms/" in tag
        }
        for step in (0, 75, 150):
            shares = [float(logs[f"share/{term}"][step]) for term in terms]
            np.testing.assert_allclose(sum(shares), 1.0, rtol=1e-4)
            for term in terms:
                assert float(logs[f"gradient_norm/{term}"][step]) > 0.0
        for tag in ("panel", "where/ssim"):
            width, height, picture = logs[tag][150][:3]
            assert int(width) > 80
            assert tf.io.decode_png(picture).shape[0] == int(height)

    def test_goes_on_to_the_same_weights(
        self, module, finished, run, line, stopped
    ):
        whole = finished(module, run)
        folder = stopped(whole, 75)
        done = run(module, f"--workdir={folder}", *line(module))
        assert "Going on from step 75" in done.stdout, done.stderr
        one, other = (
            keras.saving.load_model(path / "generator.keras").get_weights()
            for path in (whole, folder)
        )
        for a, b in zip(one, other, strict=True):
            np.testing.assert_array_equal(a, b)

    def test_learns_what_it_has_not_seen(self, module, finished, run):
        logs = logged(finished(module, run))
        (term,) = {"ms_ssim", "mse", "image"} & TERMS[module]
        values = logs[f"panel/{term}"]
        assert float(values[150]) < 0.95 * float(values[0])


def test_schedules_move_the_shares(finished, run):
    logs = logged(finished("train.reconstruct", run))
    ratio = [
        float(logs["share/mae"][step] / logs["share/ms_ssim"][step])
        / float(logs["panel/mae"][step] / logs["panel/ms_ssim"][step])
        for step in (0, 75)
    ]
    np.testing.assert_allclose(ratio, [1.0, 0.2], rtol=1e-3)


def test_srcnn_beats_bicubic_on_a_picture_it_has_not_seen(
    finished, run, photos
):
    network = keras.saving.load_model(
        finished("train.upscale", run) / "generator.keras"
    )
    (true,) = data.Files(f"{photos}/3.png").panel(1, 160)
    small = images.resize(images.to_uint8(true), 80, 80)[None] / np.float32(255)
    bicubic = network.enlarge(small)
    psnr = losses.psnr(true[None], np.clip(network(small), 0.0, 1.0))
    assert psnr > losses.psnr(true[None], np.clip(bicubic, 0.0, 1.0))


def test_stops_where_the_loss_is_not_finite(finished, run, line, stopped):
    folder = stopped(finished("train.deepsim", run), 75)
    flags, wild = folder / "flags.txt", "--image_weight=1e+39"
    flags.write_text(flags.read_text().replace("--image_weight=7", wild))
    done = run(
        "train.deepsim",
        f"--workdir={folder}",
        *line("train.deepsim"),
        wild,
    )
    assert done.returncode == 2
    assert "Going on from step 75" in done.stdout
    error = done.stderr.strip().split("\n")[-1]
    assert "error: Not finite at step 76: loss. Try" in error
    kept = {x.stem for x in (folder / "checkpoints").glob("*.index")}
    assert kept == {"ckpt-75"}


def test_names_the_terms_that_are_not_finite(run, line, tmp_path):
    done = run(
        "train.deepsim",
        f"--workdir={tmp_path}/run",
        *line("train.deepsim"),
        "--learning_rate=1e30",
        "--checkpoint_every=1",
    )
    assert done.returncode == 2
    error = done.stderr.strip().split("\n")[-1]
    assert "Not finite at step 1: " in error
    assert "adversarial" in error
    assert not list(tmp_path.glob("run/checkpoints/ckpt*"))


def test_shows_who_learns(finished, run):
    logs = logged(finished("train.deepsim", run))
    for name in ("real_accuracy", "fake_accuracy", "discriminator_learns"):
        shares = [float(x) for x in logs[f"terms/{name}"].values()]
        assert 0.0 <= min(shares) <= max(shares) <= 1.0
    assert 150 in logs["terms/ratio"]


def test_looks_for_pictures_without_a_network(run, line, tmp_path):
    folder = tmp_path / "run"
    done = run(
        "train.invert",
        f"--workdir={folder}",
        *line("train.invert"),
        "--layer=relu1_2",
        "--optimize",
        "--steps=30",
    )
    assert done.returncode == 0, done.stderr
    assert (folder / "used.txt").read_text().startswith("optimized; inverted: ")
    sheet = images.read(folder / "samples.png").astype(float)
    true, found = sheet[80:144, 8:72], sheet[152:216, 8:72]
    assert np.abs(true - found).mean() < 0.5 * np.abs(true - 128).mean()
    assert not (folder / "generator.keras").exists()


def test_upscales_by_deepsim(run, line, tmp_path):
    done = run(
        "train.upscale",
        *line("train.upscale"),
        f"--workdir={tmp_path}",
        "--loss=deepsim",
        "--network=johnson2016",
        "--color=rgb",
        "--degradation=blurred,aliased",
        "--image_size=64",
        "--width=4",
        "--blocks=1",
        "--discriminator_width=4",
        "--steps=4",
    )
    assert done.returncode == 0, done.stderr
    for term in ("feature", "adversarial", "image", "discriminator"):
        assert f"{term}=" in done.stdout
    assert "adversarial + 7" in (tmp_path / "used.txt").read_text()
    network = keras.saving.load_model(tmp_path / "generator.keras")
    assert (network.variant, network.width, network.blocks) == (
        "johnson2016",
        4,
        1,
    )
    sheet = images.read(tmp_path / "samples.png")
    assert sheet.shape == (4 * 152 + 8, 4 * 152 + 8, 3)


def test_starts_from_a_network_of_the_package(run, line, tmp_path):
    start = [
        *line("train.upscale"),
        "--scale=4",
        "--network=residual",
        "--color=rgb",
        "--learning_rate=0",
        "--steps=1",
    ]
    for folder, source in (("a", "fidelity_x4"), ("b", f"{tmp_path}/a")):
        done = run(
            "train.upscale",
            *start,
            f"--start={source}",
            "--loss=mae,total_variation:2",
            f"--workdir={tmp_path / folder}",
        )
        assert done.returncode == 0, done.stderr
        assert "total_variation=" in done.stdout
        kept = keras.saving.load_model(tmp_path / folder / "generator.keras")
        expected = shipped.load("fidelity_x4").get_weights()
        for weight, other in zip(kept.get_weights(), expected, strict=True):
            np.testing.assert_array_equal(weight, other)


class TestSample:
    @pytest.fixture
    def sample(self, finished, run, tmp_path):
        def sample(*flags):
            folder, path = finished("train.vae", run), tmp_path / "x.png"
            done = run(
                "train.sample", f"--run={folder}", f"--output={path}", *flags
            )
            assert done.returncode == 0, done.stderr
            return images.read(path)

        return sample

    def test_draws(self, sample, finished, run):
        drawn = sample("--count=32")
        folder = finished("train.vae", run)
        np.testing.assert_array_equal(drawn, images.read(folder / "drawn.png"))
        assert np.any(sample("--count=32", "--seed=1") != drawn)
        middle = sample("--count=2", "--spread=0")
        np.testing.assert_array_equal(middle[8:72, 8:72], middle[8:72, 80:144])

    def test_restores(self, sample, photos):
        sheet = sample(f"--restore={photos}/*.png")
        assert sheet.shape == (2 * 72 + 8, 4 * 72 + 8, 3)
        (first, *_) = data.Files(f"{photos}/*.png").panel(4, 64)
        np.testing.assert_array_equal(sheet[8:72, 8:72], images.to_uint8(first))

    def test_draws_codes_like_photographs(self, sample, finished, run, photos):
        like = f"--like={photos}/*.png"
        folder = finished("train.vae", run)
        network = keras.saving.load_model(folder / "generator.keras")
        pictures = data.Files(f"{photos}/*.png").panel(4, 64)
        codes, _ = network.bottleneck(network.encoder(pictures))
        middle = network.decoder(np.mean(codes, axis=0, keepdims=True))
        drawn = sample(like, "--count=2", "--spread=0")
        expected = images.to_uint8(np.asarray(middle)[0]).astype(int)
        assert np.abs(drawn[8:72, 8:72] - expected).max() <= 1
        some = sample(like, "--count=8").astype(float)[8:72, 8:]
        assert np.abs(some[:, :64] - some[:, 72:136]).mean() > 0.0

    def test_goes_between(self, sample, photos):
        pair = f"{photos}/0.png,{photos}/1.png"
        restored = sample(f"--restore={pair}")[80:144]
        between = sample(f"--between={pair}", "--count=3")[8:72]
        np.testing.assert_array_equal(between[:, 8:72], restored[:, 8:72])
        np.testing.assert_array_equal(between[:, 152:216], restored[:, 80:144])

    @pytest.mark.parametrize(
        ("flags", "reason"),
        [
            (["--between=one.png"], "should be two photographs"),
            (["--between=a,b", "--restore=c"], "--restore or --between"),
            (["--like=a", "--restore=c"], "Received: --restore and --like"),
            (["--run=nowhere"], "No finished training: nowhere"),
        ],
    )
    def test_what_it_cannot_do(self, refused, finished, run, flags, reason):
        run_flag = f"--run={finished('train.vae', run)}"
        message = refused("train.sample", run_flag, "--output=x.png", *flags)
        assert reason in message

    def test_a_run_that_has_no_codes(self, refused, finished, run):
        folder = finished("train.deepsim", run)
        message = refused("train.sample", f"--run={folder}", "--output=x.png")
        assert "holds no variational autoencoder but upconv_auto" in message


class TestRefuses:
    @pytest.fixture
    def train(self, refused, line, tmp_path):
        def train(module, *changes):
            folder = tmp_path / "run"
            message = refused(
                module, f"--workdir={folder}", *line(module), *changes
            )
            assert not folder.exists(), "nothing half-written"
            return message

        return train

    @pytest.mark.parametrize(
        ("module", "loss", "reason"),
        [
            ("train.upscale", "mes", "of mse, mae, charbonnier"),
            ("train.upscale", "mse,mse:2", "each once. Received: mse,mse:2"),
            ("train.reconstruct", "mse:1@9/2@3", "Received: '1@9/2@3'"),
        ],
    )
    def test_a_loss_that_is_none(self, train, module, loss, reason):
        assert reason in train(module, f"--loss={loss}")

    @pytest.mark.parametrize("module", FLAGS)
    def test_crops_larger_than_all_pictures(self, train, module):
        assert "160" in train(module, "--image_size=192")

    def test_a_size_that_does_not_fit_the_network(self, train):
        message = train("train.reconstruct", "--image_size=36")
        assert "size=36" in message

    @pytest.mark.parametrize(
        ("changes", "reason"),
        [
            (["--scale=8"], "(2, 3, 4). Received: scale=8"),
            (["--scale=3"], "divide by 3"),
            (["--network=residual"], "give --color=rgb"),
            (["--network=johnson2016"], "--network=johnson2016 works in RGB"),
            (["--degradation=bicubic,jpeg"], "Received: bicubic,jpeg"),
            (["--loss=feature"], "give --color=rgb"),
            (["--start=fidelity_x4"], "a network of another shape"),
            (["--start=nowhere"], "No nowhere/generator.keras"),
            (["--loss=deepsim"], "--loss=deepsim sees colours"),
            (["--loss=deepsim,mse"], "of mse, mae, charbonnier"),
        ],
    )
    def test_what_does_not_fit(self, train, changes, reason):
        assert reason in train("train.upscale", *changes)

    @pytest.mark.parametrize(
        ("changes", "reason"),
        [
            (["--image_size=68"], "a multiple of 8"),
            (["--image_size=32"], "needs an --image_size of at least 35"),
            (["--pause_below=0.6"], "low=0.6, high=0.5"),
            (["--halve_at=10,x"], "Received: 10,x"),
            (["--image_weight=-1"], "Received: '-1'"),
            (["--own_features", "--feature_layers=relu9"], "Received: relu9"),
            (
                [
                    "--comparator=alexnet",
                    "--comparator_weights=zeros",
                    "--feature_layers=fc6",
                ],
                "alexnet needs an --image_size of at least 199 for fc6",
            ),
        ],
    )
    def test_what_deepsim_cannot_take(self, train, changes, reason):
        assert reason in train("train.deepsim", *changes)

    @pytest.mark.parametrize(
        ("changes", "reason"),
        [
            (["--layer=pool9"], "should be of trunk1_1, relu1_2"),
            (
                [
                    "--encoder=alexnet",
                    "--encoder_weights=zeros",
                    "--layer=fc6",
                ],
                "at least 199 for fc6",
            ),
            (["--encoder=vgg16", "--encoder_weights=x.h5"], "x.h5"),
            (["--comparator_weights=zeros"], "scale=0.0"),
        ],
    )
    def test_what_invert_cannot_take(self, train, changes, reason):
        assert reason in train("train.invert", *changes)

    @pytest.mark.parametrize("module", FLAGS)
    def test_a_run_of_other_flags(self, finished, refused, line, module, run):
        folder = finished(module, run)
        message = refused(
            module, f"--workdir={folder}", *line(module), "--seed=9"
        )
        assert "holds a run of other flags" in message
