"""Files of weights: what they hold gets in, and broken ones are refused."""

import pickle
import struct
import zipfile

import h5py
import numpy as np
import pytest

from percgen import comparators
from percgen.comparators import weight_files

OLD_TYPES = {"Convolution": 4, "InnerProduct": 14, "LRN": 15, "Pooling": 17}
ALEXNET = ["conv1", "relu1", "norm1", "pool1", "conv2", "relu2"]
CAFFENET = ["conv1", "relu1", "pool1", "norm1", "conv2", "relu2"]


def varint(number):
    low, high = number & 127, number >> 7
    return bytes([low | 128]) + varint(high) if high else bytes([low])


def field(number, value):
    """Encodes a field of a message as protocol buffers have it on the wire."""
    if isinstance(value, int):
        return varint(number << 3) + varint(value)
    value = value.encode() if isinstance(value, str) else value
    return varint(number << 3 | 2) + varint(len(value)) + value


def blob(array, old=False, double=False):
    array = np.asarray(array)
    if old:
        dims = [1] * (4 - array.ndim) + list(array.shape)
        shape = b"".join(field(n, size) for n, size in enumerate(dims, 1))
    else:
        dims = field(1, b"".join(varint(size) for size in array.shape))
        shape = field(7, dims)
    kind = "d" if double else "f"
    values = struct.pack(f"<{array.size}{kind}", *array.ravel())
    return shape + field(8 if double else 5, values)


def caffemodel(layers, old=False, double=False):
    """Encodes `[(name, type, arrays)]` as a network of Caffe's."""
    net = field(1, "a network")
    for name, kind, arrays in layers:
        blobs = [blob(array, old, double) for array in arrays]
        if old:
            layer = field(2, "below") + field(3, "above") + field(4, name)
            layer += field(5, OLD_TYPES.get(kind, 18))
            layer += b"".join(field(6, each) for each in blobs)
            net += field(2, layer)
        else:
            layer = field(1, name) + field(2, kind) + field(3, "below")
            layer += b"".join(field(7, each) for each in blobs)
            net += field(100, layer)
    return net


def random_arrays():
    random = np.random.default_rng(0)
    return {
        "conv1_kernel": random.normal(0, 0.01, [11, 11, 3, 96]),
        "conv1_bias": random.normal(0, 1, [96]),
        "conv2_kernel": random.normal(0, 0.01, [5, 5, 48, 256]),
        "conv2_bias": random.normal(0, 1, [256]),
    }


def alexnet_layers(order, arrays):
    kinds = {"relu": "ReLU", "norm": "LRN", "pool": "Pooling"}
    layers = []
    for name in order:
        values = []
        if name.startswith("conv"):
            kernel = arrays[f"{name}_kernel"].transpose(3, 2, 0, 1)
            values = [kernel, arrays[f"{name}_bias"]]
        layers.append((name, kinds.get(name[:4], "Convolution"), values))
    return layers


def picture():
    return np.random.default_rng(1).random([1, 67, 67, 3]).astype("float32")


@pytest.mark.parametrize("order", [ALEXNET, CAFFENET])
@pytest.mark.parametrize(
    ("old", "double"), [(True, False), (False, False), (False, True)]
)
def test_caffe_files_hold_what_others_hold(order, old, double, tmp_path):
    arrays = random_arrays()
    np.savez(tmp_path / "alexnet.npz", **arrays)
    layers = alexnet_layers(order, arrays)
    file = tmp_path / "alexnet.caffemodel"
    file.write_bytes(caffemodel(layers, old, double))
    variant = "alexnet" if order is ALEXNET else "caffenet"
    actual = comparators.AlexNet(["relu2"], str(file))
    assert actual.variant == variant
    expected = comparators.AlexNet(
        ["relu2"], str(tmp_path / "alexnet.npz"), variant
    )
    np.testing.assert_array_equal(
        actual(picture())["relu2"], expected(picture())["relu2"]
    )
    other = "caffenet" if order is ALEXNET else "alexnet"
    with pytest.raises(ValueError, match=f"should be {variant} for weights"):
        comparators.AlexNet(["relu2"], str(file), other)


