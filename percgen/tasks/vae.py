"""Autoencoders whose codes are Gaussians, by losses of pictures.

References:
    Kingma and Welling, "Auto-encoding variational Bayes", ICLR 2014.
    Snell et al., "Learning to generate images with perceptual similarity
    metrics", ICIP 2017 (paper A).
    Dosovitskiy and Brox, "Generating images with perceptual similarity metrics
    based on deep networks", NIPS 2016 (paper B), section 4.2.
"""

from collections.abc import Mapping
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from percgen import losses
from percgen.tasks import deepsim
from percgen.tasks import noise
from percgen.tasks import reconstruct
from percgen.tasks.pause import Pause
from percgen.tasks.task import Terms
from percgen.tasks.task import Weight


class ExpectedLossVAE(reconstruct.Reconstruct):
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
        terms: Mapping[str, reconstruct.Criterion],
        weights: Mapping[str, Weight],
        luma: bool = False,
        seed: int = 0,
        name: str = "expected_loss_vae",
    ):
        _refuse_determined(generator)
        super().__init__(generator, terms, weights, luma, name)
        self.seed = seed

    def generate(self, inputs: tf.Tensor, training: bool) -> tuple[Any, Terms]:
        steps = self.optimizer.iterations.value if training else None
        return _generate(self.generator, inputs, self.seed, steps)

    def sample(self, count: int, seed: int = 0) -> tf.Tensor:
        """Returns pictures `[count, H, W, C]` of codes drawn from the prior."""
        return _sample(self.generator, count, seed)


class VAE(deepsim.DeePSiM):
    """Trains an autoencoder whose codes are Gaussians, by DeePSiM (paper B).

    The terms are those of `DeePSiM`, in place of a VAE's log-likelihood, and
    `kl`; codes are drawn as those of `ExpectedLossVAE`. The term `image` alone,
    weights of the others but `kl` being 0, makes it an ordinary VAE.

    Paper B's weight of `kl`, chosen by hand (seen), was not found.

    Args:
        generator: As of `ExpectedLossVAE`.
        discriminator: As of `DeePSiM`.
        terms: Likewise.
        weights: Of those, of `adversarial` and of `kl`.
        pause: As of `DeePSiM`.
        seed: Of codes, and of what dropout leaves out in the discriminator.
        name: Of the task.

    Raises:
        ValueError: As `ExpectedLossVAE`.
    """

    _OWN_TERMS = ("adversarial", "kl")

    def __init__(
        self,
        generator: keras.Model,
        discriminator: keras.Model,
        terms: Mapping[str, reconstruct.Criterion],
        weights: Mapping[str, Weight],
        pause: Pause | None = None,
        seed: int = 0,
        name: str = "vae",
    ):
        _refuse_determined(generator)
        super().__init__(
            generator, discriminator, terms, weights, pause, seed, name
        )

    def generate(self, inputs: tf.Tensor, training: bool) -> tuple[Any, Terms]:
        steps = self.steps if training else None
        return _generate(self.generator, inputs, self.seed, steps)

    def sample(self, count: int, seed: int = 0) -> tf.Tensor:
        """Returns pictures `[count, H, W, C]` of codes drawn from the prior."""
        return _sample(self.generator, count, seed)


def aggregated_posterior(
    mean: np.ndarray, log_variance: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Returns the Gaussian that codes of many pictures have together.

    Of all Gaussians it is the prior by which `kl` would be the least. Where a
    training was too short for codes to be spread as the standard one, pictures
    of codes drawn from this one are more like those it has seen.

    Args:
        mean: Of each picture's codes, `[N, ...]`, N at least 2.
        log_variance: Likewise.

    Returns:
        Mean `[D]` and covariance `[D, D]` of codes laid flat.
    """
    flat, log_variance = (
        np.asarray(x, np.float64).reshape([len(x), -1])
        for x in (mean, log_variance)
    )
    own = np.diag(np.exp(log_variance).mean(axis=0))
    return flat.mean(axis=0), np.cov(flat, rowvar=False, ddof=0) + own


def is_stochastic(network: keras.Model) -> bool:
    """Returns whether a network's bottleneck gives a mean and a variance."""
    bottleneck = getattr(network, "bottleneck", None)
    return len(getattr(bottleneck, "outputs", ())) == 2


def _refuse_determined(generator: keras.Model) -> None:
    if not is_stochastic(generator):
        raise ValueError(
            "`generator` should have a `bottleneck` that gives [mean, "
            "log_variance], between an `encoder` and a `decoder`. "
            f"Received: {generator.name}; pass it stochastic=True."
        )


def _generate(
    network: keras.Model, inputs: tf.Tensor, seed: int, steps: Any
) -> tuple[tf.Tensor, Terms]:
    """Returns outputs, and the term `kl`.

    Args:
        network: With encoder, bottleneck and decoder.
        inputs: Of the network.
        seed: Of codes that are drawn.
        steps: Those done, if codes are to be drawn; None decodes the means.
    """
    training = steps is not None
    features = network.encoder(inputs, training=training)
    codes = network.bottleneck(features, training=training)
    mean, log_variance = (tf.cast(code, tf.float32) for code in codes)
    code = mean
    if training:
        code += tf.exp(log_variance / 2.0) * noise.rows(
            lambda count, seed: tf.random.stateless_normal(
                tf.concat([[count], mean.shape[1:]], 0), seed
            ),
            tf.shape(mean)[0],
            seed,
            steps,
        )
    outputs = network.decoder(code, training=training)
    return outputs, {"kl": losses.kl_divergence(mean, log_variance)}


def _sample(network: keras.Model, count: int, seed: int) -> tf.Tensor:
    shape = [count, *network.decoder.input.shape[1:]]
    code = keras.random.normal(shape, seed=seed)
    return network.decoder(code, training=False)
