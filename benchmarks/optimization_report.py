"""What the race of a network and optimization reports."""

import pathlib
from collections.abc import Mapping
from collections.abc import Sequence

import numpy as np

from benchmarks import experiment
from benchmarks import optimization_measures as measures
from benchmarks import report

_FASTER = 500  # Times, at least, than the last mark.
_SHOWN = 8
TIMES = """Seconds a picture, one thread each, in turns, the least of several:
of the network, and of L-BFGS (SciPy's L-BFGS-B, values kept in [0, 1]). Where
not all iterations were timed, the others are taken to last as long as those
that were after the first. *Losses alone* leaves out what SciPy itself does
between them."""
LOSSES = """The objective, mean over {count} held-out photographs of {side}:
what optimization starts from, the network's painting, and optimization's. *As
good as*: the first iteration whose mean is not above the network's.
*Photographs*: on how many the network is not above optimization's {mark}."""
CLAIM = """Johnson et al. (recalled), VGG-16, L-BFGS of 500 iterations beside
their network: 1060 times slower at 256 x 256, 1026 at 512, 1042 at 1024; the
network's objective like that of 50 to 100 iterations."""
# By size: seconds of the network, and moments of optimization.
Races = Mapping[int, tuple[float, np.ndarray]]


def paragraphs(
    races: Races,
    games: Sequence[measures.Game],
    marks: Sequence[int],
    losses: str,
) -> list[str]:
    """Returns the report; draws its curves and paintings beside --output.

    Args:
        races: What was timed.
        games: What was judged.
        marks: Iterations that are told of.
        losses: What both made small.
    """
    sides = " and ".join(dict.fromkeys(_square(game.side) for game in games))
    count = len(games[0].losses)
    return [
        f"Losses: {losses}.",
        times(races, marks),
        TIMES,
        objectives(games, marks),
        LOSSES.format(count=count, side=sides, mark=marks[0]),
        claims(races, games, marks),
        CLAIM,
        _curves("optimization.png", games),
        _sheet("optimization_paintings.jpg", games[0], marks),
    ]


def times(races: Races, marks: Sequence[int]) -> str:
    """Returns the table of seconds."""
    rows = []
    for size, (fast, moments) in races.items():
        timed = f"{len(moments)} iterations"
        for mark in marks:
            found = measures.seconds_at(moments, mark)
            how = "all" if mark <= len(moments) else timed
            rows.append(
                [
                    _square(size),
                    f"{fast:.4f}",
                    mark,
                    how,
                    *(f"{seconds:.2f}" for seconds in found),
                    *(f"{seconds / fast:.0f}" for seconds in found),
                ]
            )
    header = (
        "size",
        "network",
        "iterations",
        "timed",
        "optimization",
        "losses alone",
        "times faster",
        "than losses alone",
    )
    return report.table(header, rows)


def objectives(games: Sequence[measures.Game], marks: Sequence[int]) -> str:
    """Returns the table of objectives."""
    rows = []
    for game in games:
        curve = np.mean(game.curves, axis=0)
        network = np.mean(game.losses)
        first = [curve[marks[0]] for curve in game.curves]
        won = np.sum(np.array(game.losses) <= first)
        values = [curve[0], network, *(curve[mark] for mark in marks)]
        rows.append(
            [
                _square(game.side),
                game.init,
                *(f"{value:.4g}" for value in values),
                _as_good(curve, float(network)),
                f"{won} of {len(first)}",
            ]
        )
    header = (
        "size",
        "start",
        "at the start",
        "network",
        *(f"after {mark}" for mark in marks),
        "as good as",
        "photographs",
    )
    return report.table(header, rows)


def claims(
    races: Races, games: Sequence[measures.Game], marks: Sequence[int]
) -> str:
    """Returns whether the network is as fast and as good as it should be."""
    ratios = [
        measures.seconds_at(moments, marks[-1]) / fast
        for fast, moments in races.values()
    ]
    good = [
        np.mean(game.losses) <= np.mean(game.curves, axis=0)[marks[0]]
        for game in games
    ]
    whole, alone = (
        all(ratio[kind] >= _FASTER for ratio in ratios) for kind in (0, 1)
    )
    asked = {
        f"{_FASTER} times faster than {marks[-1]} iterations": whole,
        "and than their losses alone": alone,
        f"with an objective not above that after {marks[0]}": all(good),
    }
    rows = [(what, "yes" if holds else "no") for what, holds in asked.items()]
    return report.table(["the network paints", "everywhere"], rows)


def _square(side: int) -> str:
    return f"{side} x {side}"


def _as_good(curve: np.ndarray, loss: float) -> str:
    """Returns the first iteration at which a curve is not above a loss."""
    below = np.flatnonzero(curve <= loss)
    return f"{below[0]} iterations" if below.size else f"over {len(curve) - 1}"


def _sheet(name: str, game: measures.Game, marks: Sequence[int]) -> str:
    """Writes photographs above their paintings; returns the Markdown."""
    paintings = np.stack(game.paintings[:_SHOWN], axis=1)
    rows = [game.photographs[:_SHOWN], *paintings]
    shown = experiment.write_sheet(name, rows)
    after = ", ".join(map(str, marks))
    return shown and (
        f"{shown}\n\nPhotographs; painted by the network; by optimization "
        f"after {after} iterations, from {game.init}."
    )


def _curves(name: str, games: Sequence[measures.Game]) -> str:
    """Draws objectives by iteration beside --output; returns the Markdown."""
    if not report.OUTPUT.value:
        return ""
    import matplotlib as mpl

    mpl.use("Agg")
    from matplotlib import pyplot as plt

    sides = list(dict.fromkeys(game.side for game in games))
    figure, panels = plt.subplots(
        1,
        len(sides),
        figsize=(5 * len(sides), 3.5),
        layout="constrained",
        squeeze=False,
    )
    for side, panel in zip(sides, panels[0], strict=True):
        ours = [game for game in games if game.side == side]
        for game in ours:
            curve = np.mean(game.curves, axis=0)
            panel.plot(curve, label=f"L-BFGS, from {game.init}")
        loss = np.mean(ours[0].losses)
        panel.axhline(loss, color="black", linestyle="--", label="network")
        panel.set_yscale("log")
        panel.set_title(f"objective, {_square(side)}")
        panel.set_xlabel("iterations")
        panel.spines[["top", "right"]].set_visible(False)
    panels[0][-1].legend(fontsize=8)
    path = pathlib.Path(report.OUTPUT.value).parent / name
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path, dpi=110)
    plt.close(figure)
    return f"![{name}]({name})"
