"""What the commands answer, to people and to machines, and what they refuse."""

import contextlib
import dataclasses
import io
import json
import re
import shlex
import shutil
import sys

import numpy as np
import pyarrow.parquet
import pytest
from commands.models import save_tiny
from commands.shell import answer, say
from faces import folder_of_faces
from PIL import Image
from tiny import TINY

import cl_facenet
from cl_facenet import cli
from cl_facenet.align_photos import align_photos
from cl_facenet.commands.cluster import clusters
from cl_facenet.commands.verdict_picture import draw_verdict
from cl_facenet.data.face_report import NO_FACE, FaceReport
from cl_facenet.data.preprocessing import Preprocessing, Square
from cl_facenet.embedder import Verdict
from cl_facenet.evaluation.calibration import CalibratedOn
from cl_facenet.evaluation.figures import DIFFERENT, SAME
from cl_facenet.models.facenet import NETWORKS

NOTHING_LEFT_OUT = {
    "no_face": [],
    "several_faces": [],
    "largely_outside": [],
    "unreadable": [],
    "passed_over": [],
}
COMMANDS = ("compare", "identify", "cluster", "embed", "align", "evaluate", "export")


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """A saved embedder, `model`, and `faces` of four people."""
    root = tmp_path_factory.mktemp("made")
    patch = pytest.MonkeyPatch()
    patch.setitem(NETWORKS, "tiny", TINY)
    save_tiny(root / "model")
    folder_of_faces(root / "faces")
    yield root
    patch.undo()


@pytest.fixture
def shell(made, monkeypatch, capsys):
    """Runs a command beside `model` and `faces`: exit status, output, errors."""
    monkeypatch.chdir(made)

    return lambda line: say(line, capsys)


# --- compare ---


def test_compare_says_whether_and_how_sure(shell):
    a, b = "'faces/person 0/0.jpg'", "'faces/person 1/0.jpg'"
    status, out, err = shell(f"compare {a} {a} --model=model")
    assert (status, err) == (0, "")
    assert out == (
        "the same person: distance 0, the limit is 1e-09; false-accept rate 0.01 on "
        "1,010 pairs of 3 people in faces\n"
    )
    assert shell(f"compare {a} {b} --model=model")[1].startswith("different people: ")
    loose = shell(f"compare {a} {b} --model=model --false-accept-rate=0.1")[1]
    assert re.match(
        r"the same person: .* the limit is 5; false-accept rate 0\.1", loose
    )


def test_compare_for_machines(shell, made):
    photos = ["faces/person 0/0.jpg", "faces/person 1/0.jpg"]
    line = f"compare {shlex.join(photos)} --model=model --json"
    distance = float(np.square(np.subtract(*cl_facenet.load("model")(photos))).sum())
    said = answer(shell(line))
    assert said.pop("distance") == pytest.approx(distance)
    assert said.pop("calibrated_on")["num_different_pairs"] == 1_000
    assert said == {
        "same": False,
        "threshold": 1e-9,
        "false_accept_rate": 0.01,
        "photos": photos,
        "faces": [dataclasses.asdict(FaceReport())] * 2,
        "no_face": [],
        "notes": [],
        "reason": None,
    }


def test_compare_draws_what_it_compared(shell, made, tmp_path):
    """Both squares, pixel by pixel, and the verdict in its colour."""
    for name, colour in (("red", (200, 0, 0)), ("green", (0, 200, 0))):
        Image.new("RGB", (40, 40), colour).save(tmp_path / f"{name}.png")
    red, green = tmp_path / "red.png", tmp_path / "green.png"
    out = tmp_path / "compare.png"
    plain = shell(f"compare {red} {green} --model=model")
    for rate, title, other in ((0.1, SAME, DIFFERENT), (0.01, DIFFERENT, SAME)):
        line = f"compare {red} {green} --model=model --false-accept-rate={rate}"
        said = shell(f"{line} --picture={out} --force")
        assert said[0] == 0
        with Image.open(out) as picture:
            pixels = np.asarray(picture.convert("RGB"))
        assert (pixels == colour_of(title)).all(-1).any()
        assert not (pixels == colour_of(other)).all(-1).any()
        at_red, at_green = (
            np.argwhere((pixels == colour).all(-1))
            for colour in ((200, 0, 0), (0, 200, 0))
        )
        assert len(at_red) == len(at_green) > 10_000
        assert at_red[:, 1].max() < at_green[:, 1].min()
    assert said == plain
    assert out.stat().st_size < 150_000


