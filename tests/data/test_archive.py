"""Archives: read where they can be, refused where they would do harm."""

import io
import shutil
import tarfile
import zipfile

import pytest

from cl_facenet.data import archive as archives
from cl_facenet.data.archive import fingerprint, unpacked
from cl_facenet.data.folder import folder_source
from cl_facenet.data.photos import open_photo
from cl_facenet.data.synthetic import draw_photo
from cl_facenet.errors import InputError


@pytest.fixture
def faces(tmp_path):
    for person in range(3):
        folder = tmp_path / "faces" / f"person {person}"
        folder.mkdir(parents=True)
        draw_photo(0, person, 0).save(folder / "a.png")
    return tmp_path / "faces"


def pack(faces, path, inside):
    if path.suffix == ".zip":
        with zipfile.ZipFile(path, "w") as zipped:
            for photo in sorted(faces.rglob("*.png")):
                zipped.write(photo, f"{inside}{photo.relative_to(faces)}")
    else:
        with tarfile.open(path, "w:gz") as tar:
            for photo in sorted(faces.rglob("*.png")):
                tar.add(photo, f"{inside}{photo.relative_to(faces)}")
    return path


@pytest.mark.parametrize("suffix", [".tgz", ".tar.gz", ".zip"])
@pytest.mark.parametrize("inside", ["", "lfw/", "a/b/"])
def test_people_are_found_in_an_archive(faces, suffix, inside, tmp_path):
    archive = pack(faces, tmp_path / f"faces{suffix}", inside)
    with unpacked(archive, tmp_path / "work") as folder:
        source = folder_source(folder)
        assert [photo.person for photo in source.photos] == [
            f"person {i}" for i in range(3)
        ]
        assert source.photos[0].read().size == (112, 112)
    assert not list((tmp_path / "work").iterdir())


@pytest.mark.parametrize("suffix", [".tgz", ".zip"])
@pytest.mark.parametrize("inside", ["", "people/"])
def test_what_a_system_adds_is_passed_over_as_in_a_folder(
    faces, suffix, inside, tmp_path
):
    for name in ("__MACOSX/person 0/._a.png", "person 1/@eaDir/a.png", ".DS_Store"):
        (faces / name).parent.mkdir(parents=True, exist_ok=True)
        draw_photo(0, 0, 0).save(faces / name, "PNG")
    shutil.make_archive(
        str(tmp_path / "faces"),
        {".tgz": "gztar", ".zip": "zip"}[suffix],
        *((tmp_path, "faces") if inside else (faces,)),
    )
    path = next(tmp_path.glob("faces.*"))
    with unpacked(path, tmp_path / "work") as folder:
        there, unpacked_ = folder_source(faces), folder_source(folder)
        assert [p.name for p in unpacked_.photos] == [p.name for p in there.photos]
        assert unpacked_.ignored == there.ignored
        assert "__MACOSX/" in there.ignored


def test_a_readme_beside_the_people_s_folder_does_not_make_it_a_person(faces, tmp_path):
    (tmp_path / "README.txt").write_text("of 2026")
    path = tmp_path / "faces.zip"
    with zipfile.ZipFile(path, "w") as zipped:
        zipped.write(tmp_path / "README.txt", "README.txt")
        for photo in sorted(faces.rglob("*.png")):
            zipped.write(photo, f"people/{photo.relative_to(faces)}")
    with unpacked(path, tmp_path / "work") as folder:
        assert len({photo.person for photo in folder_source(folder).photos}) == 3


def test_a_person_s_sub_folders_are_not_people(faces, tmp_path):
    for person in ("person 1", "person 2"):
        (faces / "person 0" / person).mkdir()
        (faces / person / "a.png").rename(faces / "person 0" / person / "a.png")
        (faces / person).rmdir()
    with unpacked(pack(faces, tmp_path / "one.zip", ""), tmp_path / "work") as folder:
        assert [entry.name for entry in folder.iterdir()] == ["person 0"]


def test_one_person_s_folder_is_not_passed_through(faces, tmp_path):
    for person in ("person 1", "person 2"):
        (faces / person / "a.png").unlink()
        (faces / person).rmdir()
    with unpacked(pack(faces, tmp_path / "one.zip", ""), tmp_path / "work") as folder:
        assert [entry.name for entry in folder.iterdir()] == ["person 0"]


def pack_member(path, member):
    if path.suffix == ".zip":
        with zipfile.ZipFile(path, "w") as zipped:
            zipped.writestr(member, b"x")
    else:
        with tarfile.open(path, "w:gz") as tar:
            info = tarfile.TarInfo(member)
            info.size = 1
            tar.addfile(info, io.BytesIO(b"x"))
    return path


@pytest.mark.parametrize("suffix", [".tgz", ".zip"])
@pytest.mark.parametrize("member", ["../out.png", "a/../../out.png"])
def test_members_that_would_leave_the_folder_are_refused(suffix, member, tmp_path):
    archive = pack_member(tmp_path / f"bad{suffix}", member)
    with (
        pytest.raises(InputError, match="would leave the folder"),
        unpacked(archive, tmp_path / "work"),
    ):
        pass
    assert set(tmp_path.rglob("*")) == {archive, tmp_path / "work"}


