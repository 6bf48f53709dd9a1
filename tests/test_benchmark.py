"""Saved models on a published protocol: only on people they were not trained on."""

import json
import shutil
from itertools import combinations
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


def photo(person, number):
    return f"{person}/{person}_{number:04}.jpg"


def all_pairs_of(*people):
    """A list of all pairs of three photos each."""
    photos = [(person, number) for person in people for number in (1, 2, 3)]
    return [
        f"{photo(*a)}\t{photo(*b)}\t{'same' if a[0] == b[0] else 'different'}"
        for a, b in combinations(photos, 2)
    ]


def write_pairs(path, rows):
    path.write_text("".join(f"{row}\n" for row in rows))
    return f"pairs:{path}"


def test_pairs_of_ones_own(made, tmp_path):
    protocol = write_pairs(tmp_path / "mine.txt", all_pairs_of("Ann_5", "Bob_6"))
    results = score(made, protocol, "sets_1_to_5")
    assert (results["num_pairs"], results["num_people"]) == (15, 2)
    assert results["tar_at_far"] == {"0.01": None, "0.001": None}
    prepared = str(made / "cache/lfw-none-32px")
    assert score(made, protocol, "sets_1_to_5", photos=prepared) == results
    with pytest.raises(InputError, match="were trained on, Ann_5, Bob_6"):
        score(made, protocol, "sets_6_to_10")


def test_a_photo_that_is_not_there_is_named(made, tmp_path):
    rows = all_pairs_of("Ann_5", "Bob_6")
    rows += [f"{photo('Ann_5', 1)}\t{photo('Ann_5', 9)}\tsame"]
    protocol = write_pairs(tmp_path / "mine.txt", rows)
    with pytest.raises(InputError, match=r"Ann_5_0009\.jpg: pairs are not skipped"):
        score(made, protocol, "sets_1_to_5")


@pytest.mark.parametrize(
    ("row", "says"),
    [
        (
            ("Ann_5", 1, "Ann_6", 1, "same"),
            "line 16: Ann_5 and Ann_6 are called the same person: they are two",
        ),
        (
            ("Ann_6", 1, "Ann_6", 2, "different"),
            "line 16: two photos of Ann_6 are called different people: they are one",
        ),
        (("Ann_6", 1, "Ann_6", 1, "same"), "line 16: .* beside itself tells nothing"),
        (("Ann_5", 2, "Ann_5", 1, "same"), "line 16: .* are in line 1 already: keep"),
        (
            ("Ann_5", 1, "Ann_5", 2, "different"),
            "line 16: .* are in line 1 already, with another answer",
        ),
    ],
)
def test_a_worthless_pair_is_named_by_its_line(made, tmp_path, row, says):
    a, i, b, j, answer = row
    rows = all_pairs_of("Ann_5", "Bob_6")
    rows += [f"{photo(a, i)}\t{photo(b, j)}\t{answer}"]
    protocol = write_pairs(tmp_path / "mine.txt", rows)
    with pytest.raises(InputError, match=says):
        score(made, protocol, "sets_1_to_5")


def test_too_few_pairs_name_no_key_of_a_training(made, tmp_path):
    protocol = write_pairs(tmp_path / "mine.txt", all_pairs_of("Ann_5")[:3])
    with pytest.raises(
        InputError, match=r"^mine\.txt: 3 pairs, 3 of one person: .* takes 10"
    ) as error:
        score(made, protocol, "sets_1_to_5")
    assert "data." not in str(error.value)


def test_photos_prepared_in_another_way_are_refused(made, tmp_path):
    other = tmp_path / "prepared"
    shutil.copytree(made / "cache/lfw-none-32px", other)
    about = other / "metadata.json"
    about.write_text(about.read_text().replace('"none"', '"dlib"'))
    protocol = write_pairs(tmp_path / "mine.txt", all_pairs_of("Ann_5", "Bob_6"))
    with pytest.raises(InputError, match=r"align dlib.* trained on .* align none"):
        score(made, protocol, "sets_1_to_5", photos=str(other))


def test_photos_without_a_face_are_counted(made, tmp_path, capsys):
    """As the protocol wants it they are tested on, cut where a face is assumed."""
    cache = shutil.copytree(made / "cache", tmp_path / "cache")
    about = cache / "lfw-none-32px/metadata.json"
    metadata = json.loads(about.read_text())
    tested, trained_on = "Ann_5/Ann_5_0001.jpg", "Ann_0/Ann_0_0001.jpg"
    metadata["faceless"] = [tested, trained_on]
    about.write_text(json.dumps(metadata))
    run = str(made / "sets_1_to_5")
    results = benchmark([run], "lfw_view1", "lfw", str(cache))
    before = score(made, "lfw_view1", "sets_1_to_5")
    assert results == before | {"num_faceless_photos": 1}
    assert before["num_faceless_photos"] == 0
    line = ["evaluate", run, "--protocol=lfw_view1", f"--cache-dir={cache}"]
    assert cli.main(line) == 0
    assert "no face found in 1 of the photos, which" in capsys.readouterr().out
    pairs = write_pairs(tmp_path / "mine.txt", all_pairs_of("Ann_5", "Bob_6"))
    with pytest.raises(InputError, match=r"no face found in 1 of its photos, Ann_5/"):
        benchmark([run], pairs, "lfw", str(cache))
    assumed = benchmark([run], pairs, "lfw", str(cache), on_missing_face="assume")
    assert assumed["num_faceless_photos"] == 1


def test_what_cannot_be_scored_is_said(made, tmp_path):
    with pytest.raises(UsageError, match="choose lfw_view1, lfw_view2 or pairs:FILE"):
        score(made, "lfw_view3", "sets_1_to_5")
    # Before anything is opened.
    with pytest.raises(UsageError, match=r"--protocol is 'view1': choose"):
        benchmark(["nowhere"], "view1", "lfw", str(tmp_path / "no cache"))
    with pytest.raises(UsageError, match="--photos=mine is for --protocol=pairs:FILE"):
        score(made, "lfw_view1", "sets_1_to_5", photos="mine")
    with pytest.raises(InputError, match=r"none\.txt: No such file"):
        score(made, f"pairs:{tmp_path / 'none.txt'}", "sets_1_to_5")
    with pytest.raises(InputError, match="is neither the directory of a run"):
        score(made, "lfw_view1", "nowhere")
    listed = write_pairs(tmp_path / "mine.txt", all_pairs_of("Ann_5", "Bob_6"))
    for protocol, says in ((listed, "other photos are named by --photos"), ("", "")):
        models = [str(made / "sets_1_to_5")]
        with pytest.raises(InputError, match=f"prepare lfw --align=none .*{says}"):
            benchmark(models, protocol or "lfw_view1", "lfw", str(tmp_path / "cache"))


def test_at_the_shell(made, capsys):
    arguments = ["evaluate", str(made / "sets_1_to_5"), "--protocol=lfw_view1"]
    arguments += [f"--cache-dir={made / 'cache'}"]
    assert cli.main([*arguments, "--json"]) == 0
    results = json.loads(capsys.readouterr().out)
    assert results["num_pairs"] == 20
    assert cli.main(arguments) == 0
    said = capsys.readouterr().out
    assert "accuracy" in said
    few = "true accepts at false accepts 0.01: n/a (under 1,000 pairs of different"
    assert few in said
    arguments[1] = str(Path("nowhere"))
    assert cli.main(arguments) == 1
    assert capsys.readouterr().err.count("\n") == 1