def test_a_picture_says_where_no_face_was_found():
    verdict = Verdict(True, 0.5, 1.0, 0.01, CalibratedOn("faces", "all", 9, 90, 3))
    pixels = np.zeros((8, 8, 3), np.uint8)
    pictures = [
        np.asarray(Image.open(io.BytesIO(draw_verdict(squares, verdict))))
        for squares in (
            [Square(pixels, FaceReport())] * 2,
            [Square(pixels, NO_FACE)] * 2,
        )
    ]
    orange = [(p[..., :3] == colour_of(DIFFERENT)).all(-1).any() for p in pictures]
    assert orange == [False, True]


def colour_of(code):
    return np.uint8([int(code[start : start + 2], 16) for start in (1, 3, 5)])


# --- embed ---


@pytest.mark.parametrize("ending", ["npz", "parquet"])
def test_embed_writes_each_photo_s_vector(ending, shell, tmp_path):
    out = tmp_path / f"vectors.{ending}"
    said = answer(shell(f"embed faces --model=model --out={out} --json"))
    assert said == {
        "file": str(out),
        "num_photos": 12,
        "embedding_size": 16,
        **NOTHING_LEFT_OUT,
    }
    names, vectors, about = read(out)
    assert names[:4] == [f"person 0/{n}.jpg" for n in range(3)] + ["person 1/0.jpg"]
    embedder = cl_facenet.load("model")
    expected = embedder([f"faces/{name}" for name in names])
    np.testing.assert_array_equal(vectors, expected)
    assert vectors.dtype == np.float32
    assert about == {
        "model": "model",
        "preprocessing": embedder.preprocessing.describe(),
        "on_missing_face": "decline",
    }


def read(path):
    if path.suffix == ".npz":
        with np.load(path) as arrays:
            about = json.loads(str(arrays["about"]))
            return arrays["names"].tolist(), arrays["embeddings"], about
    table = pyarrow.parquet.read_table(path)
    rows = table["embedding"].combine_chunks()
    vectors = rows.flatten().to_numpy().reshape(len(table), -1)
    about = json.loads(table.schema.metadata[b"cl_facenet"])
    return table["name"].to_pylist(), vectors, about


def test_photos_that_were_aligned_before_stay_as_they_are(shell, made, tmp_path):
    how = Preprocessing("none", 32)
    align_photos(made / "faces", tmp_path / "squares", how, skip_unreadable=False)
    for folder in ("faces", tmp_path / "squares"):
        line = f"embed {folder} --model=model --out={tmp_path / 'vectors.npz'}"
        assert shell(f"{line} --force")[0] == 0
        vectors = read(tmp_path / "vectors.npz")[1]
        if folder == "faces":
            expected = vectors
    np.testing.assert_array_equal(vectors, expected)
    other = Preprocessing("none", 48)
    align_photos(made / "faces", tmp_path / "others", other, skip_unreadable=False)
    line = f"embed {tmp_path / 'others'} --model=model --out={tmp_path / 'o.npz'}"
    status, _, err = shell(line)
    assert status == 1
    assert "image_size 48" in err
    assert "image_size 32" in err


# --- identify ---


@pytest.fixture
def gallery(made, tmp_path):
    """ann, in a sub-folder, and bob, by the name of a photo."""
    (tmp_path / "gallery/ann/old").mkdir(parents=True)
    for photo in range(2):
        source = made / f"faces/person 0/{photo}.jpg"
        shutil.copy(source, tmp_path / f"gallery/ann/old/{photo}.jpg")
    shutil.copy(made / "faces/person 1/0.jpg", tmp_path / "gallery/bob.jpg")
    return tmp_path / "gallery"


def test_identify_names_who_is_known_and_nobody_else(shell, gallery):
    photos = "'faces/person 0/1.jpg' 'faces/person 1/0.jpg' 'faces/person 2/0.jpg'"
    status, out, err = shell(f"identify {photos} --gallery={gallery} --model=model")
    assert (status, err) == (0, "")
    first, second, third, people, limit = out.splitlines()
    assert first == "faces/person 0/1.jpg: ann (distance 0)"
    assert second == "faces/person 1/0.jpg: bob (distance 0)"
    assert re.match(r"faces/person 2/0.jpg: unknown \(nearest: (ann|bob), dist", third)
    assert people == ("gallery: 3 photos of 2 people; no face found in 0, unreadable 0")
    assert limit == (
        "the limit is 1e-09: false-accept rate 0.01 a pair, so at most 0.03 of "
        "strangers get a name"
    )


