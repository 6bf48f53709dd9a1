"""Archives: read where they can be, refused where they would do harm."""

import io
import tarfile
import zipfile

import pytest

from cl_facenet.data.archive import fingerprint, unpacked
from cl_facenet.data.folder import folder_source
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
