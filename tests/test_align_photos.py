"""A folder of photos to a folder of aligned ones, and training on those."""

import json
import os

import numpy as np
import pytest
from faces import folder_of_faces
from PIL import Image
from PIL.PngImagePlugin import PngInfo
from tiny import tiny_config

import cl_facenet.align_photos as align_module
from cl_facenet import cli
from cl_facenet.align_photos import align_photos
from cl_facenet.data.preprocessing import Preprocessing
from cl_facenet.data.synthetic import draw_photo
from cl_facenet.dataset import build_data
from cl_facenet.errors import InputError

NONE = Preprocessing("none", 32)


@pytest.fixture
def faces(tmp_path):
    return folder_of_faces(tmp_path / "faces", people=6, photos=5)


def run(source, target, preprocessing=NONE, skip_unreadable=False):
    return align_photos(source, target, preprocessing, skip_unreadable=skip_unreadable)


def test_each_photo_is_made_square_under_its_own_name(faces, tmp_path):
    (faces / "person 0/notes.txt").write_text("not a photo")
    result = run(faces, tmp_path / "out")
    assert result.pop("num_photos") == 30
    assert result.pop("passed_over") == ["person 0/notes.txt"]
    assert set(result) == {"no_face", "several_faces", "largely_outside", "unreadable"}
    assert not any(result.values())
    made = np.array(Image.open(tmp_path / "out/person 3/2.png"))
    original = Image.open(faces / "person 3/2.jpg")
    np.testing.assert_array_equal(made, NONE(original.convert("RGB")).pixels)
    about = json.loads((tmp_path / "out/preprocessing.json").read_text())
    assert about == NONE.describe()


def test_what_is_there_is_not_made_again(faces, tmp_path):
    run(faces, tmp_path / "out")
    made = tmp_path / "out/person 1/1.png"
    before = made.stat().st_mtime_ns
    (tmp_path / "out/person 2/2.png").unlink()
    run(faces, tmp_path / "out")
    assert made.stat().st_mtime_ns == before
    assert (tmp_path / "out/person 2/2.png").exists()


def test_two_do_not_align_into_one_folder_at_once(faces, tmp_path, monkeypatch):
    """The second is refused before it writes; the first goes on, and leaves no lock."""
    out, made = tmp_path / "out", align_module.make_squares
    says = f"another process is aligning into {out} .process {os.getpid()} on "

    def squares(pairs, preprocessing):
        for number, square in enumerate(made(pairs, preprocessing)):
            if number == 1:
                with pytest.raises(InputError, match=says):
                    run(faces / "person 1", out)
            yield square

    monkeypatch.setattr(align_module, "make_squares", squares)
    assert run(faces, out)["num_photos"] == 30
    assert not list(out.glob(".*lock"))
    assert len(list(out.glob("*/*.png"))) == 30


def other_faces(path):
    """Of the same names, of other people."""
    for number, photo in enumerate(sorted(path.rglob("*.jpg"))):
        draw_photo(1, number, 0).save(photo)
    return path


def begun(faces, target):
    """An alignment that was stopped when half of it was done."""
    run(faces, target)
    for square in sorted(target.rglob("*.png"))[::2]:
        square.unlink()
    return {path: path.stat().st_mtime_ns for path in target.rglob("*")}


def add(faces):
    draw_photo(1, 0, 9).save(faces / "person 0/9.jpg")


def mend(faces):
    """One that was not done yet."""
    draw_photo(1, 0, 0).save(faces / "person 0/0.jpg")


@pytest.mark.parametrize("change", [add, mend])
def test_what_was_begun_goes_on_with_photos_that_were_not_done(change, faces, tmp_path):
    begun(faces, tmp_path / "out")
    change(faces)
    number = run(faces, tmp_path / "out")["num_photos"]
    run(faces, tmp_path / "whole")
    for square in (tmp_path / "whole").rglob("*.png"):
        made = tmp_path / "out" / square.relative_to(tmp_path / "whole")
        assert made.read_bytes() == square.read_bytes()
    assert number == len(list((tmp_path / "out").rglob("*.png")))


