"""Records what tensorflow-addons answered: files and figures in tests/addons/.

Runs beside neither percgen nor Keras 3, in an environment of its own, with
Python 3.11 or earlier, from the repository's root:

    python3.11 -m venv .venv-addons
    .venv-addons/bin/pip install tensorflow==2.15.1 tensorflow-addons==0.23.0
    .venv-addons/bin/python tests/record_addons.py

Of each model: the file or files, as its user would have saved them, and an .npz
of `input_0`, ..., of `output`, and of `after`, the output after one step of SGD
towards zero.
"""

import pathlib
import warnings

import numpy as np

warnings.filterwarnings("ignore")

import tensorflow as tf  # noqa: E402
import tensorflow_addons as tfa  # noqa: E402

FOLDER = pathlib.Path(__file__).parent / "addons"
RATE = 0.1
layers = tf.keras.layers
addons = tfa.layers


def generator(size=None):
    """Returns a small generator of CycleGAN's kind."""

    def block(x, layer, **options):
        x = addons.InstanceNormalization(**options)(layer(x))
        return layers.ReLU()(x)

    drawn = tf.keras.initializers.RandomNormal(1.0, 0.2)
    images = layers.Input([size, size, 3])
    x = block(images, layers.Conv2D(4, 3, padding="same", use_bias=False))
    down = layers.Conv2D(8, 3, strides=2, padding="same")
    x = block(x, down, axis=3, epsilon=1e-5, gamma_initializer=drawn)
    y = layers.Conv2D(8, 3, padding="same")(x)
    x = layers.Conv2D(8, 3, padding="same")(x)
    x = layers.Add()([x, addons.GroupNormalization(4)(y)])
    up = layers.Conv2DTranspose(4, 3, strides=2, padding="same")
    x = block(x, up, center=False, scale=False)
    x = layers.Conv2D(3, 3, padding="same", activation="tanh")(x)
    return tf.keras.Model(images, x, name="generator")


def discriminator():
    """Returns a small discriminator whose kernels are bounded."""
    spectral = addons.SpectralNormalization
    return tf.keras.Sequential(
        [
            layers.Input([8, 8, 3]),
            spectral(layers.Conv2D(6, 4, strides=2, padding="same")),
            layers.LeakyReLU(0.2),
            spectral(layers.Conv2D(8, 3), power_iterations=3),
            layers.BatchNormalization(),
            layers.LeakyReLU(0.2),
            layers.Flatten(),
            spectral(layers.Dense(1)),
        ],
        name="discriminator",
    )


def weight_norm(data_init=True):
    """Returns wrapped layers, two of which may look at data to begin."""
    weight = addons.WeightNormalization
    return tf.keras.Sequential(
        [
            layers.Input([6, 6, 3]),
            weight(layers.Conv2D(5, 3, activation="relu"), data_init),
            weight(layers.Conv2D(4, 2, use_bias=False), data_init),
            weight(layers.Conv2DTranspose(3, 2), data_init=False),
            layers.Flatten(),
            weight(layers.Dense(4, bias_initializer="ones"), data_init=False),
        ],
        name="weight_norm",
    )


def options():
    """Returns norms over other axes, in other groups, with constraints."""
    nested = [layers.Dense(4), addons.GroupNormalization(2)]
    return tf.keras.Sequential(
        [
            layers.Input([8, 4, 4]),
            addons.GroupNormalization(2, axis=1, scale=False),
            addons.InstanceNormalization(axis=1, beta_regularizer="l2"),
            addons.GroupNormalization(1, axis=2, gamma_constraint="non_neg"),
            addons.GroupNormalization(-1, center=False, epsilon=0.1),
            layers.TimeDistributed(addons.InstanceNormalization()),
            layers.TimeDistributed(tf.keras.Sequential(nested)),
            layers.Flatten(),
            addons.GroupNormalization(32, name="flat"),
        ],
        name="options",
    )


def projection():
    """Returns a network that looks at labels, and one of sequences."""
    labels = layers.Input([3], dtype="int32")
    x = addons.SpectralNormalization(layers.Embedding(6, 4))(labels)
    gru = layers.GRU(5, return_sequences=True)
    x = addons.WeightNormalization(gru, data_init=False)(x)
    scale = layers.Input([3, 1])
    return tf.keras.Model([labels, scale], layers.Multiply()([x, scale]))


def gan():
    """Returns a generator under a frozen discriminator, both nested."""
    weight = addons.WeightNormalization
    frozen = tf.keras.Sequential([weight(layers.Conv2D(3, 1)), discriminator()])
    images = layers.Input([8, 8, 3])
    paint = generator(8)
    outputs = frozen(paint(images))
    frozen.trainable = False
    return tf.keras.Model(images, outputs)


def stir(model, random):
    """Moves all weights that learn off their start."""
    for weight in model.trainable_weights:
        move = 0.1 * random.standard_normal(weight.shape)
        weight.assign_add(move.astype(np.float32))


def record(name, model, inputs, as_json=False, called=True):
    """Writes a model's files and figures."""
    random = np.random.default_rng(0)
    model.compile(tf.keras.optimizers.SGD(RATE), "mse")
    if called:
        output = model(inputs)
        model.train_on_batch(inputs, random.random(output.shape) - 0.5)
        stir(model, random)
    if as_json:
        (FOLDER / f"{name}.json").write_text(model.to_json())
        model.save_weights(FOLDER / f"{name}.h5")
    else:
        model.save(FOLDER / f"{name}.h5", include_optimizer=False)
    output = model(inputs).numpy()
    model.train_on_batch(inputs, np.zeros_like(output))
    figures = {"output": output, "after": model(inputs).numpy()}
    given = inputs if isinstance(inputs, list) else [inputs]
    figures |= {f"input_{i}": value for i, value in enumerate(given)}
    np.savez(FOLDER / f"{name}.npz", **figures)


def main():
    FOLDER.mkdir(exist_ok=True)
    tf.keras.utils.set_random_seed(0)
    random = np.random.default_rng(1)

    def draw(*shape):
        return random.random(shape, np.float32)

    record("generator", generator(), draw(2, 8, 8, 3))
    record("discriminator", discriminator(), draw(4, 8, 8, 3))
    record("weight_norm", weight_norm(), draw(4, 6, 6, 3))
    fresh = weight_norm(data_init=False)
    record("weight_norm_fresh", fresh, draw(4, 6, 6, 3), called=False)
    record("options", options(), draw(2, 8, 4, 4))
    labels = np.array([[0, 1, 2], [5, 4, 3]], np.int32)
    record("projection", projection(), [labels, draw(2, 3, 1)])
    record("gan", gan(), draw(2, 8, 8, 3), as_json=True)
    weight_norm().save(FOLDER / "never_called.h5")
    other = layers.Input([4, 4, 2])
    maxout = tf.keras.Model(other, addons.Maxout(1)(other))
    maxout.save(FOLDER / "maxout.h5")


if __name__ == "__main__":
    main()
