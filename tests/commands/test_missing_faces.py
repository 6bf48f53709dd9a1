"""Photos without a face, or with several, at the shell: nothing is answered unsaid."""

import json
import re

import numpy as np
import pyarrow.parquet
import pytest
from commands.models import save_tiny
from commands.shell import answer, say
from fake_detector import (
    BOX,
    CUT_FACE,
    NO_FACE,
    ONE_FACE,
    TWO_FACES,
    fake_detector,  # noqa: F401
    photo,
)
from PIL import Image

from cl_facenet.commands.cluster import clusters

NAMES = {ONE_FACE: "one", NO_FACE: "wall", TWO_FACES: "two", CUT_FACE: "cut"}
REPORTS = {
    "no_face": ["wall.png"],
    "several_faces": [{"photo": "two.png", "num_faces": 2, "box": list(BOX)}],
    "largely_outside": [
        {"photo": "cut.png", "fraction_inside": pytest.approx(1 / 16, abs=0.02)}
    ],
}
SAID = (
    "no face: wall.png\n"
    "several faces: two.png (2; the one at (10, 10) to (50, 50) is taken)\n"
    "crop largely outside: cut.png (94 % of it)\n"
)


@pytest.fixture
def shell(fake_detector, tiny, tmp_path, monkeypatch, capsys):  # noqa: F811
    """Runs a command beside `model` and `photos` of each kind."""
    save_tiny(tmp_path / "model", align="dlib")
    (tmp_path / "photos").mkdir()
    for kind, name in NAMES.items():
        photo(kind).save(tmp_path / f"photos/{name}.png")
    monkeypatch.chdir(tmp_path)
    return lambda line: say(f"{line} --model=model", capsys)


def content(run, status):
    """The JSON of a command that ended with a status, and said nothing else."""
    assert (run[0], run[2]) == (status, "")
    return json.loads(run[1])


# --- compare ---


@pytest.mark.parametrize(
    ("photos", "missing"),
    [
        ("photos/one.png photos/wall.png", "photos/wall.png"),
        ("photos/wall.png photos/wall.png", "photos/wall.png and photos/wall.png"),
    ],
)
def test_compare_gives_no_verdict_without_two_faces(photos, missing, shell):
    status, out, err = shell(f"compare {photos}")
    assert (status, err) == (3, "")
    assert out.startswith(f"no verdict: no face found in {missing}\n")
    assert "same person" not in out
    assert "photos/wall.png: no face found\n" in out
    assumed = shell(f"compare {photos} --on-missing-face=assume")
    assert assumed[0] == 0
    assert re.match("(the same person|different people): ", assumed[1])
    assert "photos/wall.png: no face found\n" in assumed[1]


def test_compare_for_machines(shell):
    line = "compare photos/two.png photos/wall.png --json"
    said = content(shell(line), 3)
    assert (said["same"], said["distance"]) == (None, None)
    two, none = said["faces"]
    assert two == {
        "face_detected": True,
        "num_faces": 2,
        "box": list(BOX),
        "fraction_inside": 1.0,
    }
    assert (none["face_detected"], none["num_faces"]) == (False, 0)
    assert said["no_face"] == ["photos/wall.png"]
    assert len(said["notes"]) == 2
    assumed = content(shell(f"{line} --on-missing-face=assume"), 0)
    assert assumed["same"] is False
    assert assumed["distance"] > 0
    assert assumed["faces"] == said["faces"]


def test_compare_says_which_face_was_taken(shell):
    status, out, _ = shell("compare photos/two.png photos/cut.png")
    assert status == 0
    assert out.splitlines()[1:] == [
        "photos/two.png: 2 faces; the one at (10, 10) to (50, 50) was taken",
        "photos/cut.png: 94 % of the crop lies outside the photo",
    ]


def test_no_verdict_is_drawn_too(shell, tmp_path):
    line = "compare photos/one.png photos/wall.png --picture=verdict.png"
    assert shell(line)[0] == 3
    with Image.open(tmp_path / "verdict.png") as picture:
        assert picture.size == (570, 465)


# --- identify ---


@pytest.fixture
def gallery(tmp_path):
    """ann has a face, bob has none on any photo, carl has several on one."""
    for name, kind in (("ann", ONE_FACE), ("bob", NO_FACE), ("carl", TWO_FACES)):
        (tmp_path / f"gallery/{name}").mkdir(parents=True)
        photo(kind).save(tmp_path / f"gallery/{name}/1.png")
    return "--gallery=gallery"


