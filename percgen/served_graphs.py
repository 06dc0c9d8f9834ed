"""What the graph of a SavedModel must and must not hold to be served."""

import os
import pathlib
from typing import Any

import tensorflow as tf
from tensorflow.core.protobuf import saved_model_pb2
from tensorflow.python.framework import op_def_registry

_GRAPH = "saved_model.pb"
_REFUSED = {
    "PyFunc": "needs Python",
    "PyFuncStateless": "needs Python",
    "EagerPyFunc": "needs Python",
    "XlaCallModule": "needs --xla_cpu_compilation_enabled",
    "XlaLaunch": "needs --xla_cpu_compilation_enabled",
}
_SUMS = ("Add", "AddV2", "AddN")
_CONVOLUTIONS = ("Conv2D", "DepthwiseConv2dNative", "Conv3D")
_FLOATS = (tf.float32, tf.bfloat16, tf.float16)


def faults(saved_model: str | os.PathLike) -> list[str]:
    """Finds ops and outputs of a SavedModel, and of its functions, that fail.

    A stock TensorFlow Serving would load it, report it available, and fail at
    its first request.

    Returns:
        Which, and why, in order; none if it may be served.
    """
    found: set[str] = set()
    bad: list[str] = []
    for graph in _read(saved_model).meta_graphs:
        functions = graph.graph_def.library.function
        bodies = [graph.graph_def.node, *(f.node_def for f in functions)]
        ops = {node.op for body in bodies for node in body}
        found |= ops - {f.signature.name for f in functions}
        bad += [
            f"{f.signature.name}: needs --xla_cpu_compilation_enabled"
            for f in functions
            if f.attr["_XlaMustCompile"].b
        ]
        bad += _bad_outputs(graph)
    bad += [f"{op}: {_REFUSED[op]}" for op in found & set(_REFUSED)]
    bad += [
        f"{op}: not an op of TensorFlow"
        for op in found
        if op_def_registry.get(op) is None
    ]
    return sorted(bad)


def _bad_outputs(graph: Any) -> list[str]:
    """Finds outputs of bytes that REST would write as broken JSON."""
    return [
        f"{name}: output {key} of bytes needs a name that ends in _bytes"
        for name, signature in graph.signature_def.items()
        for key, info in signature.outputs.items()
        if info.dtype == tf.string.as_datatype_enum
        and not key.endswith("_bytes")
    ]


def part_sums(saved_model: str | os.PathLike) -> None:
    """Keeps sums apart from the convolutions before them.

    Where what a convolution and its bias give is added to something else,
    TensorFlow makes one kernel of all three on CPUs that oneDNN knows. As of
    2.21, that kernel keeps what it adds in a member (`fuse_add_src_` of
    `MklConvOp`, mkl_conv_ops.cc), which requests at the same time take from
    each other: the server crashes. So every addend goes through an op that does
    nothing, and that no optimizer takes out, as it might be fed. A convolution
    and its bias, or a ReLU, are still made one.
    """
    saved = _read(saved_model)
    for graph in saved.meta_graphs:
        for function in graph.graph_def.library.function:
            _part(function.node_def)
    path = pathlib.Path(saved_model) / _GRAPH
    path.write_bytes(saved.SerializeToString(deterministic=True))


def _part(nodes: Any) -> None:
    ops = {node.name: node.op for node in nodes}
    for node in [x for x in nodes if x.op in _SUMS]:
        kind = node.attr["T"]
        if kind.type not in _FLOATS:
            continue
        for i, source in enumerate(node.input):
            name = source.partition(":")[0]
            if name.startswith("^") or ops.get(name) in _CONVOLUTIONS:
                continue
            apart = nodes.add(
                name=f"{node.name}/apart_{i}",
                op="PlaceholderWithDefault",
                input=[source],
            )
            apart.attr["dtype"].CopyFrom(kind)
            apart.attr["shape"].shape.unknown_rank = True
            node.input[i] = f"{apart.name}:output:0"


def _read(saved_model: str | os.PathLike) -> Any:
    content = (pathlib.Path(saved_model) / _GRAPH).read_bytes()
    return saved_model_pb2.SavedModel.FromString(content)
