"""Learning from pairs: autoencoders, super-resolution, other repairs.

References:
    Snell et al., "Learning to generate images with perceptual similarity
    metrics", ICIP 2017 (paper A).
    Kingma and Welling, "Auto-encoding variational Bayes", ICLR 2014.
"""

from collections.abc import Mapping
from typing import Any
from typing import Protocol

import keras
import tensorflow as tf

from percgen import losses
from percgen import ops
from percgen.tasks import noise as noise_lib
from percgen.tasks.task import Task
from percgen.tasks.task import Terms
from percgen.tasks.task import Weight


class Criterion(Protocol):
    """What a term is computed by: a loss of `percgen.losses`, or alike."""

    def call(self, y_true: tf.Tensor, y_pred: tf.Tensor) -> tf.Tensor:
        """Returns `[B]`."""


class Reconstruct(Task):
    """Trains a generator to give the targets that belong to its inputs.

    A batch is a pair `(inputs, targets)`, or just pictures, which are both.

    Args:
        generator: From inputs to pictures `[B, H, W, C]`, shaped as targets.
        terms: What compares targets with outputs, by the name of the term.
        weights: Weight of each of them, a number or a schedule.
        luma: Whether Y of BT.601 is compared instead of RGB.
        name: Of the task.

    Raises:
        ValueError: If terms and weights have other names, a term has no `call`,
            or, with `luma`, a term's comparator would want colors.
    """

    _OWN_TERMS: tuple[str, ...] = ()  # Those that compare no pictures.

    def __init__(
        self,
        generator: keras.Model,
        terms: Mapping[str, Criterion],
        weights: Mapping[str, Weight],
        luma: bool = False,
        name: str = "reconstruct",
    ):
        names = sorted([*terms, *self._OWN_TERMS])
        if sorted(weights) != names:
            raise ValueError(
                "`weights` should have the names of all terms, each once. "
                f"Received: terms {names}, weights={dict(weights)}."
            )
        for key, term in terms.items():
            _refuse_term(key, term, luma)
        super().__init__(generator, weights, name)
        self.criteria, self.luma = dict(terms), luma

    def pair(self, batch: Any) -> tuple[tf.Tensor, tf.Tensor]:
        """Returns what the generator takes of a batch, and what it should give.

        Of just pictures, them twice.
        """
        inputs, targets = batch if isinstance(batch, tuple) else (batch, batch)
        return inputs, targets

    def terms(self, batch: Any, training: bool) -> Terms:
        inputs, targets = self.pair(batch)
        outputs = self.generator(inputs, training=training)
        return self.compare(targets, outputs)

    def compare(self, targets: tf.Tensor, outputs: tf.Tensor) -> Terms:
        """Returns what each criterion says of outputs, `[B]`."""
        targets, outputs = self._view(targets), self._view(outputs)
        return {
            name: criterion.call(targets, outputs)
            for name, criterion in self.criteria.items()
        }

    def maps(self, batch: Any) -> dict[str, tf.Tensor]:
        """Returns where outputs and targets differ, `[B, H, W]` each.

        By the name of the term for those with a `map`, and always `ssim`: one
        minus the structural similarity at each position. Outputs that leave
        [0, 1] are clipped.
        """
        inputs, targets = self.pair(batch)
        targets, outputs = (
            self._view(tf.clip_by_value(tf.cast(x, tf.float32), 0.0, 1.0))
            for x in (targets, self.generator(inputs, training=False))
        )
        maps = {
            name: criterion.map(targets, outputs)
            for name, criterion in self.criteria.items()
            if hasattr(criterion, "map")
            # It inherits one only to say that style has no place.
            and not isinstance(criterion, losses.StyleLoss)
        }
        return {**maps, "ssim": 1.0 - losses.ssim_map(targets, outputs)}

    def _view(self, pictures: tf.Tensor) -> tf.Tensor:
        return ops.luma(pictures) if self.luma else pictures


class ExpectedLossVAE(Reconstruct):
    """Trains an autoencoder whose codes are Gaussians (paper A's EL-VAE).

    The terms are those of `Reconstruct`, in place of a VAE's log-likelihood,
    and `kl`: how far a picture's Gaussian is from the standard one, in nats.

    In training the expected loss is estimated by one code for each picture,
    mean + exp(log_variance / 2) * noise. Noise is a function of the seed, the
    steps done and the place in the global batch, and not of a state: a resumed
    run draws what it would have drawn, and two replicas what one would. In
    evaluation the mean is decoded.

    Paper A's weight of `kl` and size of the code were not found.

    Args:
        generator: Decodes the mean, and has as functional models an `encoder`,
            a `bottleneck` (to `[mean, log_variance]`) and a `decoder`.
        terms: As of `Reconstruct`.
        weights: Of those and of `kl`.
        luma: As of `Reconstruct`.
        seed: Of the noise.
        name: Of the task.

    Raises:
        ValueError: As `Reconstruct`, or if the generator lacks a part.
    """

    _OWN_TERMS = ("kl",)

    def __init__(
        self,
        generator: keras.Model,
        terms: Mapping[str, Criterion],
        weights: Mapping[str, Weight],
        luma: bool = False,
        seed: int = 0,
        name: str = "expected_loss_vae",
    ):
        bottleneck = getattr(generator, "bottleneck", None)
        if len(getattr(bottleneck, "outputs", ())) != 2:
            raise ValueError(
                "`generator` should have a `bottleneck` that gives [mean, "
                "log_variance], between an `encoder` and a `decoder`. "
                f"Received: {generator.name}; pass it stochastic=True."
            )
        super().__init__(generator, terms, weights, luma, name)
        self.seed = seed

    def terms(self, batch: Any, training: bool) -> Terms:
        inputs, targets = self.pair(batch)
        features = self.generator.encoder(inputs, training=training)
        codes = self.generator.bottleneck(features, training=training)
        mean, log_variance = (tf.cast(code, tf.float32) for code in codes)
        code = self._draw(mean, log_variance) if training else mean
        outputs = self.generator.decoder(code, training=training)
        divergence = losses.kl_divergence(mean, log_variance)
        return {**self.compare(targets, outputs), "kl": divergence}

    def sample(self, count: int, seed: int = 0) -> tf.Tensor:
        """Returns pictures `[count, H, W, C]` of codes drawn from the prior."""
        decoder = self.generator.decoder
        code = keras.random.normal([count, *decoder.input.shape[1:]], seed=seed)
        return decoder(code, training=False)

    def _draw(self, mean: tf.Tensor, log_variance: tf.Tensor) -> tf.Tensor:
        """Returns a code of each Gaussian."""
        step = self.optimizer.iterations.value
        noise = noise_lib.rows(
            lambda count, seed: tf.random.stateless_normal(
                tf.concat([[count], mean.shape[1:]], 0), seed
            ),
            tf.shape(mean)[0],
            self.seed,
            step,
        )
        return mean + tf.exp(log_variance / 2.0) * noise


def _refuse_term(name: str, term: Any, luma: bool) -> None:
    if not hasattr(term, "call"):
        raise ValueError(
            "`terms` should be objects with `call`, as `losses.L1Loss()`. "
            f"Received: {name}={term!r}."
        )
    if luma and isinstance(term, losses.FeatureLoss):
        raise ValueError(
            "With `luma` there are no colors left, which a comparator wants. "
            f"Received: luma=True, {name}={type(term).__name__}."
        )