def of_other_people(faces):
    other_faces(faces)


def changed(faces):
    draw_photo(1, 0, 1).save(faces / "person 0/1.jpg")


def removed(faces):
    (faces / "person 0/1.jpg").unlink()


@pytest.mark.parametrize("change", [of_other_people, changed, removed])
def test_what_was_begun_does_not_go_on_with_others(change, faces, tmp_path):
    before = begun(faces, tmp_path / "out")
    change(faces)
    says = r"out holds person 0/1\.png, which is not .* align into another folder"
    with pytest.raises(InputError, match=says):
        run(faces, tmp_path / "out")
    now = {path: path.stat().st_mtime_ns for path in (tmp_path / "out").rglob("*")}
    assert now == before


def test_squares_of_an_earlier_version_do_not_say_of_what_they_are(faces, tmp_path):
    run(faces, tmp_path / "out")
    (tmp_path / "out/aligned_from.json").unlink()
    with pytest.raises(InputError, match=r"is not known to be made of a photo"):
        run(faces, tmp_path / "out")
    (tmp_path / "out/aligned_from.json").write_text("[]]")
    with pytest.raises(InputError, match=r"aligned_from\.json is damaged"):
        run(faces, tmp_path / "out")


def test_what_else_is_among_the_squares_is_not_taken_for_one(faces, tmp_path):
    run(faces, tmp_path / "out")
    draw_photo(1, 0, 0).save(tmp_path / "out/person 0/mine.png")
    with pytest.raises(InputError, match=r"out holds person 0/mine\.png"):
        run(faces, tmp_path / "out")


def test_names_without_endings_stay_apart(tmp_path):
    (tmp_path / "in").mkdir()
    for number, name in enumerate(("J.R.Smith", "J.R.Brown", "b.jpg_large")):
        draw_photo(0, number, 0).save(tmp_path / "in" / name, "JPEG")
    assert run(tmp_path / "in", tmp_path / "out")["num_photos"] == 3
    made = {path.name for path in (tmp_path / "out").glob("*.png")}
    assert made == {"J.R.Smith.png", "J.R.Brown.png", "b.png"}


def test_an_unreadable_photo_is_named_or_left_out(faces, tmp_path):
    (faces / "person 1/1.jpg").write_text("hello")
    with pytest.raises(InputError, match=r"1\.jpg.*--skip-unreadable leaves such out"):
        run(faces, tmp_path / "out")
    result = run(faces, tmp_path / "out", skip_unreadable=True)
    assert result["num_photos"] == 29
    assert [name.replace("\\", "/") for name in result["unreadable"]] == [
        "person 1/1.jpg"
    ]


def test_nothing_is_written_over(faces, tmp_path):
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine/file").touch()
    with pytest.raises(InputError, match="is not empty"):
        run(faces, tmp_path / "mine")
    run(faces, tmp_path / "out")
    with pytest.raises(InputError, match=r"image_size 32, .* not as .*image_size 64"):
        run(faces, tmp_path / "out", Preprocessing("none", 64))
    Image.open(faces / "person 0/0.jpg").save(faces / "person 0/0.png")
    with pytest.raises(InputError, match=r"as those that would become person 0.0\.png"):
        run(faces, tmp_path / "twice")


@pytest.mark.parametrize(
    ("name", "says"), [("none", "no such"), ("empty", "no photos")]
)
def test_no_photos(tmp_path, name, says):
    (tmp_path / "empty").mkdir()
    with pytest.raises(InputError, match=says):
        run(tmp_path / name, tmp_path / "out")


