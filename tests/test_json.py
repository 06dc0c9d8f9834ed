"""Tensors in JSON; more of the real server's words are in test_rest.py."""

import ml_dtypes
import numpy as np
import pytest
import tensorflow as tf
from tensorflow.core.protobuf import meta_graph_pb2
from tensorflow_serving.apis import predict_pb2

from serving import json_answers
from serving import json_requests
from serving import json_tensors
from serving import messages


def read(value, dtype):
    return json_tensors.read(value, dtype)


class TestReading:
    @pytest.mark.parametrize(
        ("value", "dtype", "expected"),
        [
            (1, tf.float32, np.float32(1)),
            ([[1, 2.5]], tf.float64, np.array([[1, 2.5]])),
            ([300, -1], tf.uint8, np.uint8([44, 255])),
            ([2**63 - 1], tf.int64, np.int64([2**63 - 1])),
            ([True, False], tf.bool, np.array([True, False])),
            ([[], []], tf.int32, np.zeros([2, 0], np.int32)),
            (["é"], tf.string, np.array(["é".encode()], object)),
            ({"b64": "/w"}, tf.string, np.array(b"\xff", object)),
            ([{"b64": "AQ ==\n"}], tf.string, np.array([b"\1"], object)),
        ],
    )
    def test_values(self, value, dtype, expected):
        found = read(value, dtype)
        assert found.dtype == np.asarray(expected).dtype
        np.testing.assert_array_equal(found, expected)

    @pytest.mark.parametrize(
        ("value", "dtype", "words"),
        [
            ("a", tf.int32, 'JSON Value: "a" Type: String is not of expected '),
            (None, tf.float32, "JSON Value: null Type: Null is not of"),
            (True, tf.int32, "JSON Value: true Type: True is not of"),
            (1, tf.string, "JSON Value: 1 Type: Number is not of"),
            (1, tf.bool, "JSON Value: 1 Type: Number is not of"),
            (2**31, tf.int32, "is not of expected type: int32"),
            (-1, tf.uint64, "is not of expected type: uint64"),
            (
                2**24,
                tf.float32,
                "Cannot convert JSON value: 16777216 to float without loss of "
                "precision.",
            ),
            (
                1e300,
                tf.float32,
                "Cannot convert JSON value: 1e+300 to float without",
            ),
            (1.0, tf.half, "Conversion of JSON Value: 1.0 to type: half"),
            ({"x": 1}, tf.string, "not formatted correctly for base64 data"),
            ({"b64": "*"}, tf.string, "Unable to base64 decode"),
            ({"b64": "é"}, tf.string, "Unable to base64 decode"),
            ("\ud800", tf.string, "The surrogate pair in string is invalid"),
            (
                [1, [2]],
                tf.int32,
                "Encountered list at unexpected level: 1 expected < 1",
            ),
            (
                [[1], 2],
                tf.int32,
                "JSON Value: 2 found at incorrect level: 2 in the JSON DOM. "
                "Expected at level: 2",
            ),
        ],
    )
    def test_refuses(self, value, dtype, words):
        with pytest.raises(messages.StatusError) as raised:
            read(value, dtype)
        assert words in raised.value.message

    def test_refuses_more_axes_than_there_are(self):
        value = 1
        for _ in range(70):
            value = [value]
        with pytest.raises(messages.StatusError, match="Too many dimensions"):
            read(value, tf.int32)


class TestParsing:
    @pytest.mark.parametrize(
        ("body", "words"),
        [
            (b'{"a" 1}', "Missing a colon after a name of object member."),
            (b"{1: 2}", "Missing a name for object member. at offset: 1"),
            ('{"é": x}'.encode(), "Invalid value. at offset: 7"),
            (b"{} {}", "The document root must not be followed by other"),
            (b'{"a', "Missing a closing quotation mark in string."),
            (b'{"a": ' + b"9" * 5000 + b"}", "Number too big"),
            (b"[1]", "JSON Value: [1] Is not object"),
        ],
    )
    def test_refuses(self, body, words):
        with pytest.raises(messages.StatusError) as raised:
            json_requests.parse(body)
        assert words in raised.value.message

    def test_takes_what_rapidjson_takes(self):
        body = b'\xef\xbb\xbf{"a": [NaN, Infinity], "b": "\xff"}'
        found = json_requests.parse(body)
        assert np.isnan(found["a"][0])
        raw = found["b"].encode("utf-8", "surrogateescape")
        assert raw == b"\xff"


