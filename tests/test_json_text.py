import json

import numpy as np
import pytest

from serving import json_tensors
from serving import json_text


class TestNumbers:
    @pytest.mark.parametrize(
        ("value", "kind", "expected"),
        [
            (0.2, np.float32, "0.2"),
            (1.0, np.float32, "1.0"),
            (-0.0, np.float32, "-0.0"),
            (9e6, np.float32, "9e+06"),
            (3e-5, np.float32, "3e-05"),
            (1 / 3, np.float32, "0.333333343"),
            (1 / 3, np.float64, "0.33333333333333331"),
            (float("nan"), np.float32, "NaN"),
            (float("-inf"), np.float64, "-Infinity"),
        ],
    )
    def test_are_as_short_as_they_can(self, value, kind, expected):
        assert json_text.decimal(value, kind) == expected

    @pytest.mark.parametrize("kind", [np.float32, np.float64])
    def test_lose_nothing(self, kind):
        generator = np.random.default_rng(0)
        values = generator.normal(size=500) * 10.0 ** generator.integers(
            -30, 30, 500
        )
        values = values.astype(kind)
        texts = json_tensors.write("x", values, 0)
        np.testing.assert_array_equal([kind(text) for text in texts], values)


@pytest.mark.parametrize(
    "value", [{}, [], 'é\n"', {"a": [1, {"b": [[2.5], []]}], "c": None}, True]
)
@pytest.mark.parametrize("one_line", [True, False])
def test_text_is_json(value, one_line):
    assert json.loads(json_text.dumps(value, one_line)) == value


def test_text_is_laid_out_as_rapidjson_does():
    value = {"a": [1, {"b": [2, 3]}], "c": []}
    assert json_text.dumps(value) == json.dumps(value, indent=4)


def test_a_long_quotation_is_cut():
    value = {"a": [[0] * 10] * 1_000_000}
    assert len(json_text.quote(value)) < 100_000


@pytest.mark.parametrize(
    "shape", [(), (0,), (2,), (2, 3), (2, 0, 3), (1, 2, 3)]
)
def test_arrays_are_laid_out_as_rapidjson_does(shape):
    values = np.arange(np.prod(shape)).reshape(shape)
    texts = list(map(str, values.ravel()))
    (lines,) = json_text.arrays(texts, 1, shape, 0, one_line=False)
    assert lines == json.dumps(values.tolist(), indent=4)
    (line,) = json_text.arrays(texts, 1, shape, 0, one_line=True)
    assert line == json.dumps(values.tolist())
