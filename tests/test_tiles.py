"""Pictures in tiles: geometry, networks that look only so far, and context."""

import keras
import numpy as np
import pytest
import tensorflow as tf
from PIL import Image
from scipy import ndimage

from percgen import context
from percgen import images
from percgen import networks
from percgen import png_rows
from percgen import strips
from serving import big_pictures
from serving import client
from serving import tiles


@pytest.fixture
def photo(tmp_path, photographs):
    """Returns a file of 150 x 203 pixels."""
    rows = np.concatenate([*photographs[:3]], axis=0)[:150]
    picture = Image.fromarray(images.to_uint8(np.hstack([rows] * 4)[:, :203]))
    picture.save(tmp_path / "photo.png")
    return tmp_path / "photo.png"


def reader(pixels):
    """Returns what reads rows as `strips.Rows` does, and forgets nothing."""
    left = [pixels]

    def read(count):
        rows, left[0] = left[0][:count], left[0][count:]
        assert len(rows) == count
        return rows

    return read


def in_tiles(pixels, ask, plan, smallest=16):
    answer = tiles.stream(
        *pixels.shape[:2], reader(pixels), ask, plan, smallest, workers=2
    )
    return np.concatenate(list(answer))


def read(path):
    with Image.open(path) as image:
        return np.asarray(image).astype(int)


class TestPlan:
    @pytest.mark.parametrize(
        ("side", "halo", "overlap"),
        [(60, 0, 0), (64, 4, 0), (64, 0, 24), (64, 0, 8), (64, -8, 0)],
    )
    def test_what_does_not_fit_raises(self, side, halo, overlap):
        with pytest.raises(ValueError, match="multiples of 8"):
            tiles.Plan(side, halo, overlap)

    @pytest.mark.parametrize("length", [10, 64, 65, 79, 80, 129, 203, 1000])
    @pytest.mark.parametrize("overlap", [0, 16])
    @pytest.mark.parametrize("scale", [1, 4])
    def test_weights_of_all_tiles_are_one(self, length, overlap, scale):
        plan = tiles.Plan(64, 8, overlap)
        total = np.zeros(scale * length)
        for span in tiles.spans(length, plan, smallest=16):
            place = slice(scale * span.start, scale * span.stop)
            total[place] += span.weights(scale)
            sent = span.sent_stop - span.sent_start
            assert min(16, length) <= sent <= plan.largest
            assert span.sent_start % tiles.GRID == 0
            for edge, far in (
                (span.start - span.sent_start, span.sent_start > 0),
                (span.sent_stop - span.stop, span.sent_stop < length),
            ):
                assert edge == 8 if far else edge <= 8
        np.testing.assert_allclose(total, 1.0, atol=1e-6)


