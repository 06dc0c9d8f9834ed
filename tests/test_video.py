"""Films through ffmpeg, frame by frame."""

import json
import shutil
import subprocess

import numpy as np
import pytest

from serving import video

needs_ffmpeg = pytest.mark.skipif(
    not (shutil.which("ffmpeg") and shutil.which("ffprobe")),
    reason="needs ffmpeg",
)


def make(path, size="64x48", rate="30000/1001", sound=True):
    line = ["ffmpeg", "-v", "error", "-f", "lavfi"]
    line += ["-i", f"testsrc=size={size}:rate={rate}:duration=0.5"]
    if sound:
        line += ["-f", "lavfi", "-i", "sine=duration=0.5"]
    subprocess.run([*line, str(path)], check=True)
    return path


def streams(path):
    done = subprocess.run(
        ["ffprobe", "-v", "error", "-of", "json", "-show_streams", str(path)],
        check=True,
        capture_output=True,
    )
    found = json.loads(done.stdout)["streams"]
    return {stream["codec_type"]: stream for stream in found}


def frames(path, width, height):
    done = subprocess.run(
        [
            *("ffmpeg", "-v", "error", "-i", str(path)),
            *("-f", "rawvideo", "-pix_fmt", "rgb24", "-"),
        ],
        check=True,
        capture_output=True,
    )
    return np.frombuffer(done.stdout, np.uint8).reshape(-1, height, width, 3)


def sound(path):
    done = subprocess.run(
        [
            *("ffmpeg", "-v", "error", "-i", str(path), "-map", "0:a"),
            *("-c", "copy", "-f", "hash", "-"),
        ],
        check=True,
        capture_output=True,
    )
    return done.stdout


@needs_ffmpeg
class TestPaint:
    def test_frames_are_painted_and_the_rest_stays(self, tmp_path):
        source, target = make(tmp_path / "a.mp4"), tmp_path / "b.mp4"
        shares = []
        size = video.paint(
            source, target, lambda frame: 255 - frame, 2, shares.append
        )
        assert size == (64, 48)
        before, after = streams(source), streams(target)
        for key in ("r_frame_rate", "nb_frames", "width", "height"):
            assert after["video"][key] == before["video"][key]
        assert sound(target) == sound(source)
        shown = frames(source, 64, 48).astype(int)
        painted = frames(target, 64, 48)
        # Half of the chroma is lost in such small frames.
        assert np.abs(painted - (255 - shown)).mean() < 12
        assert np.abs(painted - shown).mean() > 100
        assert shares == sorted(shares)
        assert shares[-1] > 0.9
        assert {p.name for p in tmp_path.iterdir()} == {"a.mp4", "b.mp4"}

    def test_without_sound_larger_and_of_odd_size(self, tmp_path):
        source = make(tmp_path / "a.mkv", "63x48", "10", sound=False)
        target = tmp_path / "b.mkv"
        size = video.paint(
            source, target, lambda x: x.repeat(3, 0).repeat(3, 1)
        )
        assert size == (189, 144)
        found = streams(target)
        assert set(found) == {"video"}
        assert found["video"]["pix_fmt"] == "yuv444p"
        assert len(frames(target, 189, 144)) == 5

    def test_on_its_side_it_comes_back_upright(self, tmp_path):
        make(tmp_path / "a.mp4", sound=False)
        copy = ["-i", str(tmp_path / "a.mp4"), "-c", "copy"]
        target = str(tmp_path / "turned.mp4")
        for line in (  # From ffmpeg 6 on, and before.
            ["-display_rotation", "90", *copy, target],
            [*copy, "-metadata:s:v", "rotate=90", target],
        ):
            done = subprocess.run(["ffmpeg", "-v", "error", *line], check=False)
            if done.returncode == 0:
                break
        seen = []

        def look(frame):
            seen.append(frame.shape)
            return frame

        size = video.paint(tmp_path / "turned.mp4", tmp_path / "b.mp4", look)
        assert size == (48, 64)
        assert set(seen) == {(64, 48, 3)}

    def test_a_failing_frame_leaves_nothing(self, tmp_path):
        source = make(tmp_path / "a.mp4")

        def fail(frame):
            raise OSError("no server")

        with pytest.raises(OSError, match="no server"):
            video.paint(source, tmp_path / "b.mp4", fail)
        assert [p.name for p in tmp_path.iterdir()] == ["a.mp4"]

    def test_sound_that_the_other_kind_cannot_hold_is_told(self, tmp_path):
        source = make(tmp_path / "a.mp4")
        with pytest.raises(video.VideoError, match="a.mp4: ffmpeg: "):
            video.paint(source, tmp_path / "b.webm", lambda frame: frame)
        assert [p.name for p in tmp_path.iterdir()] == ["a.mp4"]

    def test_what_is_no_film_raises(self, tmp_path):
        (tmp_path / "a.mp4").write_text("some text")
        with pytest.raises(video.VideoError, match="a.mp4: no film"):
            video.paint(tmp_path / "a.mp4", tmp_path / "b.mp4", lambda x: x)


def test_without_ffmpeg_it_says_so(tmp_path, monkeypatch):
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(video.VideoError, match="ffprobe, which is not inst"):
        video.paint(tmp_path / "a.mp4", tmp_path / "b.mp4", lambda x: x)
