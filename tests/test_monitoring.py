import http.client

import pytest
import small
from prometheus_client import parser

from serving import gate
from serving import monitoring
from serving import rest
from serving import services

PATH = "/monitoring/prometheus/metrics"
# The parser gives every counter this ending.
COUNT = ":tensorflow:serving:request_count_total"


def samples(text):
    """Returns what Prometheus reads: by name, by labels."""
    found = {}
    for family in parser.text_string_to_metric_families(text):
        for sample in family.samples:
            labels = frozenset(sample.labels.items())
            found.setdefault(sample.name, {})[labels] = sample.value
    return found


def labels(**pairs):
    return frozenset(pairs.items())


class TestMetrics:
    def test_requests_are_counted(self):
        metrics = monitoring.Metrics()
        for status in ("OK", "OK", "NOT_FOUND"):
            metrics.answered("m", status)
        text = metrics.text()
        counts = samples(text)[COUNT]
        assert counts == {
            labels(model_name="m", status="OK"): 2,
            labels(model_name="m", status="NOT_FOUND"): 1,
        }
        line = ':tensorflow:serving:request_count{model_name="m",status="OK"} 2'
        assert line in text.splitlines()

    def test_times_are_in_buckets_of_microseconds(self):
        metrics = monitoring.Metrics()
        times = [5e-6, 1.7e-5, 1.0, 1e6]
        for seconds in times:
            metrics.took("m", "Predict", "REST", seconds)
        found = samples(metrics.text())
        name = ":tensorflow:serving:request_latency"
        of = {"model_name": "m", "API": "Predict", "entrypoint": "REST"}
        assert found[f"{name}_count"][labels(**of)] == 4
        total = found[f"{name}_sum"][labels(**of)]
        assert total == pytest.approx(sum(times) * 1e6)
        buckets = {
            float(dict(key)["le"]): value
            for key, value in found[f"{name}_bucket"].items()
        }
        assert len(buckets) == 34
        for limit, count in buckets.items():
            assert count == sum(t * 1e6 <= limit for t in times)

    def test_any_name_can_be_read(self):
        metrics = monitoring.Metrics()
        name = 'a"b\\c\nd{},='
        metrics.answered(name, "OK")
        (found,) = samples(metrics.text()).values()
        assert labels(model_name=name, status="OK") in found


def read(port, path):
    connection = http.client.HTTPConnection("127.0.0.1", port)
    connection.request("GET", path)
    response = connection.getresponse()
    content = response.read().decode()
    connection.close()
    return response, content


def test_a_server_tells_what_it_did(home):
    log = """predict_log { request { inputs { key: "x" value {
        dtype: DT_FLOAT tensor_shape { dim { size: 1 } } float_val: 1 } } } }"""
    small.write_warm_up(home / "1", log)
    with small.following(home) as core:
        options = rest.Options(metrics_path=PATH)
        started, port = rest.serve(core, options=options)
        read(port, "/v1/models/m")
        read(port, "/v1/models/stranger")
        gate.run(_predict(core, small.request()))
        response, content = read(port, PATH)
        started.stop().wait()
    assert response.getheader("Content-Type") == "text/plain"
    found = samples(content)
    assert found[COUNT] == {
        labels(model_name="m", status="OK"): 2,
        labels(model_name="", status="NOT_FOUND"): 1,
    }
    of_rest = labels(model_name="m", API="", entrypoint="REST")
    of_grpc = labels(model_name="m", API="Predict", entrypoint="GRPC")
    latency = found[":tensorflow:serving:request_latency_count"]
    assert latency == {of_rest: 1, of_grpc: 1}
    ran = found[":tensorflow:serving:runtime_latency_count"]
    assert ran[labels(model_name="m", API="Predict", runtime="TF1")] == 1
    warmed_up = found[":tensorflow:serving:model_warmup_latency_count"]
    assert warmed_up == {labels(model_path=str(home / "1"), status="OK"): 1}


async def _predict(core, request):
    class Context:
        def time_remaining(self):
            return None

    return await services.Prediction(core, gate.Gate()).Predict(
        request, Context()
    )


def test_metrics_are_off_by_default(home):
    with small.following(home) as core:
        started, port = rest.serve(core)
        response, _ = read(port, PATH)
        started.stop().wait()
    assert response.status == 404
