"""Labeled Faces in the Wild: how its files read, and what the real ones hold."""

import re
from functools import partial
from pathlib import Path

import numpy as np
import pytest

from cl_facenet.data import lfw
from cl_facenet.data.download import RemoteFile
from cl_facenet.data.lfw_lists import read_pairs, read_people
from cl_facenet.data.photos import Photo, Source
from cl_facenet.errors import InputError

REAL = Path(__file__).parents[3] / "shared/data/lfw"
needs_lfw = pytest.mark.skipif(not REAL.is_dir(), reason="needs ../shared/data/lfw")


# Photos


def save(path):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.touch()
    return path


def test_photos_are_found_in_an_archive_and_in_folders(tmp_path):
    archive = save(tmp_path / "archive/LFW-funneled.tgz")
    save(tmp_path / "archive/pairs.txt")
    save(tmp_path / "archive/raw.tgz.partial")
    assert lfw.find_photos(archive) == archive
    assert lfw.find_photos(archive.parent) == archive
    people = save(tmp_path / "folder/lfw/Ann/Ann_0001.jpg").parents[1]
    save(tmp_path / "folder/pairs.txt")
    assert lfw.find_photos(people) == people
    assert lfw.find_photos(people.parent) == people


def test_photos_that_are_not_there_or_twice_are_refused(tmp_path):
    with pytest.raises(InputError, match="nowhere: no such archive or folder"):
        lfw.find_photos(tmp_path / "nowhere")
    save(tmp_path / "Ann/photo.jpg")
    with pytest.raises(InputError, match="no archive of LFW's photos"):
        lfw.find_photos(tmp_path)
    save(tmp_path / "lfw.tgz")
    save(tmp_path / "lfw/Ann/Ann_0001.jpg")
    with pytest.raises(InputError, match=r"lfw, lfw\.tgz are all there; give one"):
        lfw.find_photos(tmp_path)


def photos_of(*counts):
    photos = [
        Photo(f"p{person}", f"p{person}/{i}", partial(pytest.fail, "never read"))
        for person, count in enumerate(counts)
        for i in range(count)
    ]
    return Source("lfw", photos, "")


def test_photos_are_counted():
    whole = [2] * 5748 + [1737]
    lfw.check_photos(photos_of(*whole))
    with pytest.raises(InputError, match="13,232 photos of 5,749 people, where LFW"):
        lfw.check_photos(photos_of(1, *whole[1:]))
    with pytest.raises(InputError, match="13,233 photos of 5,748 people, where LFW"):
        lfw.check_photos(photos_of(4, *whole[2:]))


def test_an_archive_of_other_bytes_has_an_unknown_alignment(tmp_path):
    assert lfw.find_alignment(save(tmp_path / "lfw.tgz")) == "unknown"


# Protocol files


def test_missing_protocol_files_are_named(tmp_path):
    (tmp_path / "people.txt").touch()
    message = r"peopleDevTrain\.txt, .* of LFW's 6 protocol files are not there"
    with pytest.raises(InputError, match=message):
        lfw.read_protocol_files(tmp_path)


def test_downloads_are_checked_and_come_from_two_places():
    assert len(lfw.PROTOCOL_FILES) == 6
    for file in (lfw.RAW_ARCHIVE, *lfw.PROTOCOL_FILES.values()):
        assert re.fullmatch("[0-9a-f]{64}", file.sha256)
        copies = [url for url in file.urls if "figshare" in url]
        assert len(copies) == (not file.name.startswith("people"))
        assert file.urls[-1] == f"http://vis-www.cs.umass.edu/lfw/{file.name}"


def nowhere(file):
    return RemoteFile(file.name, file.sha256, ("http://127.0.0.1:1/",))


def test_what_cannot_be_downloaded_is_asked_for(tmp_path, monkeypatch):
    monkeypatch.setenv("no_proxy", "*")
    monkeypatch.setattr(lfw, "RAW_ARCHIVE", nowhere(lfw.RAW_ARCHIVE))
    unreachable = {name: nowhere(file) for name, file in lfw.PROTOCOL_FILES.items()}
    monkeypatch.setattr(lfw, "PROTOCOL_FILES", unreachable)
    with pytest.raises(InputError, match=r"lfw\.tgz could not.*--source=PATH"):
        lfw.download_archive(tmp_path)
    with pytest.raises(InputError, match=r"people\.txt could not.*--protocol=DIR"):
        lfw.download_protocol_files(tmp_path)


# The real files


@pytest.fixture(scope="module")
def files():
    return {
        name: content.decode()
        for name, content in lfw.read_protocol_files(REAL).items()
    }


