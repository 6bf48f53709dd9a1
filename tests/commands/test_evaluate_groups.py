"""evaluate --groups: all pairs of the protocol's people, at the model's threshold."""

import json
from itertools import combinations

import numpy as np
import pytest
from commands.shell import answer, say
from export.embedders import embedder_of
from lfw_like import COUNTS, SETS, expect_it, write_lfw
from tiny import TINY

from cl_facenet import cli, prepare
from cl_facenet.data.photos import open_photo
from cl_facenet.evaluation import bootstrap
from cl_facenet.evaluation.calibration import CalibratedOn, Calibration, Threshold
from cl_facenet.model_card import Architecture, ModelCard, TrainedOn
from cl_facenet.models.facenet import NETWORKS

LIMIT = 0.02  # of the random embedder: some pairs of both kinds are nearer
TESTED = [name for pair in SETS[5:] for name in pair]


def save(path, trained_on, *rates):
    """A random embedder, saved as if it were trained on somebody."""
    embedder = embedder_of("tiny", "openface", 32)
    thresholds = tuple(Threshold(rate, LIMIT, 0.5) for rate in rates)
    embedder.card = ModelCard(
        Architecture("tiny", "openface", 16),
        TrainedOn("faces", 9, tuple(trained_on), 5),
        calibration=Calibration(CalibratedOn("faces", "all", 1, 1, 2), thresholds),
    )
    embedder.save(path)
    return embedder


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """A prepared LFW of our own; `model`, and `halves` a and b, that saw half of it."""
    root = tmp_path_factory.mktemp("made")
    patch = pytest.MonkeyPatch()
    patch.setitem(NETWORKS, "tiny", TINY)
    patch.setattr(bootstrap, "NUM_DRAWS", 10)
    patch.setattr(bootstrap, "MIN_DRAWS", 10)
    expect_it(patch)
    source = write_lfw(root / "lfw-like")
    cache = root / "cache"
    prepare.main(
        ["lfw", f"--source={source}", f"--cache-dir={cache}", "--image-size=32"]
    )
    save(root / "model", ["Eve"], 0.1, 0.01)
    save(root / "uncalibrated", ["Eve"], 0.1)
    save(root / "a", [name for pair in SETS[:5] for name in pair], 0.01)
    save(root / "b", TESTED, 0.01)
    yield root
    patch.undo()


@pytest.fixture
def shell(made, monkeypatch, capsys):
    """Runs evaluate with a table of groups: exit status, output, errors."""
    monkeypatch.chdir(made)

    def run(rows, line="model --protocol=lfw_view1"):
        (made / "groups.csv").write_text("\n".join(rows) + "\n")
        command = f"evaluate {line} --cache-dir=cache --groups=groups.csv"
        return say(command, capsys)

    return run


def groups_of(run):
    return answer(run)["groups"]


# Ann_5 to Ann_9 and Bob_5 to Bob_9 are tested on; of one of each nothing is stated.
ROWS = ["person,name,side"]
ROWS += [f"Ann_{n},ann,{'left' if n % 2 else 'right'}" for n in range(5, 9)]
ROWS += [f"Bob_{n},bob,left" for n in range(5, 9)] + ["Bob_9,,right", "Eve,ann,left"]


def test_for_machines(shell, made):
    groups = groups_of(shell(ROWS, "model --protocol=lfw_view1 --json"))
    assert groups["threshold"] == {
        "values": [LIMIT],
        "of": "model",
        "false_accept_rate": 0.01,
    }
    assert (groups["file"], groups["of"]) == ("groups.csv", "person")
    assert groups["num_unknown"] == 1
    overall, names = groups["overall"], groups["groupings"]["name"]
    assert (overall["num_people"], overall["num_photos"]) == (10, 28)
    assert overall["num_same_pairs"] + overall["num_different_pairs"] == 28 * 27 // 2
    assert list(names["groups"]) == ["ann", "bob"]
    assert (names["num_photos_empty"], names["num_photos_missing"]) == (1, 3)
    assert list(groups["groupings"]["side"]["groups"]) == ["left", "right"]
    for name, found in names["groups"].items():
        people = [f"{name.title()}_{n}" for n in range(5, 9)]
        assert found["num_people"] == 4
        expected = wrong_pairs(made, people)
        counts = ("num_same_pairs", "num_called_different")
        counts += ("num_different_pairs", "num_called_same")
        assert [found[key] for key in counts] == expected
        same, different, strangers, accepted = expected
        assert 0 < different < same or 0 < accepted < strangers  # LIMIT says something
        # All have three photos: a share of people is one of pairs.
        rate = found["false_match_rate"]
        assert rate["value"] == pytest.approx(accepted / strangers)
        assert rate["interval"] is None  # of four people
        assert found["false_non_match_rate"]["value"] == pytest.approx(different / same)