def test_caffe_flattens_channels_first(tmp_path):
    """A fully connected layer looks at 2 x 2 positions of 3 channels."""
    random = np.random.default_rng(0)
    convolution = random.normal(size=[3, 1, 1, 1]).astype("float32")
    full = random.normal(size=[5, 12]).astype("float32")
    last = random.normal(size=[1, 1, 7, 5]).astype("float32")
    layers = [
        ("conv", "Convolution", [convolution, np.zeros(3)]),
        ("fc6", "InnerProduct", [full, np.zeros(5)]),
        ("fc7", "InnerProduct", [last]),
    ]
    file = tmp_path / "small.caffemodel"
    file.write_bytes(caffemodel(layers))
    arrays = weight_files.read(file)
    features = random.normal(size=[2, 2, 3])
    np.testing.assert_allclose(
        np.einsum("hwc,hwco->o", features, arrays["fc6"]["kernel"]),
        full @ features.transpose(2, 0, 1).ravel(),
    )
    assert arrays["conv"]["kernel"].shape == (1, 1, 1, 3)
    np.testing.assert_array_equal(arrays["fc7"]["kernel"][0, 0], last[0, 0].T)
    assert "bias" not in arrays["fc7"]


def test_caffes_own_names_serve(tmp_path):
    random = np.random.default_rng(0)
    kernel = random.normal(size=[64, 3, 3, 3]).astype("float32")
    file = tmp_path / "vgg.caffemodel"
    file.write_bytes(
        caffemodel([("conv1_1", "Convolution", [kernel, np.zeros(64)])])
    )
    vgg = comparators.VGG16(["conv1_1"], str(file))
    np.testing.assert_array_equal(
        vgg.get_layer("conv1_1").kernel, kernel.transpose(2, 3, 1, 0)
    )


@pytest.mark.parametrize("each", [True, False])
def test_quantised_arrays_are_multiples_of_a_power_of_two(each, tmp_path):
    random = np.random.default_rng(0)
    exponents = {"kernel": [7, -1], "bias": [9, 3]}
    arrays, expected = {}, {}
    for kind, values in exponents.items():
        if not each:
            arrays[f"{kind}_exp"] = np.int8(values)
        for layer, exponent in zip(("late", "early"), values, strict=True):
            name = f"{layer}_{kind}"
            q = random.integers(-128, 128, [3, 2]).astype(np.int8)
            arrays[f"{name}_q"] = q
            expected[name] = q * 2.0**-exponent
            if each:
                arrays[f"{name}_exp"] = np.int8(exponent)
    np.savez(tmp_path / "q.npz", groups=np.int8([1, 2]), **arrays)
    actual = weight_files.read(tmp_path / "q.npz")
    assert set(actual) == {"late", "early"}
    for name, value in expected.items():
        layer, kind = name.split("_")
        assert actual[layer][kind].dtype == np.float32
        np.testing.assert_array_equal(actual[layer][kind], value)


def test_half_precision_is_read(tmp_path):
    arrays = {k: np.float16(v) for k, v in random_arrays().items()}
    np.savez(tmp_path / "half.npz", **arrays)
    network = comparators.AlexNet(["conv2"], str(tmp_path / "half.npz"))
    for layer in ("conv1", "conv2"):
        kernel = network.get_layer(layer).kernel
        np.testing.assert_array_equal(kernel, arrays[f"{layer}_kernel"])


class Bomb:
    """Goes off if it is unpickled."""

    def __reduce__(self):
        return pytest.fail, ("A file of weights was unpickled.",)


def write_pickle(path):
    path.write_bytes(pickle.dumps({"conv1_kernel": Bomb()}))


def write_object_npy(path):
    with path.open("wb") as file:
        np.save(file, np.array([Bomb()], object), allow_pickle=True)


def write_npy(path):
    with path.open("wb") as file:
        np.save(file, np.zeros([11, 11, 3, 96]))


def write_object_array(path):
    np.savez(path, conv1_kernel=np.array([Bomb()], object), conv1_bias=[0])


def write_pickle_in_a_zip(path):
    with zipfile.ZipFile(path, "w") as file:
        file.writestr("conv1_kernel.npy", pickle.dumps(Bomb()))
        file.writestr("conv1_bias.npy", b"")


@pytest.mark.parametrize(
    "write",
    [
        write_pickle,
        write_object_npy,
        write_npy,
        write_object_array,
        write_pickle_in_a_zip,
        lambda path: path.write_bytes(b""),
    ],
)
def test_nothing_is_ever_unpickled(write, tmp_path):
    write(tmp_path / "w.npz")
    with pytest.raises(comparators.WeightsError, match=r"w\.npz"):
        comparators.AlexNet(["relu1"], str(tmp_path / "w.npz"))


