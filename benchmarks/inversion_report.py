"""What the experiment of paper B's inversion reports."""

import pathlib
from collections.abc import Mapping
from collections.abc import Sequence

from benchmarks import report

TEXT = """{count} held-out photographs of {side} x {side}; {provenance}. Errors
are paper B's: the Euclidean distance of what comes back from the picture, over
that of two different pictures, in pixels and in the features that were turned
back. *pixels* is the term of pixels alone (Dosovitskiy and Brox, CVPR 2016);
*optimized* needs no network (Mahendran and Vedaldi, CVPR 2015); others are
DeePSiM with that comparator, *random* with AlexNet's layers, untaught. Right:
whether ResNet-50 names the picture's class first, or among five."""
CLAIM = """Paper B, pictures of 227 x 227 (recalled), pixels / features, %, of
CONV5: Mahendran and Vedaldi 71 / 19, pixels alone 35 / -, DeePSiM 43 / 37.
Seen: the first good in features and bad in pixels, the second the other way
round, DeePSiM fairly good in both."""
SHEETS = """The pictures; then as the table has them; last, by DeePSiM with
AlexNet, features between those of the first picture and the second."""
# Two errors by method, in percent: in pixels and in features.
Errors = Mapping[str, Sequence[float]]
Drift = Mapping[str, Sequence[Sequence[float]]]  # One pair for each time.


def digits(values: Sequence[float]) -> list[str]:
    """Returns percents with a digit."""
    return [f"{value:.1f}" for value in values]


def claims(errors: Mapping[str, Errors]) -> str:
    """Returns of each layer whether methods are beside others as in paper B.

    Args:
        errors: By layer.
    """
    rows = []
    for layer, by in errors.items():
        ours, pixels, found = (
            by[x] for x in ("alexnet", "pixels", "optimized")
        )
        nets = [error for name, error in by.items() if name != "optimized"]
        asked = (
            ours[1] < pixels[1],
            ours[0] >= pixels[0],
            found[1] < min(error[1] for error in nets),
            found[0] > max(error[0] for error in nets),
        )
        rows.append([layer, *("yes" if holds else "no" for holds in asked)])
    header = (
        "layer",
        "DeePSiM is nearer in features than pixels alone",
        "and no nearer in pixels",
        "optimized is nearest in features",
        "and furthest in pixels",
    )
    return report.table(header, rows)


def drift(name: str, times: Sequence[int], errors: Mapping[str, Drift]) -> str:
    """Returns errors after several times there and back; draws their curves.

    Args:
        name: Of the PNG, which is written beside --output.
        times: How often pictures went to features and back.
        errors: By layer: by method, after each of these times.
    """
    rows = [
        [layer, method, *(" / ".join(digits(pair)) for pair in pairs)]
        for layer, by in errors.items()
        for method, pairs in by.items()
    ]
    table = report.table(["layer", "by", *map(str, times)], rows)
    if not report.OUTPUT.value:
        return table
    _draw(pathlib.Path(report.OUTPUT.value).parent / name, times, errors)
    return f"{table}\n\n![{name}]({name})"


def _draw(
    path: pathlib.Path,
    times: Sequence[int],
    errors: Mapping[str, Drift],
) -> None:
    import matplotlib as mpl

    mpl.use("Agg")
    from matplotlib import pyplot as plt

    figure, panels = plt.subplots(
        1, 2, figsize=(8, 3.5), layout="constrained", sharex=True
    )
    for panel, space, index in zip(
        panels, ("pixels", "features"), (0, 1), strict=True
    ):
        for number, (layer, by) in enumerate(errors.items()):
            for method, pairs in by.items():
                panel.plot(
                    times,
                    [pair[index] for pair in pairs],
                    color=f"C{number}",
                    linestyle="-" if method == "alexnet" else "--",
                    marker=".",
                    label=f"{layer}, {method}",
                )
        panel.set_title(f"error in {space}, %")
        panel.set_xlabel("times to features and back")
        panel.set_xticks(times)
        panel.spines[["top", "right"]].set_visible(False)
    panels[1].legend(fontsize=8)
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path, dpi=110)
    plt.close(figure)
