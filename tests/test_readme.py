import pathlib
import re

import tensorflow as tf

ROOT = pathlib.Path(__file__).parents[1]
README = (ROOT / "README.md").read_text()


def test_its_python_trains(photographs):
    blocks = re.findall(r"```python\n(.*?)```", README, re.DOTALL)
    data = tf.data.Dataset.from_tensors((photographs, photographs)).repeat(12)
    names = {}
    assert len(blocks) == 2
    for code in blocks:
        exec(code.replace('"imagenet"', '"random"'), names)
        generator = names["generator"]
        before = generator.evaluate(data.take(1), verbose=0, return_dict=True)
        generator.fit(data, verbose=0, shuffle=False)
        after = generator.evaluate(data.take(1), verbose=0, return_dict=True)
        assert after["loss"] < 0.9 * before["loss"]
    assert after["psnr"] > 10


def test_its_map_is_the_tree():
    named = set(re.findall(r"(\w+\.py)\b", README))
    files = {
        path.name
        for folder in ("percgen", "train", "serving")
        for path in (ROOT / folder).rglob("*.py")
        if path.name != "__init__.py"
    }
    others = {
        path.name
        for folder in ("tests", "benchmarks")
        for path in (ROOT / folder).iterdir()
    } | {"__init__.py"}
    assert files <= named <= files | others
