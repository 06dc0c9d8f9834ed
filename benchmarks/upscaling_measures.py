"""How networks of super-resolution are judged, on sets of pictures."""

import glob
from collections.abc import Callable
from collections.abc import Mapping
from collections.abc import Sequence

import keras
import numpy as np
import tqdm
from skimage import exposure

from percgen import degradation
from percgen import evaluation
from percgen import images
from percgen import losses
from percgen import shipped

Sets = Mapping[str, Sequence[np.ndarray]]
Scores = dict[str, float]

MEASURES = (("PSNR", 2), ("SSIM", 4), ("MS-SSIM", 4))
WINDOW = 160  # Side of what is shown.
_ENDINGS = (".png", ".jpg", ".jpeg", ".bmp")


def read(folder: str, scale: int) -> list[np.ndarray]:
    """Returns the pictures of a test set, uint8, cut to multiples of the scale.

    Raises:
        ValueError: If there are none.
    """
    paths = sorted(files(f"{folder}/*"))
    if not paths:
        raise ValueError(f"{folder}: no pictures there; see --test_sets.")
    return [
        evaluation.crop_to_multiple(images.read_as_is(path), scale)
        for path in paths
    ]


def files(pattern: str) -> list[str]:
    """Returns the pictures of globs, separated by commas."""
    return [
        path
        for part in pattern.split(",")
        for path in glob.glob(part)
        if path.lower().endswith(_ENDINGS)
    ]


def shipped_for(scale: int) -> dict[str, keras.Model]:
    """Returns the networks of the package for a scale, by name."""
    found = {name: shipped.load(name) for name in shipped.names()}
    return {
        name: network
        for name, network in found.items()
        if getattr(network, "scale", None) == scale
    }


def enlarge(
    network: Callable,
    true: np.ndarray,
    scale: int,
    shrink: degradation.Degradation = degradation.bicubic,
    match: bool = False,
) -> np.ndarray:
    """Returns what a network makes of a picture that was shrunk, uint8.

    Args:
        network: From `[1, H, W, 3]` to that, larger by the scale.
        true: The picture, uint8.
        scale: How much smaller the network gets it.
        shrink: What makes the small picture.
        match: Whether the answer gets the small picture's histograms (paper C,
            section 4.2).
    """
    small = shrink(true, scale)
    small = np.broadcast_to(small, [*small.shape[:2], 3])
    answer = network(small[None].astype(np.float32) / np.float32(255))[0]
    answer = images.to_uint8(np.asarray(answer))
    if match:
        answer = exposure.match_histograms(answer, small, channel_axis=-1)
    return answer[..., : true.shape[2]]  # All channels of a gray one are alike.


def measure(
    sets: Sets,
    scale: int,
    network: Callable,
    shrink: degradation.Degradation = degradation.bicubic,
    distance: Callable[[np.ndarray, np.ndarray], float] | None = None,
    match: bool = False,
) -> Scores:
    """Returns the mean of each measure over each set, as "SET MEASURE".

    Args:
        sets: Pictures by name of the set.
        scale: How much smaller the network gets them.
        network: As of `enlarge`.
        shrink: Likewise.
        distance: A further measure, "distance", of two uint8 pictures.
        match: As of `enlarge`.
    """
    found = {}
    for name, pictures in sets.items():
        scores = []
        for true in tqdm.tqdm(pictures, desc=name, leave=False):
            pred = enlarge(network, true, scale, shrink, match)
            further = [] if distance is None else [distance(true, pred)]
            scores.append([*score(true, pred, scale), *further])
        names = [*(x for x, _ in MEASURES), "distance"]
        means = np.mean(scores, axis=0)
        for one, mean in zip(names, means, strict=False):
            found[f"{name} {one}"] = float(mean)
    return found


def score(
    true: np.ndarray, pred: np.ndarray, scale: int
) -> tuple[float, float, float]:
    """Returns PSNR, SSIM and MS-SSIM, of luma, a border left out."""
    protocol = evaluation.Protocol("y", scale)
    x, y = (
        protocol.prepare(image)[None].astype(np.float32) / np.float32(255)
        for image in (true, pred)
    )
    return (
        evaluation.psnr(true, pred, protocol),
        evaluation.ssim(true, pred, protocol),
        float(losses.ms_ssim(x, y, scales=None)[0]),
    )


def rows(
    sets: Sets, scale: int, networks: Sequence[Callable]
) -> list[np.ndarray]:
    """Returns middles of a few pictures in [0, 1]: true, by each network."""
    some = [x for pictures in sets.values() for x in pictures[:2]]
    some = [x for x in some if min(x.shape[:2]) >= WINDOW and x.shape[2] == 3]
    found = [np.stack([_middle(x) for x in some])]
    for network in networks:
        made = [_middle(enlarge(network, x, scale)) for x in some]
        found.append(np.stack(made))
    return [row / 255.0 for row in found]


def _middle(image: np.ndarray) -> np.ndarray:
    top, left = ((side - WINDOW) // 2 for side in image.shape[:2])
    return image[top : top + WINDOW, left : left + WINDOW]