def test_a_photo_without_a_face_is_nobody_and_not_enrolled(shell, gallery):
    status, out, err = shell(f"identify photos/one.png photos/wall.png {gallery}")
    assert (status, err) == (3, "")
    assert out.splitlines()[:-1] == [
        "photos/one.png: ann (distance 0)",
        "photos/wall.png: no face found",
        "gallery: 2 photos of 2 people; no face found in 1, several faces in 1, "
        "unreadable 0",
        "no face: bob/1.png",
        "several faces: carl/1.png (2; the one at (10, 10) to (50, 50) is taken)",
    ]
    assert "at most 0.02 of strangers" in out


def test_identify_for_machines(shell, gallery):
    line = f"identify photos/wall.png photos/two.png {gallery} --json"
    said = content(shell(line), 3)
    wall, two = said["photos"]
    assert (wall["person"], wall["candidates"], wall["tie"]) == (None, [], [])
    assert (wall["face_found"], wall["notes"]) == (False, ["no face found"])
    assert (two["person"], two["face"]["num_faces"]) == ("carl", 2)
    assert said["strangers_named_at_most"] == pytest.approx(0.02)
    assert said["gallery"]["num_photos"] == said["gallery"]["num_people"] == 2
    assert said["gallery"]["no_face"] == ["bob/1.png"]
    assumed = content(shell(f"{line} --on-missing-face=assume"), 0)
    assert assumed["photos"][0]["person"] == "bob"
    assert assumed["photos"][0]["face_found"] is False
    assert assumed["gallery"]["num_photos"] == 3


def test_a_gallery_of_walls_is_an_error(shell, tmp_path):
    (tmp_path / "walls").mkdir()
    for seed in range(2):
        photo(NO_FACE, seed).save(tmp_path / f"walls/bob {seed}.png")
    status, out, err = shell("identify photos/one.png --gallery=walls")
    assert (status, out, err.count("\n")) == (3, "", 1)
    assert "walls: no face found in any of its 2 photos, so nobody is enrolled" in err


def test_one_identity_under_two_names_is_a_tie(shell, tmp_path):
    for name in ("george_bush", "george_w_bush", "someone"):
        (tmp_path / f"gallery/{name}").mkdir(parents=True)
        kind, seed = (ONE_FACE, 7) if name == "someone" else (ONE_FACE, 0)
        photo(kind, seed).save(tmp_path / f"gallery/{name}/1.png")
    line = "identify photos/one.png --gallery=gallery"
    status, out, _ = shell(line)
    assert status == 0
    assert out.startswith(
        "photos/one.png: unknown: a tie between george_bush and george_w_bush (dist"
    )
    (said,) = answer(shell(f"{line} --json"))["photos"]
    assert (said["person"], said["tie"]) == (None, ["george_bush", "george_w_bush"])
    (far,) = answer(shell("identify photos/two.png --gallery=gallery --json"))["photos"]
    assert (far["person"], far["tie"]) == (None, [])


def test_two_spellings_of_a_name_are_one_person(shell, tmp_path):
    composed, decomposed = "Jos\u00e9", "Jose\u0301"
    for name, seed in ((composed, 0), (decomposed, 1), ("Ann", 2), ("Ann ", 3)):
        (tmp_path / f"gallery/{name}").mkdir(parents=True)
        photo(ONE_FACE, seed).save(tmp_path / f"gallery/{name}/1.png")
    line = "identify photos/one.png --gallery=gallery"
    said = answer(shell(f"{line} --json"))
    assert said["photos"][0]["person"] == composed
    assert said["gallery"]["num_people"] == 2
    merged = {"Ann": ["Ann", "Ann "], composed: [decomposed, composed]}
    assert said["gallery"]["merged"] == merged
    out = shell(line)[1]
    assert "one person, spelled in several ways: Ann ('Ann', 'Ann ')\n" in out


# --- cluster ---


def test_photos_without_a_face_are_in_no_cluster():
    vectors = np.repeat(np.eye(3, dtype=np.float32), 4, axis=0)
    vectors[[1, 5, 8, 9, 10, 11]] = np.nan
    assert clusters(vectors, 3) == ([[0, 2, 3], [4, 6, 7]], [])
    vectors[2:] = np.nan
    assert clusters(vectors, 3) == ([], [0])


