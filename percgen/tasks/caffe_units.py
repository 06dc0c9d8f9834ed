"""Weights of losses as Caffe counts them, and as ours do.

Reference:
    Dosovitskiy and Brox, "Generating images with perceptual similarity metrics
    based on deep networks", NIPS 2016 (paper B), and its released code.
"""


def caffe_weights(
    feature: float, adversarial: float, image: float, features: int, size: int
) -> dict[str, float]:
    r"""Converts weights of paper B's Caffe code to weights of our terms.

    Caffe's Euclidean loss is 1 / (2 N) of the sum of squared differences, N
    being the batch (seen); ours are means, over the batch and also over the
    `features` numbers of a picture's features, or the 3 `size`^2 of its pixels.
    Caffe's pixels are 255 times as large. So

        feature * 1/2 sum (f - f')^2 = (feature * features / 2) * mean
        image * 1/2 sum (255 x - 255 x')^2
            = (image * 255^2 * 3 size^2 / 2) * mean (x - x')^2

    and the adversarial term is alike in both: a mean over the batch.

    Args:
        feature: Paper B's for inversion is .01 (seen in a derivative).
        adversarial: Likewise, 100.
        image: Likewise, 2e-6.
        features: Numbers of a picture's features: of AlexNet's pool5 of a
            picture of 227 x 227, 6 * 6 * 256.
        size: Height and width of pictures.

    Returns:
        Weights of the terms `feature`, `adversarial` and `image`.
    """
    return {
        "feature": feature * features / 2.0,
        "adversarial": adversarial,
        "image": image * 255.0**2 * 3.0 * size**2 / 2.0,
    }
