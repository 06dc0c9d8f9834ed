"""The page of serving/web in a real browser, against the stand-in."""

import base64
import contextlib
import functools
import http.server
import io
import json
import pathlib
import re
import shutil
import threading

import keras
import numpy as np
import proxies
import pytest
import small
from PIL import Image
from playwright import sync_api

from percgen import export
from percgen import networks
from percgen import signatures
from serving import rest
from serving import server

WEB = pathlib.Path(__file__).parents[1] / "serving" / "web"
MOST = 96 * 72  # Pixels.
PHOTOGRAPH = "[data-photograph] >> nth=0"
PAINTED = "#compare:visible"


class Quiet(http.server.SimpleHTTPRequestHandler):
    def log_message(self, *args):
        pass


@pytest.fixture(scope="module")
def site():
    """Returns the address of the page."""
    handler = functools.partial(Quiet, directory=WEB)
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as web:
        threading.Thread(target=web.serve_forever).start()
        yield f"http://127.0.0.1:{web.server_port}/"
        web.shutdown()


@pytest.fixture(scope="module")
def ports(tmp_path_factory):
    """Returns the ports of gRPC and REST of a server of two styles."""
    keras.utils.set_random_seed(0)
    painter = networks.StyleGenerator(width=4, styles=2)
    for weight in painter.trainable_weights:  # Or both styles are the same.
        weight.assign_add(keras.random.normal(weight.shape, stddev=0.1))
    home = tmp_path_factory.mktemp("models") / "tiny"
    export.export(painter, home, limits=signatures.Limits(max_pixels=MOST))
    core = server.load(small.config_of(home, name="tiny"))
    grpc_server, grpc_port = server.serve(core)
    rest_server, rest_port = rest.serve(core, options=rest.Options(cors=True))
    yield grpc_port, rest_port
    for started in (grpc_server, rest_server):
        started.stop(None).wait()


@pytest.fixture(scope="module")
def browser():
    path = shutil.which("chromium") or shutil.which("google-chrome")
    if not path:
        pytest.skip("needs Chromium or Chrome")
    with (
        sync_api.sync_playwright() as driver,
        contextlib.closing(
            driver.chromium.launch(executable_path=path)
        ) as browser,
    ):
        yield browser


@pytest.fixture
def visit(browser, site):
    """Returns a function that opens the page; no script of it may fail."""
    failures = []
    with contextlib.ExitStack() as stack:

        def visit(server="", models="tiny", at=site, **options):
            context = browser.new_context(**options)
            page = stack.enter_context(contextlib.closing(context)).new_page()
            page.set_default_timeout(15_000)
            page.on("pageerror", lambda error: failures.append(error))
            page.goto(f"{at}?server={server}&models={models}")
            return page

        yield visit
    assert not failures


@pytest.fixture
def page(visit, ports):
    page = visit(f"127.0.0.1:{ports[1]}")
    page.wait_for_selector("#model option", state="attached")
    return page


def pixels(content):
    with Image.open(io.BytesIO(content)) as image:
        return np.asarray(image.convert("RGB"), float)


def error_of(page):
    page.wait_for_selector("#error:not(:empty)")
    return page.inner_text("#error")


def test_paints_as_the_client(page, ports, photo_folder, run, tmp_path):
    photo = photo_folder / "0.png"
    page.set_input_files(PHOTOGRAPH, photo)
    page.wait_for_selector(".card:nth-child(2) img")  # In the second style.
    page.get_by_label("Share of Style 1").fill("30")
    page.get_by_label("Share of Style 2").fill("70")
    page.get_by_label("Strength").fill("80")
    page.get_by_role("switch").check()
    page.get_by_label("File").select_option("PNG, exact")
    page.get_by_role("button", name="Paint").click()
    page.wait_for_selector(PAINTED)
    with page.expect_download() as download:
        page.get_by_text("Download", exact=True).click()
    assert download.value.suggested_filename == "0-tiny.png"
    painted = pixels(pathlib.Path(download.value.path()).read_bytes())

    def by_client(weights):
        out = tmp_path / "out.png"
        done = run(
            "serving.client",
            f"--server=localhost:{ports[0]}",
            "--model=tiny",
            f"--style_weights={weights}",
            "--strength=0.8",
            "--preserve_color",
            photo,
            f"--out={out}",
        )
        assert done.returncode == 0, done.stderr
        return pixels(out.read_bytes())

    np.testing.assert_allclose(painted, by_client("30,70"), atol=1)
    assert np.abs(painted - by_client("30,0")).max() > 4


def test_turns_and_shrinks_what_is_too_large(page, photo_folder, tmp_path):
    with Image.open(photo_folder / "1.png") as image:
        exif = Image.Exif()
        exif[0x0112] = 6  # Lies on its side.
        image.resize((192, 144)).save(tmp_path / "large.jpg", exif=exif)
        upright = image.transpose(Image.Transpose.ROTATE_270)
    requests = []
    page.on("request", lambda request: requests.append(request))
    page.set_input_files(PHOTOGRAPH, tmp_path / "large.jpg")
    page.wait_for_selector(".card:nth-child(2) img")
    page.get_by_role("button", name="Paint").click()
    page.wait_for_selector(PAINTED)
    assert page.inner_text("#notice") == (
        "144 × 192 pixels, sent as 72 × 96: the model takes at most 6,912"
    )
    last = [x for x in requests if x.url.endswith(":predict")][-1]
    (instance,) = last.post_data_json["instances"]
    sent = pixels(base64.b64decode(instance["image_bytes"]["b64"]))
    assert np.abs(sent - np.asarray(upright, float)).mean() < 8


