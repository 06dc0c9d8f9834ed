"""How far apart two sets of pictures are, as sets."""

import numpy as np


def frechet_distance(one: np.ndarray, other: np.ndarray) -> float:
    """Returns the Frechet distance of two sets of features.

    The squared 2-Wasserstein distance of Gaussians with the sets' means and
    covariances (divisor N - 1),

        |m - m'|^2 + trace(C + C' - 2 (C C')^(1/2)).

    0 for sets alike in both. It falls as sets grow: compare only distances of
    equally many. With features of Inception-v3 it is the FID.

    Args:
        one: `[N, D]`, N at least 2: a row for each picture.
        other: `[M, D]`, M at least 2.

    Raises:
        ValueError: If the sets have other shapes than these.

    Reference:
        Heusel et al., "GANs trained by a two time-scale update rule converge to
        a local Nash equilibrium", NIPS 2017, section 4.
    """
    one, other = (np.asarray(x, np.float64) for x in (one, other))
    if (
        one.ndim != 2
        or other.ndim != 2
        or min(len(one), len(other)) < 2
        or one.shape[1] != other.shape[1]
    ):
        raise ValueError(
            "Sets should be [N, D] and [M, D], N and M at least 2. "
            f"Received: shapes {one.shape} and {other.shape}."
        )
    far = np.square(one.mean(0) - other.mean(0)).sum()
    c, d = (
        np.cov(x, rowvar=False).reshape(2 * x.shape[1:]) for x in (one, other)
    )
    # (C D)^(1/2) has the trace of (R D R)^(1/2), R = C^(1/2), which is
    # symmetric: sets may have fewer pictures than features.
    root = _root(c)
    both = np.linalg.eigvalsh(root @ d @ root)
    trace = np.trace(c) + np.trace(d) - 2.0 * np.sqrt(both.clip(0.0)).sum()
    return float(far + max(trace, 0.0))


def _root(matrix: np.ndarray) -> np.ndarray:
    """Returns the square root of a symmetric matrix without negative roots."""
    values, vectors = np.linalg.eigh(matrix)
    return vectors * np.sqrt(values.clip(0.0)) @ vectors.T
