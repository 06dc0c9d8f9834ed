"""What the experiment of paper B's autoencoder reports."""

from collections.abc import Mapping
from collections.abc import Sequence

from benchmarks import experiment
from benchmarks import report

TEXT = """{count} held-out photographs of {side} x {side}; mean and, after ±,
the standard deviation over {seeds} trainings from different seeds. Errors are
paper B's: the Euclidean distance of what is restored from the picture, over
that of two different pictures, in pixels and in features of {layers};
SqueezeNet has trained nobody. MS-SSIM has its windows cut at the border. SVM: a
linear support vector machine (scikit-learn, C = {c}) on the code of pictures
resized to {side} x {side}, {rounds}. All losses have the same Adam and the same
falling rate.
Second table: whether a loss is so beside squared error and L1. Third: r, the
discriminator's loss over the generator's adversarial one, in means of ten steps
of {steps}, by which either rests; how many pictures the discriminator told
rightly in the second half; the share of steps in which each learns."""
CLAIM = """Paper B (arXiv version, recalled): normalised Euclidean error of
squared error 15.3, L1 15.7, DeePSiM with ExemplarCNN 19.8, with AlexNet 21.9;
linear SVM on STL-10 34.6 ± 0.6, 35.7 ± 0.4, 50.1 ± 0.5, 52.3 ± 0.6. Seen: that
DeePSiM's Euclidean error is worse and its classification significantly
better."""


def table(
    scores: Mapping[str, Sequence[experiment.Scores]], digits: int
) -> str:
    """Returns a row for each loss; of percents one digit."""
    if not scores:
        return ""
    measures = next(iter(scores.values()))[0]
    rows = [
        [loss]
        + [
            report.spread(
                [one[name] for one in runs], 1 if "%" in name else digits
            )
            for name in measures
        ]
        for loss, runs in scores.items()
    ]
    return report.table(["loss", *measures], rows)


def claims(
    scores: Mapping[str, Sequence[experiment.Scores]], pixels: Sequence[str]
) -> str:
    """Returns of each whole loss whether it is what paper B says it is.

    Args:
        scores: By loss; one that leaves out a term is not asked.
        pixels: Names of losses that others are compared with.
    """
    pixels = [loss for loss in pixels if loss in scores]
    whole = [x for x in scores if x not in pixels and "_without_" not in x]
    if not (whole and pixels):
        return ""

    def verdict(loss: str, measure: str, higher: bool) -> str:
        of = {x: [y[measure] for y in scores[x]] for x in (loss, *pixels)}
        return report.verdict(of, loss, higher)

    rows = [
        [
            loss,
            verdict(loss, "SVM, % right", True),
            verdict(loss, "Euclidean, %", True),
            verdict(loss, f"{loss}, %", False),
            verdict(loss, "squeezenet, %", False),
        ]
        for loss in whole
    ]
    header = ["", "classifies better", "is further in pixels"]
    header += ["nearer in its own features", "nearer in SqueezeNet's"]
    return report.table(header, rows)