def test_says_what_is_wrong(page, tmp_path):
    Image.new("RGB", (12, 9)).save(tmp_path / "small.png")
    (tmp_path / "no.jpg").write_text("no picture")
    page.set_input_files(PHOTOGRAPH, tmp_path / "small.png")
    assert error_of(page) == "image too small: at least 16 x 16 pixels"
    page.set_input_files(PHOTOGRAPH, tmp_path / "no.jpg")
    assert error_of(page) == "no.jpg is no picture that this browser reads."
    page.click("summary")
    page.get_by_label("Models").fill("nope")
    page.get_by_role("button", name="Connect").click()
    assert "serves none of: nope" in error_of(page)
    page.get_by_label("Address").fill("localhost:1")
    page.get_by_role("button", name="Connect").click()
    assert "No answer from http://localhost:1." in error_of(page)


def test_can_be_stopped_and_begun_again(page, photo_folder):
    page.set_input_files(PHOTOGRAPH, photo_folder / "0.png")
    page.wait_for_selector(".card:nth-child(2) img")
    page.route("**/*:predict", lambda route: None)  # Is never answered.
    with page.expect_request("**/*:predict") as asked:
        page.get_by_role("button", name="Paint").click()
    with page.expect_event("requestfailed") as failed:
        page.get_by_role("button", name="Cancel").click()
    assert failed.value == asked.value
    assert page.inner_text("#status") == "Cancelled."
    assert page.is_hidden("progress")
    page.unroute_all()
    page.get_by_role("button", name="Paint").click()
    page.wait_for_selector(PAINTED)


def test_compares_by_keys_and_by_hand(page, photo_folder):
    page.set_input_files(PHOTOGRAPH, photo_folder / "0.png")
    page.get_by_role("button", name="Paint").click()
    page.wait_for_selector(PAINTED)
    slider = page.get_by_role("slider", name=re.compile("of the photograph"))
    slider.press("ArrowRight")
    assert slider.input_value() == "51"
    box = page.locator("#compare").bounding_box()
    y = box["y"] + box["height"] / 2
    page.mouse.move(box["x"] + box["width"] * 0.9, y)
    page.mouse.down()
    page.mouse.move(box["x"] + box["width"] * 0.2, y)
    page.mouse.up()
    assert slider.input_value() == "20"
    clip = "getComputedStyle(document.querySelector('#painting')).clipPath"
    assert page.evaluate(clip) == "inset(0px 0px 0px 20%)"


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_fits_a_phone(visit, ports, photo_folder, scheme):
    page = visit(
        f"127.0.0.1:{ports[1]}",
        viewport={"width": 320, "height": 640},
        has_touch=True,
        is_mobile=True,
        color_scheme=scheme,
    )
    assert page.get_by_label("Use the camera").count() == 1
    page.set_input_files(PHOTOGRAPH, photo_folder / "0.png")
    page.get_by_role("button", name="Paint").click()
    page.wait_for_selector(PAINTED)
    page.click("summary")
    assert page.evaluate("document.documentElement.scrollWidth") == 320
    for field in page.locator("input:visible, select:visible").all():
        assert field.evaluate("f => f.ariaLabel || f.labels.length"), field
    wall, ink = (
        page.evaluate(f"getComputedStyle(document.body)['{name}']")
        for name in ("backgroundColor", "color")
    )
    brightness = [sum(map(int, re.findall(r"\d+", c))) for c in (wall, ink)]
    assert (brightness[0] > brightness[1]) == (scheme == "light")


def test_a_token_goes_to_its_server_alone(visit, ports):
    headers = []

    def answer(route):
        headers.append(route.request.headers.get("authorization"))
        route.fulfill(
            status=401,
            headers={"Access-Control-Allow-Origin": "*"},
            json={"error": "A token is needed"},
        )

    page = visit(f"127.0.0.1:{ports[1]}")
    page.route("http://gate.test/**", answer)
    page.click("summary")
    page.get_by_label("Address").fill("gate.test")
    connect = page.get_by_role("button", name="Connect")
    connect.click()
    assert error_of(page) == "A token is needed"
    token = page.get_by_label("Token")
    sync_api.expect(token).to_be_focused()
    token.fill("abc")
    with page.expect_response("http://gate.test/**"):
        connect.click()
    assert headers == [None, "Bearer abc"]
    assert "abc" not in page.url
    assert page.evaluate("localStorage.length") == 0
    page.get_by_label("Address").fill(f"127.0.0.1:{ports[1]}")
    token.focus()
    assert token.input_value() == ""
    page.get_by_label("Address").fill("gate.test")
    token.focus()
    assert token.input_value() == "abc"


def test_paints_behind_the_proxy(visit, ports, photo_folder, tmp_path):
    proxies.need_tools()
    with proxies.Proxy(tmp_path, *ports) as proxy:
        there = f"https://localhost:{proxy.port}/"
        page = visit(at=there, ignore_https_errors=True)
        assert "A token is needed" in error_of(page)
        page.get_by_label("Token").fill(proxy.token.removeprefix("Bearer "))
        page.get_by_role("button", name="Connect").click()
        page.wait_for_selector("#model option", state="attached")
        page.set_input_files(PHOTOGRAPH, photo_folder / "0.png")
        page.get_by_role("button", name="Paint").click()
        page.wait_for_selector(PAINTED)


def test_names_the_styles_as_their_card_does():
    (catalogue,) = re.findall(
        r'id="catalogue">(.*?)</script>',
        (WEB / "index.html").read_text(),
        re.DOTALL,
    )
    card = WEB.parents[1] / "percgen" / "pretrained" / "paintings.md"
    styles = re.findall(
        r"^\d\. (.*?), (?:about )?\d{4}$", card.read_text(), re.MULTILINE
    )
    assert len(styles) == 6
    assert json.loads(catalogue)["paintings"] == styles
