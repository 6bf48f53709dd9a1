"""What is wrong with a page is noticed."""

import base64

import browser
import pytest
from faces import folder_of_faces

PAGE = """<!doctype html><html lang="en"><head><meta charset="utf-8">
<meta name="viewport" content="width=device-width"><link rel="icon" href="data:,">
<style>body { width: 360px } th { width: 90px } img { width: 120px }</style></head>
<body>
<h1>A heading of this page</h1><p>And a paragraph below it, of so and so many words.</p>
<table><tr><th>one</th><td>a cell</td></tr><tr><th>two</th><td>another</td></tr></table>
<img src="data:image/jpeg;base64,PHOTO" alt="">
</body></html>"""
# By what is wrong with them: what is replaced by what, and what is said of it.
BREAKS = {
    "a picture that is not there": ("data:image/jpeg;base64,PHOTO", "gone.png", "gone"),
    "a picture cut short": ("PHOTO", "AAAA", "is not loaded"),
    "a picture too faint to see": ("120px", "120px; opacity: 0.001", "is blank"),
    "nothing in it": ("<body>", "</html><!--", "too little text"),
    "nothing to see": ("<body>", "<body hidden>", "no heading"),
    "white on white": ("body {", "body { color: white;", "heading cannot be seen"),
    "too wide": ("width: 360px", "width: 460px", "scrolls sideways"),
    "text over text": ("th {", "tr + tr * { position: absolute } th {", "over text"),
    "a script that fails": ("</body>", "<script>gone()</script>", "ReferenceError"),
    "a link to the network": ("PHOTO", 'PHOTO"><img src="http://[::1]:9/x', "http"),
}


@pytest.fixture(scope="module")
def photo(tmp_path_factory):
    path = folder_of_faces(tmp_path_factory.mktemp("faces"), 1, 1) / "person 0/0.jpg"
    return base64.b64encode(path.read_bytes()).decode()


def look(chromium, path, page, photo):
    (path / "index.html").write_text(page.replace("PHOTO", photo))
    return browser.look(chromium, path / "index.html", browser.PHONE)


def test_a_page_as_it_should_be(chromium, tmp_path, photo):
    browser.check(look(chromium, tmp_path, PAGE, photo), browser.PHONE)


@pytest.mark.parametrize(("whole", "broken", "said"), BREAKS.values(), ids=BREAKS)
def test_a_broken_page(chromium, tmp_path, photo, whole, broken, said):
    assert PAGE.count(whole) == 1
    seen = look(chromium, tmp_path, PAGE.replace(whole, broken), photo)
    with pytest.raises(AssertionError, match=said):
        browser.check(seen, browser.PHONE)


def test_a_picture_cut_across_sheets(chromium, tmp_path, photo):
    printed = []
    for height in ("9cm", "40cm"):
        page = PAGE.replace("120px", f"120px; height: {height}")
        look(chromium, tmp_path, page, photo)
        printed.append(browser.print_sheets(chromium, tmp_path / "index.html"))
    browser.check_print(printed[0], 1)
    with pytest.raises(AssertionError, match="cut"):
        browser.check_print(printed[1], 1)
