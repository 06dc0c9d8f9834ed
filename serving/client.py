r"""Sends pictures to a served model and keeps the paintings.

Example:
    python -m serving.client --server=localhost:8500 --model=starry \
        photo.jpg -o painting.png
    python -m serving.client --model=paintings --style_weights=0,1,1,0,0,0 \
        --strength=0.8 photo.jpg -o painting.png  # Two of six styles.
    python -m serving.client --model=starry photos 'more/*.png' film.mp4 -o out
    python -m serving.client --model=fidelity_x4 --tile=512 large.tif -o out.png
    python -m serving.client --model=starry --status

In Python:
    with Client("localhost:8500", model="starry") as client:
        client.generate("photo.jpg", strength=0.8).save("painting.png")
        big_pictures.generate(client, "large.tif", "out.png", tile=512)

Needs no TensorFlow. The painting is PNG, or JPEG when OUT ends in .jpg, and as
the picture: alpha, gray, 16 bits (of PNG) and ICC profile stay.
"""

import dataclasses
import io
import os
from typing import Any

import numpy as np
from PIL.JpegImagePlugin import JpegImageFile
from PIL.PngImagePlugin import PngImageFile

from percgen import picture_files
from percgen import picture_forms
from percgen import stored_pictures
from serving import served_model
from serving.protocol import ServerError as ServerError


@dataclasses.dataclass(frozen=True)
class Painting:
    """A picture that came back: a PNG or JPEG file.

    Args:
        content: Of the file.
    """

    content: bytes

    def save(self, path: str | os.PathLike) -> None:
        """Writes the file, all or nothing."""
        picture_files.write_bytes(path, self.content)

    def pixels(self) -> np.ndarray:
        """Returns it as uint8 or uint16 `[H, W, C]`, colours as stored."""
        return stored_pictures.read(self.content).pixels

    @property
    def size(self) -> tuple[int, int]:
        """Width and height."""
        # Not by Image.open, which refuses what is large: we asked for it.
        is_png = self.content.startswith(b"\x89PNG")
        kind = PngImageFile if is_png else JpegImageFile
        return kind(io.BytesIO(self.content)).size


class Client(served_model.ServedModel):
    """Sends pictures of any kind, and gives back what is stored likewise.

    Made of what `served_model.ServedModel` takes.
    """

    def generate(
        self,
        picture: stored_pictures.Source,
        *,
        kind: str = "PNG",
        jpeg_quality: int = 95,
        keep_gray: bool = True,
        **wishes: Any,
    ) -> Painting:
        """Sends a picture, and returns what comes back, stored as it is.

        An upright PNG or JPEG of 8 bits, sRGB or gray, without alpha, goes as
        it is, undecoded: the server judges it.

        Args:
            picture: A path, the bytes of a file, or a picture: Pillow's, or
                uint8 or uint16 `[H, W, C]`.
            kind: `"PNG"` or `"JPEG"`.
            jpeg_quality: 1 to 100.
            keep_gray: Whether a gray picture's answer is gray; else in colour.
            **wishes: Of `served_model.Wishes`.

        Raises:
            picture_files.ImageError: If it is not a picture.
            ServerError: With the reason, in one line.
        """
        wished = served_model.Wishes(**wishes)
        plain = stored_pictures.plain(picture)
        if plain is None:
            stored = stored_pictures.read(picture)
            form = stored.form
            painted = self.paint(form.to_network(stored.pixels), wished)
        else:
            form = plain.form
            if not (form.gray and keep_gray):
                quality = jpeg_quality if kind == "JPEG" else 0
                return Painting(self.send(plain.content, quality, wished))
            painted = _pixels(self.send(plain.content, 0, wished))
        form = dataclasses.replace(form, gray=form.gray and keep_gray)
        return Painting(
            stored_pictures.encode(painted, form, kind, jpeg_quality)
        )

    def paint(
        self,
        pixels: np.ndarray,
        wishes: served_model.Wishes = served_model.NO_WISHES,
        context: np.ndarray | None = None,
    ) -> np.ndarray:
        """Sends sRGB pixels, and returns those that come back.

        Args:
            pixels: uint8 or uint16 `[H, W, 3]`; or `[H, W, 4]`, premultiplied,
                of which alpha is not sent, but enlarged as the answer is.
            wishes: Of a model that paints.
            context: What they are a part of, made as small, uint8.

        Returns:
            uint16 if it was and the model keeps 16 bits, else uint8.
        """
        if pixels.dtype == np.uint16 and self.about().get("bits") != 16:
            pixels = picture_forms.to_depth(pixels, np.uint8)
        whole = None if context is None else _png(context)
        painted = _pixels(self.send(_png(pixels[..., :3]), 0, wishes, whole))
        if pixels.shape[2] == 3:
            return painted
        alpha = picture_forms.to_depth(pixels[..., 3:], painted.dtype.type)
        alpha = picture_forms.enlarged(alpha, *painted.shape[:2])
        return np.concatenate([painted, alpha], axis=2)


def _png(pixels: np.ndarray) -> bytes:
    return stored_pictures.encode(pixels, picture_forms.Form(), "PNG")


def _pixels(answer: bytes) -> np.ndarray:
    stored = stored_pictures.read(answer)
    return stored.form.to_network(stored.pixels)[..., :3]


if __name__ == "__main__":
    # Here, lest who imports `Client` gets the flags, too.
    from absl import flags

    from serving import client_command
    from serving import client_flags

    flags.adopt_module_key_flags(client_flags)
    client_command.run()