def test_aligned_photos_are_trained_on_as_what_they_are(faces, tiny, tmp_path):
    run(faces, tmp_path / "out")
    about = tmp_path / "out/preprocessing.json"
    aligned = Preprocessing("dlib", 32).describe()
    about.write_text(json.dumps(aligned))
    config = tiny_config(tmp_path / "cache")
    config.data.name, config.data.path = "folder", str(tmp_path / "out")
    records, _ = build_data(config)
    assert records.metadata["preprocessing"] == aligned
    assert records.metadata["ignored"] == []
    made = Image.open(tmp_path / "out/person 0/0.png")
    np.testing.assert_array_equal(records.image(0), np.array(made))
    config.data.align = "none"
    with pytest.raises(InputError, match=r"prepared with align dlib, data\.align is"):
        build_data(config)


def test_what_is_made_of_crops_knows_in_which_no_face_was_found(faces, tiny, tmp_path):
    run(faces, tmp_path / "out")
    for name, report in (("0/0", "not found"), ("1/2", '{"num_faces": 2}')):
        path, about = tmp_path / f"out/person {name}.png", PngInfo()
        about.add_text("face", report)
        with Image.open(path) as image:
            image.save(path, pnginfo=about)
    config = tiny_config(tmp_path / "cache")
    config.data.name, config.data.path = "folder", str(tmp_path / "out")
    records, _ = build_data(config)
    assert records.metadata["faceless"] == ["person 0/0.png"]


def test_at_the_shell(faces, tmp_path, capsys):
    arguments = ["align", str(faces), f"--out={tmp_path / 'out'}", "--align=none"]
    assert cli.main([*arguments, "--image-size=32"]) == 0
    assert "30 photos; no face found in 0" in capsys.readouterr().out
    assert cli.main([*arguments, "--image-size=32", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["num_photos"] == 30
    assert cli.main(arguments) == 1  # at 96 pixels
    assert "image_size 96" in (says := capsys.readouterr().err)
    assert says.count("\n") == 1


def test_hidden_files_pipes_and_loops(faces, tmp_path):
    (faces / "person 0/._0.jpg").write_bytes(b"\0\5\x16\7")  # of macOS
    (faces / ".trash").mkdir()
    (faces / ".trash/0.jpg").write_text("no photo")
    (faces / "person 0/round").symlink_to("..")
    assert run(faces, tmp_path / "out")["num_photos"] == 30
    os.mkfifo(faces / "person 0/pipe.jpg")
    (faces / "person 0/loop.jpg").symlink_to("loop.jpg")
    result = run(faces, tmp_path / "out", skip_unreadable=True)
    assert result["unreadable"] == ["person 0/loop.jpg", "person 0/pipe.jpg"]


def test_a_folder_that_may_not_be_read_is_not_passed_over(faces, tmp_path, monkeypatch):
    listed = os.scandir

    def refused(path):
        if str(path).endswith("person 3"):
            raise PermissionError(13, "Permission denied", path)
        return listed(path)

    monkeypatch.setattr(os, "scandir", refused)
    with pytest.raises(InputError, match=r"person 3: Permission denied; make it"):
        run(faces, tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_a_damaged_description_is_named(faces, tmp_path):
    run(faces, tmp_path / "out")
    (tmp_path / "out/preprocessing.json").write_text("{")
    with pytest.raises(InputError, match=r"preprocessing\.json is damaged"):
        run(faces, tmp_path / "out")


def test_names_that_are_no_text_can_be_printed(faces, tmp_path, capsys):
    (faces / os.fsdecode(b"person 0/caf\xe9.jpg")).write_text("no photo")
    arguments = ["align", str(faces), f"--out={tmp_path / 'out'}", "--align=none"]
    assert cli.main([*arguments, "--skip-unreadable"]) == 0
    assert r"unreadable: person 0/caf\udce9.jpg" in capsys.readouterr().out


def test_crops_are_not_cut_once_more(faces, tmp_path):
    run(faces, tmp_path / "out")
    with pytest.raises(
        InputError, match=r"were made square before, .*: align the orig"
    ):
        run(tmp_path / "out", tmp_path / "again")
    assert not (tmp_path / "again").exists()
