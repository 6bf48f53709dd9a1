"""The notebooks run, briefly here; they are kept as they ran at length."""

import re

import pytest

from experiments.notebooks.run import HERE, NAMES, execute, read, strip

MAX_BYTES = 1_000_000
MAX_GIF_BYTES = 1_500_000


def printed(notebook):
    """All text among the outputs."""
    outputs = [out for cell in notebook.cells for out in cell.get("outputs", ())]
    texts = [out.get("text", "") for out in outputs]
    return "\n".join(
        texts + [out.get("data", {}).get("text/plain", "") for out in outputs]
    )


def count_pictures(notebook):
    outputs = [out for cell in notebook.cells for out in cell.get("outputs", ())]
    return sum("image/png" in out.get("data", {}) for out in outputs)


@pytest.fixture
def run(tmp_path, monkeypatch):
    """Executes a notebook in a folder, with a cache of its own."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    folder = tmp_path / "work"
    folder.mkdir()
    return lambda name, **parameters: (execute(name, folder, **parameters), folder)


def test_compare_faces(run):
    notebook, _ = run("compare_faces", PEOPLE=16)
    text = printed(notebook)
    assert re.search(r"Verdict\(same=True, distance=0\.\d+, threshold=0\.77", text)
    assert "num_different_pairs=6848158, num_people=1711" in text
    promised = re.findall(r"promised +1\.000%, .*: +([\d.]+)% of different", text)
    by_lfw, by_own = (float(share) for share in promised)
    assert by_own < 2 < by_lfw  # which is what the notebook is about
    assert count_pictures(notebook) == 6


def test_centers(run):
    notebook, folder = run("centers", EPOCHS=3, LAMBDAS=(1.0,))
    assert re.search(r"λ = 1: nearest to their own center are \d+%", printed(notebook))
    assert count_pictures(notebook) == 2
    assert (folder / "centers.gif").read_bytes().startswith(b"GIF89a")


def test_fine_tune(run):
    notebook, folder = run("fine_tune", PEOPLE=12, EPOCHS=1)
    text = printed(notebook)
    assert "72 photos of 9 people to train on" in text
    assert "init_from nn4_small2_lfw: trunk and embedding kept (150 arrays" in text
    assert "step 3/3" in text  # the bar
    for when in ("before", "after"):
        assert re.search(
            rf"{when} *: strangers' AUC [01]\.\d+ \(0\.\d+ to [01]\.\d+\)", text
        )
    assert "pairs of 3 people in folder-people" in text
    assert (folder / "runs/my_faces/weights.safetensors").is_file()
    assert count_pictures(notebook) == 1


def test_other_parameters_are_refused(tmp_path):
    with pytest.raises(
        ValueError, match=r"fine_tune has parameters \['EPOCHS', 'PEOPLE'\]"
    ):
        execute("fine_tune", tmp_path, EPOCHS=1)


def test_every_notebook_is_one_of_these():
    assert {path.stem for path in HERE.glob("*.ipynb")} == set(NAMES)


@pytest.mark.parametrize("name", NAMES)
class TestAsItIsKept:
    def test_it_ran_from_top_to_bottom_without_an_error(self, name):
        cells = [cell for cell in read(name).cells if cell.cell_type == "code"]
        counts = [cell.execution_count for cell in cells]
        assert counts == list(range(1, len(cells) + 1))
        outputs = [out for cell in cells for out in cell.outputs]
        assert count_pictures(read(name))
        assert not [out for out in outputs if out.output_type == "error"]
        assert "Warning" not in printed(read(name))

    def test_it_is_small_and_tells_nothing_of_the_machine(self, name):
        path = HERE / f"{name}.ipynb"
        assert path.stat().st_size < MAX_BYTES
        assert not re.search(
            r"(?<![\w.])/(home|root|tmp|Users|work|usr)\b", path.read_text()
        )
        before, after = read(name), read(name)
        strip(after)
        assert before == after


def test_the_animation_is_small():
    assert (HERE / "centers.gif").stat().st_size < MAX_GIF_BYTES
