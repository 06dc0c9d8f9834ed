"""The site of `make docs`: it is built, and its links lead somewhere."""

import html.parser
import pathlib
import re
import shutil
import subprocess
import sys
import urllib.parse

import pytest
import yaml

ROOT = pathlib.Path(__file__).parents[1]
ZENSICAL = pathlib.Path(sys.prefix) / "bin" / "zensical"


class Page(html.parser.HTMLParser):
    """Takes down what a page links to, what it loads, and its anchors."""

    def __init__(self, path):
        super().__init__()
        self.links, self.loads, self.anchors = [], [], set()
        self.feed(path.read_text())

    def handle_starttag(self, tag, attrs):
        its = dict(attrs)
        self.anchors.add(its.get("id"))
        if tag == "a" and "href" in its:
            self.links.append(its["href"])
        self.loads += [
            its[name]
            for name in ("src", "href")
            if name in its and tag in ("img", "script", "link")
        ]


@pytest.fixture(scope="module")
def built(tmp_path_factory):
    if not ZENSICAL.exists():
        pytest.skip("needs Zensical, of requirements.txt")
    folder = tmp_path_factory.mktemp("docs")
    subprocess.run(
        ["make", "docs", "READY=", f"VENV={sys.prefix}", f"SITE={folder}"],
        cwd=ROOT,
        check=True,
        capture_output=True,
    )
    return folder


@pytest.fixture(scope="module")
def pages(built):
    site = built / "site"
    found = {path: Page(path) for path in site.rglob("*.html")}
    found.pop(site / "404.html")  # Its links are absolute.
    return found


def build(folder):
    line = [ZENSICAL, "build", "--strict", "--config-file", "mkdocs.yml"]
    return subprocess.run(line, cwd=folder, capture_output=True, check=False)


def test_links_lead_somewhere(pages):
    for path, page in pages.items():
        for link in page.links + page.loads:
            address = urllib.parse.urlsplit(link)
            if address.scheme:
                continue
            target = path.parent / urllib.parse.unquote(address.path)
            target = (target if address.path else path).resolve()
            if target.is_dir():
                target /= "index.html"
            assert target.exists(), (path, link)
            if address.fragment and target.suffix == ".html":
                anchors = pages[target].anchors
                assert address.fragment in anchors, (path, link)


def test_nothing_comes_from_elsewhere(pages):
    for path, page in pages.items():
        for link in page.loads:
            assert not urllib.parse.urlsplit(link).netloc, (path, link)


def test_the_menu_has_every_page():
    menu = (ROOT / "docs" / "mkdocs.yml").read_text()
    menu = str(yaml.safe_load(menu)["nav"])
    for path in (ROOT / "docs").glob("*.md"):
        assert f"'docs/{path.name}'" in menu


def numbers(text):
    """Returns the numbers of a text, as they are written."""
    return re.findall(r"(?<![\w.])\d*\.?\d+(?:e[+-]\d+)?(?![\w.]*\w)", text)


def is_among(number, known):
    """Tells whether a number is a known one, rounded or in per cent."""
    digits = len(number.partition("e")[0].partition(".")[2])
    return any(
        abs(float(number) - scale * value) <= 0.5001 * 10**-digits
        for value in known
        for scale in (1, 100)
    )


@pytest.mark.parametrize("name", ["ms_ssim", "deepsim", "perceptual_losses"])
def test_figures_are_those_of_the_results(name):
    """Each number of a table is in a file that the page links to."""
    page = (ROOT / "docs" / f"{name}.md").read_text()
    linked = set(
        re.findall(r"\]\(([^)]+/(?:results|pretrained)/\w+\.md)", page)
    )
    texts = [(ROOT / "docs" / path).read_text() for path in linked]
    known = [float(x) for text in texts for x in numbers(text)]
    rows = re.findall(r"^\| .*$", page, re.MULTILINE)
    # Headings and the first column name things.
    cells = [cell for row in rows for cell in row.split("|")[2:]]
    found = [x for cell in cells for x in numbers(cell) if "." in x]
    assert len(found) > 10
    for number in found:
        assert is_among(number, known), number
    assert not is_among("12.34", known)


@pytest.mark.parametrize("link", ["gone.md", "faq.md#gone"])
def test_a_broken_link_fails(built, link, tmp_path):
    folder = shutil.copytree(built, tmp_path / "docs")
    assert build(folder).returncode == 0
    with (folder / "pages/docs/index.md").open("a") as file:
        file.write(f"\n[there]({link})\n")
    assert build(folder).returncode != 0
