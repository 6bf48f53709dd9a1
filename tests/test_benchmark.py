"""Saved models on a published protocol: only on people they were not trained on."""

import json
import shutil
from pathlib import Path

import pytest
from lfw_like import expect_it, write_lfw
from tiny import TINY, tiny_config, use_data

from cl_facenet import cli, prepare
from cl_facenet.benchmark import benchmark
from cl_facenet.errors import InputError, UsageError
from cl_facenet.loading import load
from cl_facenet.models.facenet import NETWORKS
from cl_facenet.train import train


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """A prepared LFW of our own, and a run on each half of it."""
    root = tmp_path_factory.mktemp("made")
    patch = pytest.MonkeyPatch()
    patch.setitem(NETWORKS, "tiny", TINY)
    expect_it(patch)
    source, cache = write_lfw(root / "lfw-like"), root / "cache"
    prepare.main(
        ["lfw", f"--source={source}", f"--cache-dir={cache}", "--image-size=32"]
    )
    for protocol in ("sets_1_to_5", "sets_6_to_10"):
        config = tiny_config(cache, num_epochs=2)
        use_data(config, "lfw")
        config.data.lfw.protocol = protocol
        train(config, root / protocol)
    yield root
    patch.undo()


def score(made, protocol, *models, photos="lfw"):
    paths = [str(made / model) for model in models]
    return benchmark(paths, protocol, photos, str(made / "cache"))


def test_halves_score_all_of_view_2_together(made):
    results = score(made, "lfw_view2", "sets_1_to_5", "sets_6_to_10")
    assert (results["num_pairs"], results["num_people"]) == (40, 20)
    assert results["protocol"] == "LFW view 2"
    assert 0 <= results["accuracy_mean"] <= 1
    assert score(made, "lfw_view2", "sets_6_to_10", "sets_1_to_5") == results | {
        "models": [str(made / name) for name in ("sets_6_to_10", "sets_1_to_5")]
    }


def test_a_half_agrees_with_its_own_run(made):
    """The run verified on the folds that it may; alone, so does the benchmark."""
    results = score(made, "lfw_view1", "sets_1_to_5")
    assert (results["num_pairs"], results["num_people"]) == (20, 10)
    own = json.loads((made / "sets_1_to_5/results.json").read_text())
    assert results["auc"] == pytest.approx(own["verification"]["auc"])
    assert results["threshold"] == pytest.approx(own["verification"]["threshold"])


def test_a_saved_embedder_scores_as_its_run_and_knows_its_people(made):
    for half in ("sets_1_to_5", "sets_6_to_10"):
        load(made / half).save(made / f"saved {half}")
    results = score(made, "lfw_view1", "saved sets_1_to_5")
    run = score(made, "lfw_view1", "sets_1_to_5")
    assert results == run | {"models": results["models"]}
    with pytest.raises(InputError, match="were trained on"):
        score(made, "lfw_view1", "saved sets_6_to_10")


@pytest.mark.parametrize("protocol", ["lfw_view1", "lfw_view2"])
def test_people_trained_on_are_named(made, protocol):
    with pytest.raises(
        InputError, match=r"10 of its .0 people were trained on, .*_5, "
    ):
        score(made, protocol, "sets_6_to_10")


def test_pairs_of_ones_own(made, tmp_path):
    rows = ["Ann_5/Ann_5_0001.jpg\tAnn_5/Ann_5_0002.jpg\tsame"] * 10
    rows += ["Ann_5/Ann_5_0001.jpg\tBob_6/Bob_6_0001.jpg\tdifferent"] * 10
    (tmp_path / "mine.txt").write_text("\n".join(rows))
    protocol = f"pairs:{tmp_path / 'mine.txt'}"
    results = score(made, protocol, "sets_1_to_5")
    assert (results["num_pairs"], results["num_people"]) == (20, 2)
    prepared = str(made / "cache/lfw-none-32px")
    assert score(made, protocol, "sets_1_to_5", photos=prepared) == results
    with pytest.raises(InputError, match="were trained on, Ann_5, Bob_6"):
        score(made, protocol, "sets_6_to_10")


def test_a_photo_that_is_not_there_is_named(made, tmp_path):
    rows = ["Ann_5/Ann_5_0001.jpg\tAnn_5/Ann_5_0009.jpg\tsame"] * 10
    (tmp_path / "mine.txt").write_text("\n".join(rows))
    with pytest.raises(InputError, match=r"Ann_5_0009\.jpg: pairs are not skipped"):
        score(made, f"pairs:{tmp_path / 'mine.txt'}", "sets_1_to_5")


def test_photos_prepared_in_another_way_are_refused(made, tmp_path):
    other = tmp_path / "prepared"
    shutil.copytree(made / "cache/lfw-none-32px", other)
    about = other / "metadata.json"
    about.write_text(about.read_text().replace('"none"', '"dlib"'))
    rows = ["Ann_5/Ann_5_0001.jpg\tAnn_5/Ann_5_0002.jpg\tsame"] * 10
    (tmp_path / "mine.txt").write_text("\n".join(rows))
    with pytest.raises(InputError, match=r"align dlib.* trained on .* align none"):
        score(made, f"pairs:{tmp_path / 'mine.txt'}", "sets_1_to_5", photos=str(other))


def test_what_cannot_be_scored_is_said(made, tmp_path):
    with pytest.raises(UsageError, match="choose lfw_view1, lfw_view2 or pairs:FILE"):
        score(made, "lfw_view3", "sets_1_to_5")
    with pytest.raises(InputError, match=r"none\.txt: No such file"):
        score(made, f"pairs:{tmp_path / 'none.txt'}", "sets_1_to_5")
    with pytest.raises(InputError, match="is neither the directory of a run"):
        score(made, "lfw_view1", "nowhere")


def test_at_the_shell(made, capsys):
    arguments = ["evaluate", str(made / "sets_1_to_5"), "--protocol=lfw_view1"]
    arguments += [f"--cache-dir={made / 'cache'}"]
    assert cli.main([*arguments, "--json"]) == 0
    results = json.loads(capsys.readouterr().out)
    assert results["num_pairs"] == 20
    assert cli.main(arguments) == 0
    assert "accuracy" in capsys.readouterr().out
    arguments[1] = str(Path("nowhere"))
    assert cli.main(arguments) == 1
    assert capsys.readouterr().err.count("\n") == 1