def test_they_have_a_section_of_their_own(shell, tmp_path):
    line = "cluster photos --out=who.html"
    said = answer(shell(f"{line} --json"))
    assert "wall.png" not in placed(said)
    assert {kind: said[kind] for kind in REPORTS} == REPORTS
    page = (tmp_path / "who.html").read_text()
    assert page.count("<img ") == 4
    section = page.split("<h2>No face found <span>1 photo")[1]
    assert section.count("<li>") == 1
    assert "wall.png; no face found" in section
    assert "two.png; 2 faces; the one at (10, 10) to (50, 50) was taken" in page
    status, out, _ = shell(f"{line} --force")
    assert status == 0
    assert out.endswith(
        "no face found in 1, several faces in 1, crop largely outside of 1, "
        f"unreadable 0\n{SAID}"
    )
    assumed = answer(shell(f"{line} --force --json --on-missing-face=assume"))
    assert "wall.png" in placed(assumed)
    assert "<h2>No face" not in (tmp_path / "who.html").read_text()


def placed(said):
    """All photos that are in a cluster or, by their vector, in none."""
    return [name for group in said["clusters"] for name in group] + said["alone"]


# --- embed ---


@pytest.mark.parametrize("how", ["decline", "assume"])
def test_the_file_says_in_which_photos_a_face_was_found(how, shell):
    line = f"embed photos --out=v.npz --on-missing-face={how}"
    said = answer(shell(f"{line} --json"))
    assert said["num_photos"] == 4
    assert {kind: said[kind] for kind in REPORTS} == REPORTS
    with np.load("v.npz") as arrays:
        place = {name: row for row, name in enumerate(arrays["names"].tolist())}
        rows = [place[f"{name}.png"] for name in ("one", "wall", "two", "cut")]
        assert arrays["face_detected"].dtype == bool
        assert arrays["face_detected"][rows].tolist() == [True, False, True, True]
        assert arrays["num_faces"][rows].tolist() == [1, 0, 2, 1]
        inside = arrays["fraction_inside"][rows]
        assert (inside > 0.5).tolist() == [True, False, True, False]
        assert np.isnan(inside[1])
        known = np.isfinite(arrays["embeddings"][rows]).all(1)
        assert known.tolist() == [True, how == "assume", True, True]
        assert json.loads(str(arrays["about"]))["on_missing_face"] == how


def test_parquet_has_the_same_columns(shell):
    assert shell("embed photos --out=v.parquet")[0] == 0
    table = pyarrow.parquet.read_table("v.parquet").to_pylist()
    rows = {row["name"]: row for row in table}
    assert rows["wall.png"]["face_detected"] is False
    assert rows["wall.png"]["fraction_inside"] is None
    assert np.isnan(rows["wall.png"]["embedding"]).all()
    assert (rows["two.png"]["face_detected"], rows["two.png"]["num_faces"]) == (True, 2)
    assert np.isfinite(rows["two.png"]["embedding"]).all()


def test_where_none_was_sought_the_file_does_not_say_so(shell, tmp_path, capsys):
    save_tiny(tmp_path / "crops")
    for out in ("v.npz", "v.parquet"):
        line = f"embed photos --out={out} --model=crops"
        assert say(line, capsys)[0] == 0
    with np.load("v.npz") as arrays:
        assert set(arrays) == {"names", "embeddings", "about"}
        assert np.isfinite(arrays["embeddings"]).all()
    for row in pyarrow.parquet.read_table("v.parquet").to_pylist():
        assert (row["face_detected"], row["num_faces"]) == (None, None)


# --- help ---


@pytest.mark.parametrize("command", ["", "compare", "identify"])
def test_the_exit_status_is_documented(command, shell, capsys):
    says = " ".join(say(f"{command} --help", capsys)[1].split())
    assert "3 no answer of compare or identify, since no face was found" in says


@pytest.mark.parametrize("command", ["compare", "identify", "cluster", "embed"])
def test_another_way_is_refused(command, shell):
    status, _, err = shell(f"{command} photos photos --on-missing-face=skip")
    assert status == 2
    assert "--on-missing-face: invalid choice: 'skip'" in err
