import pathlib
import re

import tensorflow as tf

ROOT = pathlib.Path(__file__).parents[1]
README = (ROOT / "README.md").read_text()


def test_its_python_trains(photographs):
    (code,) = re.findall(r"```python\n(.*?)```", README, re.DOTALL)
    names = {}
    exec(code.replace('"imagenet"', '"random"'), names)
    data = tf.data.Dataset.from_tensors((photographs, photographs)).repeat(12)
    generator = names["generator"]
    before = generator.evaluate(data.take(1), verbose=0)
    generator.fit(data, verbose=0, shuffle=False)
    assert generator.evaluate(data.take(1), verbose=0) < 0.9 * before


def test_its_map_is_the_tree():
    named = set(re.findall(r"(\w+\.py)\b", README))
    files = {
        path.name
        for folder in ("percgen", "train", "serving")
        for path in (ROOT / folder).rglob("*.py")
        if path.name != "__init__.py"
    }
    others = {path.name for path in (ROOT / "tests").iterdir()} | {
        "__init__.py"
    }
    assert files <= named <= files | others