def wrong_pairs(made, people):
    """Same pairs, those called different, different pairs, those called the same."""
    names = [
        f"{person}/{person}_{n + 1:04d}.jpg"
        for person in people
        for n in range(COUNTS[person])
    ]
    embedder = embedder_of("tiny", "openface", 32)
    vectors = embedder([open_photo(made / "lfw-like/lfw" / name) for name in names])
    counts = [0, 0, 0, 0]
    for (a, u), (b, v) in combinations(zip(names, vectors, strict=True), 2):
        near = np.square(u - v).sum() < LIMIT
        same = a.split("/")[0] == b.split("/")[0]
        counts[0 if same else 2] += 1
        counts[1 if same else 3] += bool(near != same)
    return counts


def test_for_people(shell):
    status, out, err = shell(ROWS)
    assert (status, err) == (0, "")
    lines = out.splitlines()
    assert lines[5:8] == [
        "",
        "by the groups of groups.csv, on all pairs of 28 photos of 10 people never "
        "trained on",
        f"the same person below {LIMIT:.4f}, the model's own threshold for a "
        "false-accept rate of 0.01",
    ]
    assert "rows of the file of a person not tested on: 1" in lines
    assert "name: stated of 24 photos of 8 people; of 1 empty, of 3 no row" in lines
    starts = [line.split()[0] for line in lines if line]
    for name in ("overall", "ann", "bob", "left", "right"):
        assert starts.count(name) == 1
    assert "nothing to measure" in out  # same pairs across groups
    assert max(map(len, lines)) <= 120


def test_groups_of_photos(shell):
    rows = ["photo,light"]
    rows += [
        f"Ann_5/Ann_5_000{n}.jpg,{'dark' if n < 3 else 'bright'}" for n in (1, 2, 3)
    ]
    rows += ["Bob_5/Bob_5_0001.jpg,dark"]
    groups = groups_of(shell(rows, "model --protocol=lfw_view1 --json"))
    light = groups["groupings"]["light"]
    dark, bright = light["groups"]["dark"], light["groups"]["bright"]
    assert (dark["num_people"], dark["num_photos"]) == (2, 3)
    assert (dark["num_same_pairs"], dark["num_different_pairs"]) == (1, 2)
    assert (bright["num_people"], bright["num_photos"]) == (1, 1)
    assert bright["false_match_rate"]["value"] is None
    across = light["across_groups"]
    assert (across["num_same_pairs"], across["num_different_pairs"]) == (2, 1)
    assert light["num_photos_missing"] == 24


def test_a_threshold_of_another_rate_or_the_protocols(shell):
    line = "uncalibrated --protocol=lfw_view1 --json"
    rate = groups_of(shell(ROWS, f"{line} --false-accept-rate=0.1"))["threshold"]
    assert (rate["of"], rate["false_accept_rate"]) == ("model", 0.1)
    status, out, _ = shell(ROWS, line)
    results = json.loads(out)
    own = results["groups"]["threshold"]
    assert status == 0
    assert (own["of"], own["values"]) == ("protocol", [results["threshold"]])
    status, _, err = shell(ROWS, f"{line} --false-accept-rate=0.01")
    assert status == 2
    assert "--false-accept-rate: no threshold for a false-accept rate of 0.01" in err


def test_view_2_is_measured_inside_of_its_sets_each_by_who_never_saw_it(shell):
    groups = groups_of(shell(ROWS, "a b --protocol=lfw_view2 --json"))
    assert groups["threshold"]["values"] == [LIMIT, LIMIT]
    overall = groups["overall"]
    assert (overall["num_people"], overall["num_photos"]) == (20, 58)
    assert overall["num_different_pairs"] == 9 * 3 * 3 + 3  # Ann and Bob of each set
    status, _, err = shell(ROWS, "a --protocol=lfw_view2")
    assert status == 1
    assert "were trained on" in err


def test_a_list_of_pairs_is_of_the_people_on_it(shell, made):
    photos = [(person, number) for person in ("Ann_5", "Bob_6") for number in "123"]
    rows = [
        f"{a}/{a}_000{i}.jpg\t{b}/{b}_000{j}.jpg\t{'same' if a == b else 'different'}"
        for (a, i), (b, j) in combinations(photos, 2)
    ]
    (made / "mine.txt").write_text("\n".join(rows))
    groups = groups_of(shell(ROWS, "model --protocol=pairs:mine.txt --json"))
    overall = groups["overall"]
    assert (overall["num_people"], overall["num_photos"]) == (2, 6)


@pytest.mark.parametrize(
    ("rows", "said"),
    [
        (["person,side", "Eve,left"], "none of its 1 rows is of a person tested on"),
        (["person,side", "Ann_0,left"], "called like Ann_5, not Ann_0"),
        (["person,side", "Ann_5,", "Eve,left"], "states a group of 0 photos: no pair"),
        (["person,side", "Bob_9,left"], "states a group of 1 photos: no pair"),
        (["Ann_5,left"], "not person or photo"),
    ],
)
def test_a_table_that_says_nothing_is_one_line(shell, rows, said):
    status, out, err = shell(rows)
    assert (status, out, err.count("\n")) == (1, "", 1)
    assert said in err


def test_a_rate_alone_is_refused(made, monkeypatch, capsys):
    monkeypatch.chdir(made)
    line = ["evaluate", "model", "--protocol=lfw_view1", "--false-accept-rate=0.1"]
    assert cli.main(line) == 2
    assert "is for --groups" in capsys.readouterr().err