def test_identify_for_machines(shell, gallery):
    line = f"identify 'faces/person 2/0.jpg' --gallery={gallery} --model=model --json"
    strict = answer(shell(line))
    loose = answer(shell(f"{line} --false-accept-rate=0.1"))
    (found,) = loose["photos"]
    assert strict["photos"] == [found | {"person": None}]
    assert found["person"] == found["candidates"][0]["person"]
    assert {one["person"] for one in found["candidates"]} == {"ann", "bob"}
    near, far = (one["distance"] for one in found["candidates"])
    assert near < far
    assert (strict["threshold"], loose["threshold"]) == (1e-9, 5.0)
    assert strict["strangers_named_at_most"] == pytest.approx(0.03)
    assert strict["gallery"] == {
        "num_photos": 3,
        "num_people": 2,
        "merged": {},
        **NOTHING_LEFT_OUT,
    }


@pytest.mark.parametrize("above", ["train", "val"])
def test_a_gallery_of_splits_is_refused(shell, gallery, above, tmp_path):
    gallery.rename(tmp_path / above)
    (tmp_path / "gallery").mkdir()
    (tmp_path / above).rename(gallery / above)
    status, out, err = shell(
        f"identify 'faces/person 0/1.jpg' --gallery={gallery} --model=model"
    )
    assert (status, out) == (1, "")
    assert f"one folder a split ({above})" in err


def test_people_who_are_links_are_in_a_gallery(shell, made, tmp_path):
    (tmp_path / "gallery").mkdir()
    for name, person in (("ann", 0), ("bob", 1)):
        (tmp_path / "gallery" / name).symlink_to(made / f"faces/person {person}")
    photo = "'faces/person 1/0.jpg'"
    line = f"identify {photo} --gallery={tmp_path / 'gallery'} --model=model --json"
    said = answer(shell(line))
    assert said["photos"][0]["person"] == "bob"
    assert said["gallery"]["num_photos"] == 6


@pytest.mark.parametrize(
    "line",
    [
        "embed {photos} --out={tmp}/v.npz",
        "cluster {photos} --out={tmp}/who.html",
        "align {photos} --out={tmp}/out --align=none",
        "identify 'faces/person 2/0.jpg' --gallery={photos}",
    ],
)
def test_what_is_passed_over_is_counted_and_named(line, shell, made, tmp_path):
    photos = shutil.copytree(made / "faces", tmp_path / "photos")
    (photos / "person 1/notes.txt").write_text("hello")
    (photos / "@eaDir").mkdir()
    line = line.format(photos=photos, tmp=tmp_path)
    line += "" if line.startswith("align") else " --model=model"
    status, out, _ = shell(line)
    assert status == 0
    assert "unreadable 0, passed over 2\n" in out
    assert "passed over: person 1/notes.txt\npassed over: @eaDir/\n" in out
    again = " --force" if line.startswith(("embed", "cluster")) else ""
    said = answer(shell(f"{line} --json{again}"))
    names = said.get("gallery", said)["passed_over"]
    assert names == ["person 1/notes.txt", "@eaDir/"]


# --- cluster ---


def test_clusters_are_dense_places_the_largest_first():
    """Three people on a circle, and one photo far from all."""
    rng = np.random.default_rng(0)
    angles = np.concatenate(
        [at + 0.02 * rng.random(n) for at, n in ((1, 4), (2, 6), (3, 5), (5, 1))]
    )
    vectors = np.stack([np.cos(angles), np.sin(angles)], axis=1).astype(np.float32)
    groups, alone = clusters(vectors, 3)
    assert groups == [list(range(4, 10)), list(range(10, 15)), list(range(4))]
    assert alone == [15]


def test_too_few_photos_are_in_no_cluster():
    assert clusters(np.eye(2, dtype=np.float32), 3) == ([], [0, 1])


def test_the_same_photo_many_times_is_one_cluster():
    vectors = np.repeat(np.eye(2, dtype=np.float32), 4, axis=0)
    assert clusters(vectors, 3) == ([[0, 1, 2, 3], [4, 5, 6, 7]], [])


def test_a_page_shows_every_photo_once_and_loads_nothing(shell, made, tmp_path):
    photos = shutil.copytree(made / "faces", tmp_path / "<i>photos")
    strange = "<script>alert('a')<script>&\"\n.jpg"
    shutil.copy(made / "faces/person 0/0.jpg", photos / strange)
    out = tmp_path / "who.html"
    line = f"cluster {shlex.quote(str(photos))} --model=model --out={out}"
    said = answer(shell(f"{line} --json"))
    page = out.read_text()
    shown = [name for group in said["clusters"] for name in group] + said["alone"]
    assert len(shown) == len(set(shown)) == 13
    assert strange in shown
    assert page.count('<img src="data:image/jpeg;base64,') == 13
    headings = page.count("<h2>")
    assert headings == len(said["clusters"]) + bool(said["alone"])
    assert "<script" not in page
    assert "<i>" not in page
    assert "&lt;script&gt;alert(&#39;a&#39;)" in page
    assert not re.findall(r'(?:src|href)="(?!data:)', page)
    status, text, _ = shell(f"{line} --force")
    number = sum(map(len, said["clusters"]))
    assert status == 0
    assert text == (
        f"{out}: {len(said['clusters'])} clusters of {number} photos, "
        f"{len(said['alone'])} in none; no face found in 0, unreadable 0\n"
    )


