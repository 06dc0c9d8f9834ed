import keras
import numpy as np
import pytest
import tensorflow as tf

from percgen import comparators
from percgen import data
from percgen import networks
from percgen import ops
from percgen import patches
from percgen import tasks
from percgen.comparators import distillation

LAYERS = list(comparators.compact.TEACHES)


def headed(outputs, dropout=0.0, seed=0):
    keras.utils.set_random_seed(seed)
    trunk = comparators.ExemplarCNN(
        ["relu2"], weights="random", seed=seed, trainable=True
    )
    return networks.Headed(trunk, "relu2", outputs, dropout)


def compiled(task, optimizer=None):
    task.compile(optimizer or keras.optimizers.SGD(0.01))
    return task


class TestClassify:
    CLASSES = np.array([0, 2, 1, 2], np.int32)

    def test_terms_are_cross_entropy_and_error(self, photographs):
        task = compiled(tasks.Classify(headed(3)))
        terms = task.terms((photographs, self.CLASSES), training=False)
        logits = np.asarray(task.generator(photographs), np.float64)
        chances = np.exp(logits) / np.exp(logits).sum(1, keepdims=True)
        np.testing.assert_allclose(
            terms["cross_entropy"],
            -np.log(chances[range(4), self.CLASSES]),
            rtol=1e-4,
        )
        np.testing.assert_array_equal(
            terms["error"], logits.argmax(1) != self.CLASSES
        )

    def test_the_loss_is_the_cross_entropy(self, photographs):
        task = compiled(tasks.Classify(headed(3)))
        logs = task.test_step((photographs, self.CLASSES))
        assert float(logs["loss"]) == float(logs["cross_entropy"])

    def test_a_checkpoint_holds_the_state_of_dropout(
        self, photographs, tmp_path
    ):
        def losses(task, steps):
            batch = (tf.constant(photographs), self.CLASSES)
            return [
                float(task.total(task.terms(batch, training=True)))
                for _ in range(steps)
            ]

        one = compiled(tasks.Classify(headed(3, dropout=0.5)))
        losses(one, 2)
        path = tf.train.Checkpoint(one.generator).save(str(tmp_path / "ckpt"))
        other = compiled(tasks.Classify(headed(3, dropout=0.5, seed=1)))
        tf.train.Checkpoint(other.generator).restore(path)
        expected = losses(one, 3)
        assert len(set(expected)) == 3
        assert losses(other, 3) == expected


def test_training_helps(photo_folder):
    """On versions of its classes that a network has not seen."""
    files = data.Files(f"{photo_folder}/*.png")
    exemplars = patches.Exemplars(files, classes=8, size=32, seed=0)
    held_out = exemplars.batches(64, seed=1, start=0, stop=1)
    task = compiled(
        tasks.Classify(headed(8, dropout=0.5)), keras.optimizers.Adam(1e-3)
    )
    before = task.evaluate(held_out, verbose=0, return_dict=True)
    batches = exemplars.batches(32, seed=0, start=0, stop=60)
    task.fit(batches, verbose=0, shuffle=False)
    after = task.evaluate(held_out, verbose=0, return_dict=True)
    assert after["cross_entropy"] < 0.7 * before["cross_entropy"]
    assert after["error"] < 0.6 * before["error"]


class TestRank:
    @pytest.fixture
    def pairs(self):
        return (
            np.random.default_rng(0).random([6, 2, 32, 32, 3], np.float32) ** 2
        )

    @pytest.mark.parametrize("late", [False, True])
    def test_terms_are_the_ranking(self, pairs, late):
        task = compiled(tasks.Rank(headed(16), hard_after=1, hardest=3))
        if late:
            task.optimizer.iterations.assign(1)
        terms = task.terms(tf.constant(pairs), training=False)
        np.testing.assert_allclose(
            terms["ranking"], self.ranking(task, pairs, late), rtol=1e-3
        )

    def ranking(self, task, pairs, late):
        first, second = (
            np.asarray(task.generator(pairs[:, k]), np.float64) for k in (0, 1)
        )

        def distance(x, y):
            return 1 - x @ y / np.linalg.norm(x) / np.linalg.norm(y)

        found = []
        for i in range(6):
            own = distance(first[i], second[i])
            lacking = sorted(
                max(0.0, own - distance(first[i], second[j]) + 0.5)
                for j in range(6)
                if j != i
            )
            found.append(np.mean(lacking[-3:] if late else lacking))
        return found

    def test_the_hardest_are_harder(self, pairs):
        task = compiled(tasks.Rank(headed(16), hard_after=1, hardest=3))
        early = task.terms(tf.constant(pairs), training=False)["ranking"]
        task.train_step(tf.constant(pairs))
        assert int(task.optimizer.iterations) == 1
        now = self.ranking(task, pairs, late=True)
        late = task.terms(tf.constant(pairs), training=False)["ranking"]
        np.testing.assert_allclose(late, now, rtol=1e-3)
        assert np.mean(late) > np.mean(early)


