"""A request that is refused does not stay in memory."""

import asyncio
import gc
import threading
import weakref

import grpc
import pytest
import small
from tensorflow_serving.apis import prediction_service_pb2_grpc

from serving import gate
from serving import manager
from serving import messages
from serving import server


@pytest.fixture
def without_gc():
    gc.collect()
    gc.disable()
    yield
    gc.enable()


class Refuses(manager.Manager):
    """Refuses every request, and knows what it held meanwhile."""

    seen = None

    def predict(self, request, seconds=None):
        held = threading.Event()
        self.seen = weakref.ref(held)
        raise messages.StatusError(3, "no")


def ask(port):
    with grpc.insecure_channel(f"localhost:{port}") as channel:
        stub = prediction_service_pb2_grpc.PredictionServiceStub(channel)
        stub.Predict(small.request(), timeout=30)


@pytest.mark.usefixtures("without_gc")
class TestWhatIsRefusedIsLetGo:
    """Without Python's search for rings, which would come too late."""

    def test_by_the_gate(self):
        core = Refuses()

        async def refused():
            with pytest.raises(messages.StatusError):
                await gate.Gate(1, 0).run(core.predict, small.request())

        asyncio.run(refused())
        small.until(lambda: core.seen() is None)

    def test_by_grpc(self):
        core = Refuses()
        started, port = server.serve(core)
        with pytest.raises(grpc.RpcError, match="INVALID_ARGUMENT"):
            ask(port)
        small.until(lambda: core.seen() is None)
        started.stop(None).wait()