class TestStream:
    @pytest.fixture
    def pixels(self):
        random = np.random.default_rng(0)
        return random.integers(0, 256, [150, 203, 3]).astype(np.uint8)

    @pytest.mark.parametrize("overlap", [0, 16])
    @pytest.mark.parametrize("kind", [np.uint8, np.uint16])
    def test_nothing_is_lost(self, pixels, overlap, kind):
        pixels = pixels.astype(kind) * kind(np.iinfo(kind).max // 255)
        plan = tiles.Plan(64, 8, overlap)
        answer = in_tiles(pixels, lambda x: x, plan)
        np.testing.assert_array_equal(answer, pixels)
        assert answer.dtype == kind

    @pytest.mark.parametrize("overlap", [0, 16])
    def test_a_filter_within_the_halo_is_that_of_the_whole(
        self, pixels, overlap
    ):
        def ask(part):
            filtered = ndimage.uniform_filter(part, [17, 17, 1], mode="reflect")
            return filtered.repeat(2, 0).repeat(2, 1)

        answer = in_tiles(pixels, ask, tiles.Plan(64, 8, overlap))
        np.testing.assert_array_equal(answer, ask(pixels))

    def test_of_what_a_row_of_tiles_covers_only(self, pixels):
        read, held = reader(pixels), []

        def counting(count):
            held.append(count)
            return read(count)

        answer = tiles.stream(
            150, 203, counting, lambda x: x, tiles.Plan(64, 8), 16, 1
        )
        next(answer)
        assert sum(held) == 72
        assert sum(map(len, answer)) == 86
        assert sum(held) == 150

    def test_an_answer_of_no_whole_factor_raises(self, pixels):
        with pytest.raises(ValueError, match="by a whole factor"):
            in_tiles(pixels, lambda x: x[:-1], tiles.Plan(64, 8))

    def test_one_failing_tile_ends_it(self, pixels):
        def fail(part):
            raise client.ServerError("INTERNAL", "broken")

        with pytest.raises(client.ServerError, match="INTERNAL: broken"):
            in_tiles(pixels, fail, tiles.Plan(64, 8))


@pytest.mark.parametrize(
    ("network", "exactly"),
    [
        (networks.Upscaler(4, width=4, blocks=2), True),
        (networks.Upscaler(2, width=4, blocks=1), True),
        (networks.Upscaler(8, 4, 1, "johnson2016"), False),
        (networks.SRCNN(scale=3, middle=3, color="rgb"), False),
        (networks.SRCNN(scale=2), False),
    ],
    ids=lambda x: getattr(x, "name", None),
)
def test_a_halo_is_how_far_a_network_looks(network, exactly):
    random = np.random.default_rng(0)
    for variable in network.trainable_variables:
        variable.assign(np.abs(random.normal(0.1, 0.1, variable.shape)))
    picture = random.uniform(0.6, 0.9, [1, 49, 49, 3]).astype(np.float32)
    other = picture.copy()
    other[0, 24, 24] += 0.1
    changed = np.abs(network(picture) - network(other))[0].max(axis=2) > 0
    reach = np.abs(np.argwhere(changed) // network.scale - 24).max()
    assert 0 < reach <= network.halo
    assert not exactly or reach == network.halo


class TestSuperResolution:
    def test_tiles_give_what_the_whole_gives(self, address, photo, tmp_path):
        with client.Client(address, "x4") as model:
            model.generate(photo).save(tmp_path / "whole.png")
            big_pictures.generate(model, photo, tmp_path / "tiles.png", tile=64)
            assert model.about()["scale"] == 4
            assert model.about()["halo"] == 15
        whole, parts = (
            read(tmp_path / "whole.png"),
            read(tmp_path / "tiles.png"),
        )
        assert whole.shape == (600, 812, 3)
        np.testing.assert_allclose(parts, whole, atol=1)

    def test_without_a_halo_they_do_not(self, address, photo, tmp_path):
        with client.Client(address, "x4") as model:
            model.generate(photo).save(tmp_path / "whole.png")
            big_pictures.generate(
                model, photo, tmp_path / "tiles.png", tile=64, halo=0
            )
        difference = read(tmp_path / "whole.png") - read(tmp_path / "tiles.png")
        assert np.abs(difference).max() > 3

    def test_alpha_gray_and_16_bits_stay(self, address, photo, tmp_path):
        gray = np.asarray(Image.open(photo).convert("L"), np.uint16) * 256
        alpha = np.linspace(0, 65535, gray.size).reshape(gray.shape)
        deep = np.dstack([gray, alpha.astype(np.uint16)])
        source, target = tmp_path / "deep.png", tmp_path / "tiles.png"
        with source.open("wb") as file:
            rows = png_rows.PngRows(file, deep.shape, np.uint16)
            rows.write(deep)
            rows.close()
        with client.Client(address, "x4") as model:
            whole = model.generate(source).pixels()
            big_pictures.generate(model, source, target, tile=64)
        parts = strips.Rows(target)
        assert parts.form.gray
        assert parts.form.alpha
        tiled = parts.read(parts.height)
        assert tiled.dtype == whole.dtype == np.uint16
        assert tiled.shape == whole.shape == (600, 812, 2)
        np.testing.assert_array_equal(tiled[..., 1], whole[..., 1])
        assert np.mean(whole[..., 0] % 257 > 0) > 0.9  # Not made of 8 bits.
        light = (tiled[..., 0].astype(float) - whole[..., 0]) * tiled[..., 1]
        assert np.abs(light).max() <= 65535 * 257

    def test_jpeg(self, address, photo, tmp_path):
        target = tmp_path / "tiles.jpg"
        with client.Client(address, "x4") as model:
            size = big_pictures.generate(model, photo, target, tile=64)
        with Image.open(target) as image:
            assert (image.format, image.size) == ("JPEG", size)
        assert {p.name for p in tmp_path.iterdir()} == {
            "photo.png",
            "tiles.jpg",
        }

    def test_tiles_too_large_for_the_model_raise(
        self, address, photo, tmp_path
    ):
        with (
            client.Client(address, "x4") as model,
            pytest.raises(ValueError, match="takes parts of 1000000 pixels"),
        ):
            big_pictures.generate(model, photo, tmp_path / "x.png", tile=1024)


class TestPainter:
    def test_a_whole_of_itself_is_painted_as_always(self, photographs):
        for styles in (1, 2):
            keras.utils.set_random_seed(1)
            network = networks.StyleGenerator(width=4, styles=styles)
            follower = context.following(network)
            assert follower.weights[0] is network.weights[0]
            both = tf.repeat(photographs[:1], 2, 0)
            one, pair = both[:1], both
            if styles > 1:
                rows = tf.constant([[0.3, 0.7]])
                one, pair = [one, rows], [both, tf.repeat(rows, 2, 0)]
            np.testing.assert_allclose(
                follower(pair)[1], network(one)[0], atol=1e-5
            )

    def test_others_need_no_context(self):
        assert context.following(networks.Upscaler(2, 4, 1)) is None
        assert context.following(networks.SRCNN()) is None
        paper = networks.StyleGenerator("johnson2016", width=4)
        assert context.following(paper) is None

    def test_context_brings_tiles_nearer_the_whole(
        self, address, tmp_path, photographs
    ):
        # Bright above, dark below: each tile by itself would be neither.
        light = np.linspace(1.0, 0.2, 192)[:, None, None]
        rows = np.vstack([np.hstack(photographs[[0, 1, 2]])] * 3) * light
        source = tmp_path / "photo.png"
        images.write(source, images.to_uint8(rows))
        with client.Client(address, "style") as model:
            assert model.about()["halo"] == -1
            whole = model.generate(source).pixels().astype(int)
            big_pictures.generate(model, source, tmp_path / "a.png", tile=96)
            model.about()["context"] = 0
            big_pictures.generate(model, source, tmp_path / "b.png", tile=96)
        near, far = (
            np.abs(read(tmp_path / name) - whole).mean()
            for name in ("a.png", "b.png")
        )
        assert near < 0.5 * far

    def test_context_of_another_size_is_refused(self, address, photo):
        content = photo.read_bytes()
        small = images.to_png(Image.open(photo).resize((100, 100)))
        with (
            client.Client(address, "style") as model,
            pytest.raises(client.ServerError, match="of the size of"),
        ):
            model.send(content, context=small)

    def test_the_whole_made_small_is_its_means(self, photo):
        small = strips.shrunken(photo, 50)
        assert small.shape == (50, 50, 3)
        pixels = read(photo)
        np.testing.assert_allclose(
            small[:, 0],
            pixels.reshape(50, 3, 203, 3)[:, :, :4].mean((1, 2)),
            atol=0.51,
        )
        np.testing.assert_array_equal(strips.shrunken(photo, 500), pixels)