@pytest.fixture(scope="module")
def teacher():
    return comparators.VGG19(LAYERS, weights="random")


@pytest.fixture(scope="module")
def eight(photographs):
    """Returns eight photographs, of which the last four are mirrored."""
    return np.concatenate([photographs, photographs[:, :, ::-1]])[:, ::2, ::2]


def distill(teacher, photographs, steps=3):
    pupil = distillation.Pupil(seed=0)
    pupil.measure(teacher(photographs))
    return compiled(tasks.Distill(pupil, teacher, LAYERS, steps))


class TestDistill:
    def test_terms_are_mean_squares(self, teacher, eight):
        task = distill(teacher, eight)
        terms = task.terms(tf.constant(eight), training=False)
        seen, predicted = teacher(eight), task.generator(eight)
        for layer, (channels, side) in comparators.compact.TEACHES.items():
            true = np.asarray(seen[layer])
            true = true / np.sqrt(true.var(axis=(0, 1, 2)).mean())
            size = true.shape[1] // side
            blocks = [
                true[:, down::side, right::side]
                for down in range(side)
                for right in range(side)
            ]
            true = np.concatenate(blocks, axis=-1)
            assert true.shape == (8, size, size, channels * side**2)
            np.testing.assert_allclose(
                terms[layer],
                np.square(predicted[layer] - true).mean(axis=(1, 2, 3)),
                rtol=1e-3,
            )

    def test_a_quarter_of_the_batch_is_painted(self, teacher, eight):
        task = distill(teacher, eight)
        asked = []
        task.terms = lambda batch, training: (
            asked.append(np.asarray(batch))
            or tasks.Distill.terms(task, batch, training)
        )
        task.train_step(tf.constant(eight))
        (batch,) = asked
        assert batch.shape == eight.shape
        np.testing.assert_array_equal(batch[2:], eight[2:])
        assert np.abs(batch[:2] - eight[:2]).mean(axis=(1, 2, 3)).min() > 0.003

    def test_painting_moves_towards_the_neighbour(self, teacher, eight):
        task = distill(teacher, eight)
        few = tf.constant(eight[:3])
        painted = task.paint(few)
        assert np.min(painted) >= 0.0
        assert np.max(painted) <= 1.0
        styles, before, after = (
            {layer: ops.gram(x) for layer, x in task.generator(each).items()}
            for each in (tf.roll(few, 1, axis=0), few, painted)
        )
        away = [
            sum(
                np.square(grams[layer] - style).sum(axis=(1, 2))
                / np.square(style).sum()
                for layer, style in styles.items()
            )
            for grams in (before, after)
        ]
        assert np.all(away[1] < 0.95 * away[0])

    def test_it_learns(self, teacher, eight):
        task = distill(teacher, eight, steps=1)
        task.compile(keras.optimizers.Adam(3e-3))
        batch = tf.constant(eight)
        before = task.test_step(batch)["loss"]
        task.reset_metrics()
        step = tf.function(task.train_step)
        for _ in range(20):
            step(batch)
        task.reset_metrics()
        assert task.test_step(batch)["loss"] < 0.8 * before


@pytest.fixture(scope="module")
def pupil():
    """Returns a pupil whose layers have learnt a bias."""
    pupil = distillation.Pupil(seed=0)
    random = np.random.default_rng(0)
    for layer in pupil.compact.layers:
        if hasattr(layer, "kernel"):
            layer.bias.assign(random.normal(0.0, 0.1, layer.bias.shape))
    return pupil


@pytest.fixture(scope="module")
def folded(pupil, teacher, eight, tmp_path_factory):
    arrays = pupil.fold(eight, teacher(eight))
    path = tmp_path_factory.mktemp("folded") / "compact.npz"
    np.savez(path, **arrays)
    return comparators.Compact(LAYERS, weights=str(path))


class TestFold:
    def test_distances_are_those_of_the_heads(self, pupil, folded, eight):
        heads, features = pupil(eight), folded(eight)
        for layer in LAYERS:
            theirs, ours = (
                np.linalg.norm(x[layer][0] - x[layer][1:], axis=-1).ravel()
                for x in (heads, features)
            )
            factor = ours.sum() / theirs.sum()
            np.testing.assert_allclose(
                ours, factor * theirs, rtol=1e-4, atol=1e-4 * ours.max()
            )

    def test_styles_are_as_far_apart_as_to_the_teacher(
        self, folded, teacher, eight
    ):
        ours, theirs = folded(eight), teacher(eight)
        for layer in LAYERS:
            spreads = [
                np.square(grams - np.roll(grams, 1, axis=0)).mean()
                for grams in (
                    np.asarray(ops.gram(each[layer])) for each in (ours, theirs)
                )
            ]
            np.testing.assert_allclose(*spreads, rtol=1e-3)
