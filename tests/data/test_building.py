import logging
import os
import subprocess
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from functools import partial

import absl.logging
import numpy as np
import pytest
from PIL import Image

from cl_facenet.data import building, squares
from cl_facenet.data.building import quiet_tfds
from cl_facenet.data.folder import folder_source
from cl_facenet.data.preprocessing import Preprocessing
from cl_facenet.data.records import prepare
from cl_facenet.data.synthetic import synthetic_source
from cl_facenet.errors import InputError
from cl_facenet.whole_files import write_whole

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


def with_reads(source, read):
    """The source with another way to read its photos: read(photo)."""
    photos = [replace(photo, read=partial(read, photo)) for photo in source.photos]
    return replace(source, photos=photos)


@pytest.mark.parametrize("per_shard", [1, 5, 6, 12, 13])
def test_shards_keep_order_and_count(source, tmp_path, monkeypatch, per_shard):
    monkeypatch.setattr(building, "_PHOTOS_PER_SHARD", per_shard)
    monkeypatch.setattr(squares, "_IN_FLIGHT", 3)
    records = store(source, tmp_path)
    assert records.names() == [photo.name for photo in source.photos]
    assert len(records) == 12


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


def failing(source, error):
    """The source, the ninth photo of which fails."""

    def read(photo):
        if photo.name == "p3/1":
            raise error
        return photo.read()

    return with_reads(source, read)


def test_a_failure_leaves_nothing(source, tmp_path):
    threads = threading.active_count()
    with pytest.raises(KeyError):
        store(failing(source, KeyError("bug")), tmp_path)
    assert list(tmp_path.iterdir()) == []
    assert threading.active_count() == threads
    assert len(store(source, tmp_path)) == 12


def test_an_interrupted_call_is_gone_on_from(source, tmp_path):
    with pytest.raises(KeyboardInterrupt):
        store(failing(source, KeyboardInterrupt()), tmp_path)
    (kept,) = tmp_path.iterdir()
    done = {int(path.stem) for path in kept.iterdir()}
    assert done

    def read(photo):
        places = {photo.name: place for place, photo in enumerate(source.photos)}
        assert places[photo.name] not in done
        return photo.read()

    records = store(with_reads(source, read), tmp_path)
    whole = store(source, tmp_path / "other")
    np.testing.assert_array_equal(records.images(range(12)), whole.images(range(12)))
    assert not kept.exists()


def test_it_is_not_gone_on_from_with_other_photos(source, tmp_path):
    """Of the same names, sizes and times: their contents tell them apart."""
    with pytest.raises(KeyboardInterrupt):
        store(failing(replace(source, content="one"), KeyboardInterrupt()), tmp_path)
    other = replace(synthetic_source(3, 4, seed=1), fingerprint=source.fingerprint)
    records = store(replace(other, content="other"), tmp_path)
    whole = store(other, tmp_path / "whole")
    np.testing.assert_array_equal(records.images(range(12)), whole.images(range(12)))


def test_a_killed_call_leaves_nothing_that_looks_finished(source, tmp_path):
    code = (
        "import os, sys; from dataclasses import replace; from pathlib import Path\n"
        "from cl_facenet.data.preprocessing import Preprocessing\n"
        "from cl_facenet.data.records import prepare\n"
        "from cl_facenet.data.synthetic import synthetic_source\n"
        "source = synthetic_source(3, 4, seed=0)\n"
        "photos = [*source.photos[:-1], replace(source.photos[-1], "
        "read=lambda: os._exit(9))]\n"
        "prepare(replace(source, photos=photos), Preprocessing('none', 24), "
        "cache_dir=Path(sys.argv[1]), skip_unreadable=False)\n"
    )
    run = subprocess.run([sys.executable, "-c", code, str(tmp_path)], check=False)
    assert run.returncode == 9
    assert all(path.name.startswith(".preparing-") for path in tmp_path.iterdir())
    assert len(store(source, tmp_path)) == 12


def test_what_killed_calls_left_is_deleted_after_a_day(source, tmp_path):
    for name, hours in {"dead": 25, "recent": 23, "at_work": 25}.items():
        folder = tmp_path / f".preparing-{name}"
        (folder / "faces").mkdir(parents=True)
        for path in (folder / "faces", folder):
            os.utime(path, (time.time() - hours * 3600,) * 2)
    (tmp_path / ".preparing-at_work/faces/shard").touch()
    store(source, tmp_path)
    kept = {path.name for path in tmp_path.glob(".*")}
    assert kept == {".preparing-recent", ".preparing-at_work"}


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


def test_another_that_is_through_clears_away_what_this_one_is_writing(
    source, tmp_path, monkeypatch
):
    def write_too_late(path, content):
        write_whole(path.parent / "cleared away" / path.name, content)

    monkeypatch.setattr(squares, "write_whole", write_too_late)
    records = store(source, tmp_path)
    assert records.names() == [photo.name for photo in source.photos]
    assert len(list(tmp_path.iterdir())) == 1


def test_a_full_disk_is_one_line_and_leaves_nothing(tmp_path):
    code = (
        "import resource, signal, sys; from pathlib import Path\n"
        "from cl_facenet.data.preprocessing import Preprocessing\n"
        "from cl_facenet.data.records import prepare\n"
        "from cl_facenet.data.synthetic import synthetic_source\n"
        "from cl_facenet.errors import InputError\n"
        "signal.signal(signal.SIGXFSZ, signal.SIG_IGN)\n"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (20_000, resource.RLIM_INFINITY))\n"
        "try:\n"
        "    prepare(synthetic_source(9, 9, 0), Preprocessing('none', 96), "
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


@pytest.mark.parametrize("error", [MemoryError(), RuntimeError("no new thread")])
def test_what_is_not_the_disk_s_is_not_laid_to_it(source, tmp_path, error):
    with pytest.raises(type(error)) as caught:
        store(failing(source, error), tmp_path)
    assert caught.value is error


def test_what_tfds_says_to_others_is_not_kept_away(source, tmp_path):
    """Its log is the process's: another thread's lines stay."""
    with quiet_tfds(), ThreadPoolExecutor(1) as pool:
        (is_wanted,) = absl.logging.get_absl_logger().filters

        def wanted():
            path = "tensorflow_datasets/core/x.py"
            record = logging.LogRecord("", logging.INFO, path, 1, "", (), None)
            return is_wanted(record)

        assert not wanted()
        assert pool.submit(wanted).result()


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
