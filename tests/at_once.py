"""Runs a version as threads of a server do, all at once.

    python tests/at_once.py VERSION ROUNDS

In a process of its own: what it looks for is a crash.
"""

import pathlib
import sys
from concurrent import futures

import numpy as np

from serving import session

THREADS = 4


def main(version, rounds):
    model = session.Session(pathlib.Path(version))
    signature = model.signatures["pixels"]
    random = np.random.default_rng(0)

    def run(pixels):
        (answer,) = model.run(
            {signature.inputs["images"].name: pixels},
            [signature.outputs["images"].name],
        )
        return answer

    pictures = [
        random.integers(0, 256, [1, 16 + 8 * i, 16, 3]).astype(np.uint8)
        for i in range(THREADS)
    ]
    alone = [run(pixels) for pixels in pictures]

    def wrong(pixels, expected):
        return sum(not np.array_equal(run(pixels), expected) for _ in rounds)

    with futures.ThreadPoolExecutor(THREADS) as executor:
        print(list(executor.map(wrong, pictures, alone)))


if __name__ == "__main__":
    main(sys.argv[1], range(int(sys.argv[2])))