def infos(**dtypes):
    return {
        name: meta_graph_pb2.TensorInfo(dtype=dtype.as_datatype_enum)
        for name, dtype in dtypes.items()
    }


class TestRows:
    @pytest.mark.parametrize(
        ("instances", "words"),
        [
            ([[1]], "instances is a plain list, but expecting list of objects"),
            ([{"a": 1, "b": 2}, 3], "Expecting object but got list at item 1"),
            ([{"a": 1}], "keys must be equal to: a,b"),
            (
                [{"a": [1, 2], "b": 1}, {"a": [[1], [2]], "b": 1}],
                "Failed to process element: 1 key: a of 'instances' list. "
                "Error: INVALID_ARGUMENT: Expecting shape [2] but got: [2,1]",
            ),
        ],
    )
    def test_that_do_not_fit(self, instances, words):
        with pytest.raises(messages.StatusError) as raised:
            json_requests.fill(
                predict_pb2.PredictRequest(),
                {"instances": instances},
                infos(a=tf.int32, b=tf.int32),
            )
        assert words in raised.value.message

    def test_of_values_alone(self):
        with pytest.raises(messages.StatusError, match="got object at item 1"):
            json_requests.fill(
                predict_pb2.PredictRequest(),
                {"instances": [1, {"a": 1}]},
                infos(a=tf.int32),
            )


class TestColumns:
    @pytest.mark.parametrize(
        ("inputs", "words"),
        [
            ([1], "inputs is a plain value/list, but expecting an object as"),
            ({"a": 1}, "Missing named input: b in 'inputs' object."),
        ],
    )
    def test_that_do_not_fit(self, inputs, words):
        with pytest.raises(messages.StatusError) as raised:
            json_requests.fill(
                predict_pb2.PredictRequest(),
                {"inputs": inputs},
                infos(a=tf.int32, b=tf.int32),
            )
        assert raised.value.message.startswith(words)

    def test_neither(self):
        with pytest.raises(messages.StatusError, match="Missing 'inputs' or"):
            json_requests.fill(predict_pb2.PredictRequest(), {}, infos())


class TestAnswers:
    def test_bytes_that_are_no_text_come_raw(self):
        png = np.array([b"\x89PNG\xff"], object)
        text = json_answers.predictions({"image": png}, in_rows=True)
        raw = text.encode("utf-8", "surrogateescape")
        assert b"\x89PNG\xff" in raw

    @pytest.mark.parametrize(
        ("dtype", "name"),
        [(np.float16, "half"), (ml_dtypes.bfloat16, "bfloat16")],
    )
    def test_some_types_have_none(self, dtype, name):
        with pytest.raises(messages.StatusError) as raised:
            json_tensors.write("x", np.zeros(2, dtype), 0)
        assert raised.value.message == (
            f"Failed to write JSON value for tensor type: {name}"
        )

    @pytest.mark.parametrize(
        ("outputs", "words"),
        [
            ({"x": np.float32(1)}, "Tensor name: x has no shape information "),
            (
                {"x": np.zeros(2), "y": np.zeros(3)},
                "Tensor name: y has inconsistent batch size: 3 expecting: 2",
            ),
        ],
    )
    def test_rows_need_a_batch(self, outputs, words):
        with pytest.raises(messages.StatusError) as raised:
            json_answers.predictions(outputs, in_rows=True)
        assert raised.value.message == words

    def test_an_empty_batch(self):
        outputs = {"x": np.zeros([0, 2])}
        text = json_answers.predictions(outputs, in_rows=True)
        assert text == '{\n    "predictions": []\n}'
