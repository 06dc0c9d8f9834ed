"""What the stand-in counts, under TensorFlow Serving's names, for Prometheus.

The names begin with a colon and the counter has no `_total`, which
prometheus_client would add: so the text is written here.
"""

import bisect
import collections
import threading

# TensorFlow Serving's: from 10 microseconds on, each 1.8 times the last.
BOUNDS = tuple(10 * 1.8**power for power in range(33))
PATH = "/monitoring/prometheus/metrics"

_REQUESTS = ":tensorflow:serving:request_count"
_LATENCY = ":tensorflow:serving:request_latency"
_RUNTIME = ":tensorflow:serving:runtime_latency"
_WARMUP = ":tensorflow:serving:model_warmup_latency"

Labels = tuple[tuple[str, str], ...]


class _Histogram:
    """How many values fell in which bucket."""

    def __init__(self) -> None:
        self.buckets, self.sum = [0] * (len(BOUNDS) + 1), 0.0

    def add(self, value: float) -> None:
        self.buckets[bisect.bisect_right(BOUNDS, value)] += 1
        self.sum += value


class Metrics:
    """Counts requests, and how long they took; threads may share it."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._counts: collections.Counter[Labels] = collections.Counter()
        self._times: dict[str, dict[Labels, _Histogram]] = {}

    def answered(self, model: str, status: str) -> None:
        """Counts a request.

        Args:
            model: Name of the model.
            status: Name of the code that it was answered with.
        """
        with self._lock:
            self._counts[(("model_name", model), ("status", status))] += 1

    def took(
        self, model: str, api: str, entrypoint: str, seconds: float
    ) -> None:
        """Counts the time of a request that succeeded.

        Args:
            model: Name of the model.
            api: As `Predict`.
            entrypoint: `GRPC` or `REST`.
            seconds: It took.
        """
        labels = (
            ("model_name", model),
            ("API", api),
            ("entrypoint", entrypoint),
        )
        self._add(_LATENCY, labels, seconds)

    def ran(self, model: str, seconds: float) -> None:
        """Counts the time of a run of a graph."""
        labels = (("model_name", model), ("API", "Predict"), ("runtime", "TF1"))
        self._add(_RUNTIME, labels, seconds)

    def warmed_up(self, path: str, seconds: float) -> None:
        """Counts the time of the warm-up of a version."""
        self._add(_WARMUP, (("model_path", path), ("status", "OK")), seconds)

    def _add(self, name: str, labels: Labels, seconds: float) -> None:
        with self._lock:
            times = self._times.setdefault(name, {})
            times.setdefault(labels, _Histogram()).add(seconds * 1e6)

    def text(self) -> str:
        """Returns the page that Prometheus reads."""
        with self._lock:
            lines = [f"# TYPE {_REQUESTS} counter"]
            for labels, count in self._counts.items():
                lines.append(f"{_REQUESTS}{{{_written(labels)}}} {count}")
            for name, times in self._times.items():
                lines.append(f"# TYPE {name} histogram")
                for labels, histogram in times.items():
                    lines += _lines(name, _written(labels), histogram)
        return "\n".join(lines) + "\n"


def _lines(name: str, labels: str, histogram: _Histogram) -> list[str]:
    lines, count = [], 0
    limits = [f"{bound:g}" for bound in BOUNDS] + ["+Inf"]
    for limit, bucket in zip(limits, histogram.buckets, strict=True):
        count += bucket
        lines.append(f'{name}_bucket{{{labels},le="{limit}"}} {count}')
    lines.append(f"{name}_sum{{{labels}}} {histogram.sum}")
    lines.append(f"{name}_count{{{labels}}} {count}")
    return lines


def _written(labels: Labels) -> str:
    return ",".join(f'{name}="{_escaped(value)}"' for name, value in labels)


def _escaped(value: str) -> str:
    value = value.replace("\\", "\\\\").replace('"', '\\"')
    return value.replace("\n", "\\n")