# --- what goes wrong ---


@pytest.mark.parametrize(
    "line",
    [
        "embed {photos} --out={tmp}/v.npz",
        "cluster {photos} --out={tmp}/who.html",
        "identify 'faces/person 2/0.jpg' --gallery={photos}",
    ],
)
def test_an_unreadable_photo_is_named_or_left_out(line, shell, made, tmp_path):
    photos = shutil.copytree(made / "faces", tmp_path / "photos")
    (photos / "person 1/1.jpg").write_text("hello")
    before = sorted(tmp_path.rglob("*"))
    line = line.format(photos=photos, tmp=tmp_path) + " --model=model"
    status, out, err = shell(line)
    assert (status, out) == (1, "")
    assert re.fullmatch(r".*person 1.1\.jpg: .*; --skip-unreadable leaves .*\n", err)
    assert sorted(tmp_path.rglob("*")) == before
    status, out, _ = shell(f"{line} --skip-unreadable")
    assert status == 0
    assert "unreadable 1\nunreadable: person 1/1.jpg\n" in out


@pytest.mark.parametrize(
    ("line", "status", "says"),
    [
        ("compare a.jpg b.jpg --model=nowhere", 1, "nowhere is neither the directory"),
        ("compare a.jpg b.jpg --model=model", 1, "a.jpg: no photo file there"),
        (
            "compare a.jpg b.jpg --model=model --false-accept-rate=0.2",
            2,
            r"--false-accept-rate: .* 1,010 pairs .* tell those for 0\.1, 0\.01",
        ),
        (
            "compare a.jpg b.jpg --picture=c.jpg",
            2,
            r"--picture=c\.jpg: it ends in .png",
        ),
        ("compare a.jpg b.jpg --picture=none/c.png", 1, "none: no such folder; make"),
        ("identify a.jpg --model=model --gallery=nowhere", 1, "a.jpg: no photo file"),
        ("embed nowhere --model=model --out=v.npz", 1, "nowhere: no such folder"),
        ("embed model --model=model --out=v.npz", 1, "model: no photos in it"),
        ("embed faces --model=model --out=v.csv", 2, r"it ends in .npz or .parquet"),
        ("embed faces --model=model --out=none/v.npz", 1, "none: no such folder; make"),
        ("cluster faces --model=model --out=faces", 1, "is a folder: name a file in"),
        ("cluster faces --model=model --min-photos=1", 2, "give 2 or more"),
        ("export model out --format=onnx --dtype=bfloat16", 2, "leave it out"),
    ],
)
def test_bad_input_is_one_line(line, status, says, shell):
    found, out, err = shell(line)
    assert (found, out, err.count("\n")) == (status, "", 1)
    assert re.match(f"cl-facenet: .*{says}", err)


def test_parquet_asks_for_its_package_before_anybody_waits(shell, monkeypatch):
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    status, _, err = shell("embed nowhere --model=nowhere --out=v.parquet")
    assert status == 1
    assert "pip install 'cl-facenet[parquet]'; or write .npz" in err


def test_a_folder_of_which_nothing_can_be_read(shell, tmp_path):
    (tmp_path / "a.jpg").write_text("hello")
    out = tmp_path / "who.html"
    line = f"cluster {tmp_path} --model=model --skip-unreadable --out={out}"
    assert shell(line)[::2] == (1, "cl-facenet: none of 1 photos can be read\n")


# --- help ---


@pytest.mark.parametrize("command", COMMANDS)
def test_help_has_an_example_that_parses(command):
    out = io.StringIO()
    with contextlib.redirect_stdout(out), pytest.raises(SystemExit, match="0"):
        cli.main([command, "--help"])
    example = " ".join(out.getvalue().split("example: cl-facenet ")[1].split())
    assert vars(cli._parser().parse_args(shlex.split(example)))["run"]


def test_every_command_is_there():
    out = io.StringIO()
    with contextlib.redirect_stdout(out), pytest.raises(SystemExit, match="0"):
        cli.main(["--help"])
    assert tuple(re.findall(r"^    (\w+) ", out.getvalue(), re.M)) == COMMANDS
