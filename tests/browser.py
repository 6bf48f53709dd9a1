"""Headless Chromium, and what must hold of every page that people read."""

import base64
import io
import json
import shutil
from dataclasses import dataclass

import numpy as np
import pypdfium2
from PIL import Image
from pypdfium2.raw import FPDF_PAGEOBJ_IMAGE
from selenium import webdriver
from selenium.common.exceptions import WebDriverException

CHROMIUM, DRIVER = shutil.which("chromium"), shutil.which("chromedriver")
FLAGS = (
    *("--headless", "--no-sandbox", "--disable-gpu", "--disable-quic"),
    *("--no-first-run", "--disable-background-networking"),
    *("--disable-component-update", "--disable-sync", "--hide-scrollbars"),
)
PHONE, DESKTOP = 390, 1280  # CSS pixels across

# Where what can be seen is, in CSS pixels from the page's top left corner.
MEASURE = """
const place = (box) => [box.left + scrollX, box.top + scrollY, box.width, box.height];
const texts = (element) => {
  const range = document.createRange();
  range.selectNodeContents(element);
  return [...range.getClientRects()].map(place);
};
const all = (selector) => [...document.querySelectorAll(selector)];
return {
  size: [document.documentElement.scrollWidth, document.documentElement.scrollHeight],
  text: document.body.innerText,
  images: all("img").map((image) => ({
    source: image.getAttribute("src").slice(0, 40),
    pixels: image.naturalWidth,
    place: place(image.getBoundingClientRect()),
  })),
  tables: all("table").map((table) =>
    [...table.querySelectorAll("th, td")].map(texts)),
  headings: all("h1, h2").flatMap(texts),
};
"""


@dataclass(frozen=True)
class Seen:
    """A page as a screen of some width shows it, the whole of it at once."""

    size: tuple[int, int]  # what the page would like to have, across and down
    text: str
    images: list[dict]  # source, pixels across of the file, place
    tables: list[list[list]]  # the places of the lines of text of each cell
    headings: list[list]
    picture: np.ndarray  # uint8 [down, across, 3]
    console: list[str]
    requests: set[str]

    def part(self, place):
        """What is seen at a place."""
        left, top, width, height = (round(number) for number in place)
        return self.picture[max(top, 0) : top + height, max(left, 0) : left + width]


def start(profile):
    """The browser, with an empty folder as its profile."""
    options = webdriver.ChromeOptions()
    options.binary_location = CHROMIUM
    for flag in (*FLAGS, f"--user-data-dir={profile}"):
        options.add_argument(flag)
    logs = {"browser": "ALL", "performance": "ALL"}
    options.set_capability("goog:loggingPrefs", logs)
    service = webdriver.ChromeService(executable_path=DRIVER)
    return webdriver.Chrome(options, service)


def look(chromium, path, width):
    """Opens the page at `path` and looks at all of it."""
    screen = {"width": width, "height": 844, "deviceScaleFactor": 1}
    screen["mobile"] = width == PHONE
    chromium.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", screen)
    chromium.get(path.as_uri())
    measured = chromium.execute_script(MEASURE)
    clip = {"x": 0, "y": 0, "width": width, "height": measured["size"][1], "scale": 1}
    shot = {"clip": clip, "captureBeyondViewport": True}
    png = chromium.execute_cdp_cmd("Page.captureScreenshot", shot)["data"]
    with Image.open(io.BytesIO(base64.b64decode(png))) as picture:
        pixels = np.asarray(picture.convert("RGB"))
    events = [
        json.loads(entry["message"])["message"]
        for entry in chromium.get_log("performance")
    ]
    requests = {
        event["params"]["request"]["url"]
        for event in events
        if event["method"] == "Network.requestWillBeSent"
        and event["params"]["documentURL"] == path.as_uri()
    }
    console = [entry["message"] for entry in chromium.get_log("browser")]
    return Seen(**measured, picture=pixels, console=console, requests=requests)


def check(seen, width):
    """Fails unless a page can be read on a screen of that width."""
    assert not seen.console, seen.console
    assert seen.requests, "not even the page itself was asked for"
    for url in seen.requests:
        assert url.startswith(("file:", "data:")), url
    assert seen.size[0] <= width, "the page scrolls sideways"
    assert len(seen.text) > 40, "too little text"
    assert seen.headings, "no heading is shown"
    for place in seen.headings:
        assert shows_something(seen.part(place)), "a heading cannot be seen"
    for image in seen.images:
        assert image["pixels"] > 0, f"{image['source']} is not loaded"
        assert shows_something(seen.part(image["place"])), f"{image['source']} is blank"
    for cells in seen.tables:
        check_cells(cells, width)


def check_cells(cells, width):
    """Fails where a table's text is over other text, or out of sight."""
    lines = [
        (number, *place)
        for number, places in enumerate(cells)
        for place in places
        if place[2] > 1 and place[3] > 1
    ]
    assert lines, "a table is not shown"
    cell, left, top, across, down = np.array(lines).T
    assert left.min() >= 0, "a table is out of sight"
    assert (left + across).max() <= width, "a table is out of sight"
    # Lines of text have room above and below their letters, in which others may be.
    over = (overlaps(left, across) > 1) & (overlaps(top, down) > 4)
    assert not np.any(over & (cell[:, None] != cell)), "text over text"


def overlaps(starts, lengths):
    """How much of their lengths any two have in common, [n, n]."""
    ends = starts + lengths
    return np.minimum.outer(ends, ends) - np.maximum.outer(starts, starts)


def shows_something(pixels):
    """Whether there is more than one colour, and the rarer ones are no speck."""
    if not pixels.size:
        return False
    _, counts = np.unique(pixels.reshape(-1, 3), axis=0, return_counts=True)
    return len(counts) > 8 and counts.max() < 0.995 * counts.sum()


@dataclass(frozen=True)
class Sheet:
    """A page of paper."""

    picture: np.ndarray  # uint8 [down, across, 3]
    num_images: int  # whole ones and parts
    text: str


def print_sheets(chromium, path):
    """The page at `path` on A4."""
    with pypdfium2.PdfDocument(print_pdf(chromium, path)) as document:
        return [
            Sheet(
                page.render(rev_byteorder=True).to_numpy()[..., :3],
                len(list(page.get_objects(filter=[FPDF_PAGEOBJ_IMAGE]))),
                " ".join(page.get_textpage().get_text_bounded().split()),
            )
            for page in document
        ]


def print_pdf(chromium, path, attempts=4):
    """The page's PDF; asked for again where a busy machine keeps Chromium from it.

    Its printing is a process of its own, and one that is too slow to answer is given up
    with "Printing failed", whatever the page.
    """
    paper = {"printBackground": True, "paperWidth": 8.27, "paperHeight": 11.69}
    for left in reversed(range(attempts)):
        chromium.get(path.as_uri())
        try:
            printed = chromium.execute_cdp_cmd("Page.printToPDF", paper)
        except WebDriverException as error:
            if not left or "Printing failed" not in str(error):
                raise
        else:
            return base64.b64decode(printed["data"])


def check_print(sheets, num_images):
    """Fails where a sheet is blank, or a picture is on two of them or on none."""
    for sheet in sheets:
        assert shows_something(sheet.picture), "a blank sheet"
    shown = sum(sheet.num_images for sheet in sheets)
    assert shown == num_images, "a picture is cut or gone"
