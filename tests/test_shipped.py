"""Networks of the package: kept in float16, loaded, exported, documented."""

import keras
import numpy as np
import pytest

from percgen import networks
from percgen import shipped


@pytest.fixture
def network():
    keras.utils.set_random_seed(0)
    return networks.StyleGenerator(width=4, styles=2)


def test_what_is_written_is_read(network, tmp_path, photographs):
    shipped.write(network, tmp_path / "x.npz")
    again = shipped.read(tmp_path / "x.npz")
    assert again.get_config() == network.get_config()
    for one, other in zip(
        again.get_weights(), network.get_weights(), strict=True
    ):
        assert one.dtype == np.float32
        np.testing.assert_array_equal(one, other.astype(np.float16))
    pair = [photographs, np.float32([[1, 0], [0, 1], [0.5, 0.5], [0, 1]])]
    np.testing.assert_allclose(again(pair), network(pair), atol=0.01)


def test_what_does_not_fit_is_refused(network, tmp_path):
    network.weights[0].assign(np.full(network.weights[0].shape, 1e5))
    with pytest.raises(ValueError, match=r"Weight 0 .* up to 1e\+05"):
        shipped.write(network, tmp_path / "x.npz")
    assert not list(tmp_path.iterdir())


def test_other_files_are_refused(tmp_path):
    np.savez(tmp_path / "x.npz", weights=np.ones(3))
    with pytest.raises(ValueError, match="Cannot read .*x.npz"):
        shipped.read(tmp_path / "x.npz")
    with pytest.raises(ValueError, match="In the package are .*: nothing"):
        shipped.load("nothing")


def test_the_box_is_small():
    files = [shipped.FOLDER / f"{name}.npz" for name in shipped.names()]
    assert sum(file.stat().st_size for file in files) < 8e6


@pytest.mark.parametrize("name", shipped.names())
class TestEach:
    def test_has_a_card(self, name):
        card = (shipped.FOLDER / f"{name}.md").read_text()
        for part in ("## What it is", "## How it was trained", "## How good"):
            assert part in card, part
        assert "python -m train." in card

    def test_makes_pictures(self, name, photographs):
        network = shipped.load(name)
        pictures = photographs[:1, :40, :52]
        inputs = pictures
        if getattr(network, "styles", 1) > 1:
            inputs = [pictures, np.eye(1, network.styles, dtype=np.float32)]
        answer = np.asarray(network(inputs))
        factor = getattr(network, "scale", 1)
        assert answer.shape == (1, 40 * factor, 52 * factor, 3)
        # A picture of the same light, whatever it is made of.
        assert abs(answer.mean() - pictures.mean()) < 0.25
        assert answer.std() > 0.05

    def test_can_be_exported(self, name, run, tmp_path):
        done = run(
            "serving.export",
            f"--pretrained={name}",
            f"--model_dir={tmp_path / name}",
        )
        assert done.returncode == 0, done.stderr
        assert "at most" in done.stdout
        assert (tmp_path / name / "1" / "saved_model.pb").exists()


def test_ships_what_was_trained(network, run, refused, tmp_path):
    network.save(tmp_path / "generator.keras")
    out = tmp_path / "x.npz"
    done = run("train.ship", f"--workdir={tmp_path}", f"--output={out}")
    assert done.returncode == 0, done.stderr
    assert f"{network.count_params():,} parameters" in done.stdout
    assert shipped.read(out).styles == 2
    message = refused("train.ship", "--workdir=nowhere", f"--output={out}")
    assert "No nowhere/generator.keras" in message
    message = refused("train.ship", f"--workdir={tmp_path}", "--output=x.txt")
    assert "end in .npz" in message


def test_export_takes_one_source(refused, tmp_path):
    line = ["serving.export", f"--model_dir={tmp_path / 'x'}"]
    assert "either --workdir or --pretrained" in refused(*line)
    message = refused(*line, "--pretrained=nothing")
    assert "nothing" in message
    assert not (tmp_path / "x").exists()
