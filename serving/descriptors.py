"""Writes the message types of TensorFlow Serving's API to one small file.

The client reads it instead of importing tensorflow-serving-api, which would
load all of TensorFlow. Run it again when that package is updated.

Example:
    python -m serving.descriptors
"""

import pathlib

from google.protobuf import descriptor
from google.protobuf import descriptor_pb2

from percgen import command

FILE = pathlib.Path(__file__).with_name("tensorflow_serving.descriptors")


def collect() -> bytes:
    """Returns a FileDescriptorSet of the prediction and model services."""
    from tensorflow_serving.apis import model_service_pb2
    from tensorflow_serving.apis import prediction_service_pb2

    files = descriptor_pb2.FileDescriptorSet()
    seen: set[str] = set()

    def add(file: descriptor.FileDescriptor) -> None:
        if file.name not in seen:
            seen.add(file.name)
            for dependency in file.dependencies:
                add(dependency)
            file.CopyToProto(files.file.add())

    add(prediction_service_pb2.DESCRIPTOR)
    add(model_service_pb2.DESCRIPTOR)
    return files.SerializeToString(deterministic=True)


def main() -> None:
    FILE.write_bytes(collect())
    print(f"Wrote {FILE.name}: {FILE.stat().st_size} bytes")


if __name__ == "__main__":
    command.run(main)