def photos_in(pairs):
    return {photo for pair in pairs.photos for photo in pair}


def people_in(pairs):
    return {photo.split("/")[0] for photo in photos_in(pairs)}


@needs_lfw
@pytest.mark.parametrize(
    ("name", "num_same", "num_photos", "num_people"),
    [
        ("pairs.txt", 3000, 7701, 4281),
        ("pairsDevTrain.txt", 1100, 3443, 2132),
        ("pairsDevTest.txt", 500, 1549, 963),
    ],
)
def test_real_pairs(files, name, num_same, num_photos, num_people):
    pairs = read_pairs(files[name])
    assert (pairs.same.sum(), (~pairs.same).sum()) == (num_same, num_same)
    assert (len(photos_in(pairs)), len(people_in(pairs))) == (num_photos, num_people)
    for (left, right), same in zip(pairs.photos, pairs.same, strict=True):
        assert left != right
        assert (left.split("/")[0] == right.split("/")[0]) == same


@needs_lfw
def test_real_people(files):
    sets = read_people(files["people.txt"])
    assert [*map(len, sets)] == [601, 555, 552, 560, 567, 527, 597, 601, 580, 609]
    everyone = {name: count for people in sets for name, count in people.items()}
    assert (len(everyone), sum(everyone.values())) == (lfw.NUM_PEOPLE, lfw.NUM_PHOTOS)
    assert sum(count > 1 for count in everyone.values()) == 1680
    assert max(everyone, key=everyone.get) == "George_W_Bush"
    (train,) = read_people(files["peopleDevTrain.txt"])
    (test,) = read_people(files["peopleDevTest.txt"])
    assert (len(train), sum(train.values())) == (4038, 9525)
    assert (len(test), sum(test.values())) == (1711, 3708)
    assert train | test == everyone
    assert not set(train) & set(test)


@needs_lfw
def test_people_whose_names_begin_with_a_are_the_subset(files):
    sets = read_people(files["people.txt"])
    counts = {name: count for people in sets for name, count in people.items()}
    subset = lfw.names_with_a(counts)
    assert (len(subset), sum(counts[name] for name in subset)) == (432, 1054)


@needs_lfw
def test_each_fold_has_pairs_of_its_own_set_of_people(files):
    pairs = read_pairs(files["pairs.txt"])
    sets = read_people(files["people.txt"])
    assert np.bincount(pairs.folds).tolist() == [600] * 10
    for (left, right), fold in zip(pairs.photos, pairs.folds, strict=True):
        assert {left.split("/")[0], right.split("/")[0]} <= set(sets[fold])


@needs_lfw
def test_pairs_for_development_are_of_their_half_of_the_people(files):
    for half in ("Train", "Test"):
        (people,) = read_people(files[f"peopleDev{half}.txt"])
        pairs = read_pairs(files[f"pairsDev{half}.txt"])
        assert people_in(pairs) <= set(people)


@needs_lfw
@pytest.mark.parametrize(
    ("line", "person", "i", "j"),
    [
        (114, "Janica_Kostelic", 1, 2),
        (187, "Martha_Bowen", 1, 2),
        (203, "Nora_Bendijo", 1, 2),
        (2500, "Elisabeth_Schumacher", 1, 2),
        (2552, "Jim_OBrien", 1, 2),
        (2553, "Jim_OBrien", 1, 3),
        (3653, "Debra_Messing", 1, 2),
    ],
)
def test_pairs_known_to_be_wrong_are_left_as_they_are(files, line, person, i, j):
    pairs = read_pairs(files["pairs.txt"])
    photos = tuple(f"{person}/{person}_{number:04d}.jpg" for number in (i, j))
    assert pairs.photos[line - 2] == photos  # line 1 is the header
    assert pairs.same[line - 2]


@needs_lfw
def test_changed_protocol_files_are_refused():
    files = lfw.read_protocol_files(REAL)
    lfw.check_protocol_files(files)
    converted = files["pairs.txt"].replace(b"\n", b"\r\n")
    with pytest.raises(InputError, match=r"pairs\.txt is .* line ends were changed"):
        lfw.check_protocol_files(files | {"pairs.txt": converted})
    message = r"pairs\.txt is not as published \(sha256 .*, not ea42330c"
    with pytest.raises(InputError, match=message):
        lfw.check_protocol_files(files | {"pairs.txt": files["pairs.txt"][:-1]})


@needs_lfw
def test_the_real_archive_is_found_and_known():
    archive = lfw.find_photos(REAL)
    assert archive == REAL / "lfw-deepfunneled.tgz"
    assert lfw.find_alignment(archive) == "deep-funneled"