def write_whole(path):
    arrays = {name: value[:] for name, value in random_arrays().items()}
    if path.suffix == ".npz":
        np.savez(path, **arrays)
    elif path.suffix == ".caffemodel":
        path.write_bytes(caffemodel(alexnet_layers(CAFFENET, arrays)))
    else:
        with h5py.File(path, "w") as file:
            file.attrs["layer_names"] = [b"conv1", b"conv2"]
            for layer in ("conv1", "conv2"):
                group = file.create_group(layer)
                group.attrs["weight_names"] = [b"kernel:0", b"bias:0"]
                for kind in ("kernel", "bias"):
                    group[f"{kind}:0"] = arrays[f"{layer}_{kind}"]


@pytest.mark.parametrize("suffix", [".npz", ".h5", ".caffemodel"])
def test_files_cut_anywhere_are_refused(suffix, tmp_path):
    file = tmp_path / f"w{suffix}"
    write_whole(file)
    comparators.AlexNet(["relu2"], str(file))
    whole = file.read_bytes()
    for share in (0, 0.001, 0.1, 0.5, 0.9, 0.9999):
        file.write_bytes(whole[: int(share * len(whole))])
        with pytest.raises(comparators.WeightsError, match=rf"w\{suffix}"):
            comparators.AlexNet(["relu2"], str(file))


def refuse(path, layers, message):
    path.write_bytes(caffemodel(layers))
    with pytest.raises(comparators.WeightsError, match=message) as error:
        comparators.AlexNet(["relu2"], str(path))
    assert str(path) in str(error.value)


def test_caffe_files_of_other_networks_are_refused(tmp_path):
    path, arrays = tmp_path / "w.caffemodel", random_arrays()
    layers = alexnet_layers(CAFFENET, arrays)
    refuse(path, layers[:4], r"reach layer conv2.*lack conv2_kernel, \(5, 5, ")
    narrow = ("conv1", "Convolution", [np.zeros([64, 3, 11, 11]), np.zeros(64)])
    refuse(
        path,
        [narrow],
        r"layer conv1: its kernel is \(11, 11, 3, 96\), theirs "
        r"\(11, 11, 3, 64\)",
    )
    no_bias = ("conv1", "Convolution", layers[0][2][:1])
    refuse(path, [no_bias], r"lack conv1_bias, \(96,\)")
    ungrouped = ("conv2", "Convolution", [np.zeros([256, 96, 5, 5])])
    refuse(path, [layers[0], ungrouped], r"theirs \(5, 5, 96, 256\)")
    odd = ("fc6", "InnerProduct", [np.zeros([5, 7])])
    refuse(path, [*layers, odd], "layer fc6: it takes 7 numbers")
    flat = ("conv1", "Convolution", [np.zeros([96, 363])])
    refuse(path, [flat], "layer conv1: ")
    refuse(path, [], "has no layer")


def test_a_blob_that_lies_about_its_size_is_refused(tmp_path):
    shape = field(7, field(1, varint(96) + varint(3) + varint(11) * 2))
    layer = field(1, "conv1") + field(2, "Convolution")
    layer += field(7, shape + field(5, b"\0" * 40))
    path = tmp_path / "w.caffemodel"
    path.write_bytes(field(100, layer))
    with pytest.raises(
        comparators.WeightsError,
        match=r"conv1: 10 numbers for a shape of \[96, 3, 11, 11\]",
    ):
        comparators.AlexNet(["relu1"], str(path))


def test_a_dense_kernel_of_another_size_is_refused(tmp_path):
    arrays = random_arrays() | {"conv1_kernel": np.zeros([11 * 11 * 3, 64])}
    np.savez(tmp_path / "w.npz", **arrays)
    with pytest.raises(comparators.WeightsError, match=r"theirs \(363, 64\)"):
        comparators.AlexNet(["relu1"], str(tmp_path / "w.npz"))


def test_quantised_arrays_without_exponents_are_refused(tmp_path):
    np.savez(tmp_path / "w.npz", conv1_kernel_q=np.zeros([2], np.int8))
    with pytest.raises(comparators.WeightsError, match=r"w\.npz.*kernel_exp"):
        comparators.AlexNet(["relu1"], str(tmp_path / "w.npz"))
