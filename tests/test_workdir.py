"""A run's directory: whose it is."""

import pytest

from cl_facenet import workdir as workdirs
from cl_facenet.errors import InputError

CONFIG = {"seed": 0, "data": {"path": "faces", "num_threads": 2}, "epochs": (1, 2)}


def test_a_directory_is_a_run_s_from_its_claim_on(tmp_path):
    workdir = tmp_path / "runs" / "one"
    assert not workdirs.is_run(workdir)
    workdirs.claim(workdir, CONFIG, {"Ada": 3})
    assert workdirs.is_run(workdir)
    assert workdirs.read_results(workdir) is None
    assert workdirs.read_people(workdir) == {"Ada": 3}
    assert {path.name for path in workdir.iterdir()} == {"config.json", "people.json"}


def test_a_damaged_file_is_named(tmp_path):
    workdirs.claim(tmp_path, CONFIG, {"Ada": 3})
    (tmp_path / "config.json").write_text("{")
    with pytest.raises(InputError, match=r"config\.json is damaged"):
        workdirs.read_config(tmp_path)
    (tmp_path / "results.json").write_text("")
    with pytest.raises(InputError, match=r"results\.json is damaged"):
        workdirs.read_results(tmp_path)


def test_what_a_training_is_in_is_refused_to_another(tmp_path):
    workdir = tmp_path / "runs" / "one"
    again = workdirs.only_training(workdir)
    says = r"another process is training in .*one \(process \d+ on "
    with workdirs.only_training(workdir), pytest.raises(InputError, match=says):
        again.__enter__()
    assert list(workdir.iterdir()) == []
    with workdirs.only_training(workdir):
        pass