def test_an_absolute_name_in_a_zip_is_refused_and_in_a_tar_made_relative(tmp_path):
    member = str(tmp_path / "out.png")
    with (
        pytest.raises(InputError, match="would leave the folder"),
        unpacked(pack_member(tmp_path / "bad.zip", member), tmp_path / "work"),
    ):
        pass
    with unpacked(pack_member(tmp_path / "bad.tgz", member), tmp_path / "work"):
        pass
    assert not (tmp_path / "out.png").exists()


@pytest.mark.parametrize("leads_to", ["../../secret", "other"])
@pytest.mark.parametrize("kind", ["sym", "hard"])
def test_links_are_refused_wherever_they_lead(kind, leads_to, tmp_path):
    archive = tmp_path / "bad.tgz"
    with tarfile.open(archive, "w:gz") as tar:
        info = tarfile.TarInfo("link")
        info.type = tarfile.SYMTYPE if kind == "sym" else tarfile.LNKTYPE
        info.linkname = leads_to
        tar.addfile(info)
    with (
        pytest.raises(InputError, match=r"'link' is a link .* --dereference"),
        unpacked(archive, tmp_path / "work"),
    ):
        pass


@pytest.mark.parametrize("suffix", [".tgz", ".zip"])
def test_a_damaged_archive_is_named(faces, suffix, tmp_path):
    archive = pack(faces, tmp_path / f"faces{suffix}", "")
    archive.write_bytes(archive.read_bytes()[:-3000])
    with (
        pytest.raises(InputError, match=f"faces{suffix}: not a readable"),
        unpacked(archive, tmp_path / "work"),
    ):
        pass
    assert not list((tmp_path / "work").iterdir())


def test_the_fingerprint_is_of_the_bytes(faces, tmp_path):
    one = pack(faces, tmp_path / "one.zip", "")
    other = pack(faces, tmp_path / "other.zip", "x/")
    assert fingerprint(one) == fingerprint(one) != fingerprint(other)


@pytest.mark.parametrize("suffix", [".tgz", ".zip"])
def test_what_grows_too_much_is_refused_before_it_fills_the_disk(
    suffix, tmp_path, monkeypatch
):
    monkeypatch.setattr(archives, "_HARMLESS", 100_000)
    path = tmp_path / f"bomb{suffix}"
    if suffix == ".zip":
        with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as zipped:
            zipped.writestr("ann/0.png", bytes(1_000_000))
    else:
        with tarfile.open(path, "w:gz") as tar:
            for place in range(100):  # none of them is too large by itself
                info = tarfile.TarInfo(f"ann/{place}.png")
                info.size = 10_000
                tar.addfile(info, io.BytesIO(bytes(10_000)))
    with (
        pytest.raises(InputError, match=r"bomb.* more than 100 times its size"),
        unpacked(path, tmp_path / "work"),
    ):
        pass
    assert not list((tmp_path / "work").iterdir())
    monkeypatch.setattr(archives, "_HARMLESS", 1_000_000)
    with unpacked(path, tmp_path / "work"):
        pass


@pytest.mark.parametrize("suffix", [".tgz", ".zip"])
def test_folders_in_folders_have_an_end(suffix, tmp_path):
    path = pack_member(tmp_path / f"deep{suffix}", "a/" * 40 + "0.png")
    with (
        pytest.raises(InputError, match="refused, a member is too deep in folders"),
        unpacked(path, tmp_path / "work"),
    ):
        pass


def test_what_is_damaged_behind_the_last_photo_is_noticed(faces, tmp_path):
    """The checksum of all is there, and a photo may be other than it was."""
    path = pack(faces, tmp_path / "faces.tgz", "")
    content = bytearray(path.read_bytes())
    content[-8] ^= 1
    path.write_bytes(content)
    with (
        pytest.raises(InputError, match=r"faces\.tgz: not a readable .*CRC"),
        unpacked(path, tmp_path / "work"),
    ):
        pass


def test_an_archive_without_its_end_is_noticed(faces, tmp_path):
    """Cut where a member ends, so that only the zeros behind the last are missing."""
    path = tmp_path / "faces.tar"
    with tarfile.open(path, "w") as tar:
        tar.add(faces, "faces")
        last = tar.offset
    path.write_bytes(path.read_bytes()[:last])
    with (
        pytest.raises(InputError, match=r"faces\.tar: not a readable"),
        unpacked(path, tmp_path / "work"),
    ):
        pass


def test_errors_name_the_archive_and_not_the_folder_that_is_gone(faces, tmp_path):
    (faces / "person 1/a.png").write_text("no photo")
    path = pack(faces, tmp_path / "faces.zip", "")
    with (
        pytest.raises(InputError, match=r"faces\.zip/person 1/a\.png: unreadable"),
        unpacked(path, tmp_path / "work") as folder,
    ):
        open_photo(folder / "person 1/a.png")


def test_what_the_system_refuses_is_said_of_the_member(tmp_path):
    path = pack_member(tmp_path / "long.zip", "x" * 300)
    with (
        pytest.raises(InputError, match=r"cannot be unpacked .*\(x+: File name too"),
        unpacked(path, tmp_path / "work"),
    ):
        pass
