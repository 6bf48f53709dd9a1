"""A run from the command line: what it writes, how it goes on, how it refuses."""

import gc
import json
import os
import shutil
import subprocess
import sys
import time
from contextlib import closing
from pathlib import Path

import jax
import numpy as np
import pytest
from faces import folder_of_faces
from PIL import Image
from tiny import TINY, tiny_config, unresolved_config, use_data

import cl_facenet
import cl_facenet.train as train_module
from cl_facenet import kept_traces
from cl_facenet.checkpoint import Checkpoints, restore_parts
from cl_facenet.data.folder import PREPARED_AS
from cl_facenet.data.preprocessing import Preprocessing
from cl_facenet.errors import InputError, UsageError
from cl_facenet.evaluate import evaluate
from cl_facenet.losses import LOSSES, Loss
from cl_facenet.metrics import read_metrics
from cl_facenet.models import facenet
from cl_facenet.train import train

ROOT = Path(__file__).parent.parent
TINY_PROGRAM = Path(__file__).parent / "tiny.py"


@pytest.fixture(scope="module")
def cache(tmp_path_factory):
    return tmp_path_factory.mktemp("cache")


@pytest.fixture
def config(tiny, cache):
    return tiny_config(cache)


@pytest.fixture(scope="module")
def whole(cache, tmp_path_factory):
    """A run that nothing has disturbed."""
    workdir = tmp_path_factory.mktemp("whole")
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(facenet.NETWORKS, "tiny", TINY)
        train(tiny_config(cache), workdir)
    return workdir


def fresh_state(config):
    from cl_facenet.build import build_model, build_optimizer, build_start
    from cl_facenet.dataset import build_data

    _, split = build_data(config)
    model = build_model(config, len(split.train_people))
    tx, _ = build_optimizer(config, num_photos=len(split.train_indices), num_steps=1)
    return build_start(config, model, tx).state


def pairs_of_leaves(one, other):
    return zip(jax.tree.leaves(one), jax.tree.leaves(other), strict=True)


def state_of(workdir, config):
    """All arrays of the newest checkpoint."""
    like = fresh_state(config)
    names = ("params", "batch_stats", "opt_state", "center_state", "step")
    parts = {name: getattr(like, name) for name in names}
    return restore_parts(workdir / "checkpoints", parts)


def assert_same_runs(one, other, config):
    """Bit for bit: every array of the state, every metric but the speed."""
    (state, step), (other_state, other_step) = (
        state_of(d, config) for d in (one, other)
    )
    assert step == other_step
    jax.tree.map(np.testing.assert_array_equal, state, other_state)
    rows, other_rows = (read_metrics(d / "metrics.jsonl") for d in (one, other))
    for row in rows + other_rows:
        del row["train/photos_per_second"], row["train/data_wait_share"]
    assert rows == other_rows


def test_a_run_writes_what_the_contract_says(whole):
    results = json.loads((whole / "results.json").read_text())
    assert {p.name for p in whole.iterdir()} == {
        "config.json",
        "people.json",
        "metrics.jsonl",
        "checkpoints",
        "results.json",
        "report",
    }
    assert json.loads((whole / "config.json").read_text())["batch_size"] == 6
    assert (whole / "report/index.html").exists()
    num_steps = 4 * 4 * 8 // 6 + 1  # 4 people x 4 photos x 8 epochs, 6 a batch
    assert results["step"] == num_steps
    assert set(results["classification"]) == {
        *("accuracy", "precision", "recall", "f1", "num_images", "num_classes")
    }
    assert set(results["verification"]) == {
        *("accuracy_mean", "accuracy_std", "auc", "eer", "tar_at_far", "threshold"),
        *("num_pairs", "num_people", "protocol"),
        *("accuracy_standard_error", "intervals"),
    }
    assert set(results["verification"]["tar_at_far"]) == {"0.01", "0.001"}
    # All pairs of two people's five photos: too few different ones for any rate.
    assert results["calibration"] == {
        "calibrated_on": {
            "data": results["data"]["source"],
            "protocol": "all pairs of people never trained on",
            "num_same_pairs": 20,
            "num_different_pairs": 25,
            "num_people": 2,
        },
        "thresholds": [],
    }
    data = results["data"]
    assert len(data["train_people"]) == 4
    counts = json.loads((whole / "people.json").read_text())
    assert counts == dict.fromkeys(data["train_people"], 4)
    assert len(data["unseen_people"]) == 2
    assert not set(data["train_people"]) & set(data["unseen_people"])


def test_metrics_are_means_of_every_interval(whole):
    rows = read_metrics(whole / "metrics.jsonl")
    assert [row["step"] for row in rows] == [*range(2, 23, 2)]
    expected = {
        *("loss", "identity_loss", "center_loss", "accuracy", "center_gradient_share"),
        *("center_movement", "within_between_ratio", "gradient_norm", "parameter_norm"),
        *("learning_rate", "people_per_batch", "photos_per_second", "data_wait_share"),
        "effective_rank",
    }
    assert set(rows[-1]) == {"step"} | {f"train/{name}" for name in expected}
    for row in rows:
        terms = row["train/identity_loss"] + row["train/center_loss"]
        assert row["train/loss"] == pytest.approx(terms, rel=1e-5)


def test_the_same_config_gives_the_same_run(config, whole, tmp_path):
    """And what `train` returns is what it writes."""
    results = train(config, tmp_path)
    assert json.loads((tmp_path / "results.json").read_text()) == results
    assert_same_runs(whole, tmp_path, config)


def test_a_step_that_was_kept_trains_as_if_traced(config, whole, tmp_path, monkeypatch):
    """The first of two runs keeps it, the second finds it."""
    monkeypatch.setattr(kept_traces, "kept_programs", lambda: tmp_path / "programs")
    train(config, tmp_path / "first", as_is=True)
    monkeypatch.delattr(kept_traces, "_trace")
    train(config, tmp_path / "second", as_is=True)
    for name in ("first", "second"):
        assert_same_runs(whole, tmp_path / name, config)


def test_a_finished_run_says_so_and_changes_nothing(config, whole, capsys):
    before = {p: p.stat().st_mtime_ns for p in whole.rglob("*") if p.is_file()}
    results = json.loads((whole / "results.json").read_text())
    assert train(config, whole) == results
    assert "is finished: nothing to train" in capsys.readouterr().err
    assert {p: p.stat().st_mtime_ns for p in whole.rglob("*") if p.is_file()} == before


def run_tiny(workdir, cache, *, seconds_a_step=0.0):
    command = [
        sys.executable,
        str(TINY_PROGRAM),
        str(workdir),
        str(cache),
        str(seconds_a_step),
    ]
    return subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, cwd=ROOT
    )


def wait_for(process, condition):
    deadline = time.monotonic() + 120
    while not condition():
        assert process.poll() is None, process.communicate()[0]
        assert time.monotonic() < deadline
        time.sleep(0.005)


def wait_for_line(process, workdir, step):
    """Until the metrics of a step are written."""
    metrics = workdir / "metrics.jsonl"
    line = f'"step": {step},'
    wait_for(process, lambda: metrics.exists() and line in metrics.read_text())


def saved_steps(workdir):
    names = (path.name for path in (workdir / "checkpoints").iterdir())
    return sorted(int(name) for name in names if name.isdigit())


def test_killed_and_resumed_is_bit_for_bit_uninterrupted(
    config, cache, whole, tmp_path
):
    """kill -9 between two checkpoints and within an epoch, then the same command."""
    broken = tmp_path / "broken"
    process = run_tiny(broken, cache, seconds_a_step=0.2)
    wait_for_line(process, broken, step=12)
    process.kill()
    process.communicate()
    assert not (broken / "results.json").exists()
    done = saved_steps(broken)[-1]
    assert done in (5, 10, 15)

    output, _ = (again := run_tiny(broken, cache)).communicate(timeout=120)
    assert again.returncode == 0, output
    assert f"steps {done} to 22" in output
    assert_same_runs(whole, broken, config)
    results = [(d / "results.json").read_text() for d in (whole, broken)]
    assert results[0] == results[1]


def test_a_second_training_in_a_workdir_is_refused_and_the_first_goes_on(
    config, cache, whole, tmp_path
):
    """It may be evaluated meanwhile; killed, it leaves the way free."""
    workdir = tmp_path / "run"
    process = run_tiny(workdir, cache, seconds_a_step=0.5)
    wait_for(process, (workdir / "checkpoints" / "5").exists)
    with pytest.raises(InputError, match=f"another process is .*process {process.pid}"):
        train(config, workdir)
    assert evaluate(config, workdir)["step"] < 22
    assert process.poll() is None
    process.kill()
    process.communicate()
    train(config, workdir)
    assert_same_runs(whole, workdir, config)
    assert not list(workdir.glob(".*"))


def test_two_new_runs_of_one_workdir_meet(config, whole, tmp_path, monkeypatch):
    """Both find none there; the one that comes later finds the other one's."""
    begun = shutil.copytree(whole, tmp_path / "begun")
    begin = train_module._begin

    def late(config, workdir, *others):
        begun.rename(workdir)
        return begin(config, workdir, *others)

    monkeypatch.setattr(train_module, "_begin", late)
    config.seed = 1
    with pytest.raises(UsageError, match=r"seed \(0 there, 1 here\)"):
        train(config, tmp_path / "run")
    assert saved_steps(tmp_path / "run") == saved_steps(whole)


@pytest.mark.parametrize("name", ["faces [2024]", "a\\b", os.fsdecode(b"a\nb\xff")])
def test_a_workdir_of_any_name_is_a_run(config, whole, tmp_path, name):
    """And a copy of it under a plain name, too."""
    workdir = tmp_path / name / "run"
    results = train(config, workdir)
    assert_same_runs(whole, workdir, config)
    assert evaluate(None, workdir) == results
    images = np.zeros((1, 32, 32, 3), np.uint8)
    expected = cl_facenet.load(workdir)(images)
    shutil.copytree(workdir, tmp_path / "plain")
    np.testing.assert_array_equal(cl_facenet.load(tmp_path / "plain")(images), expected)


def test_asked_to_end_it_saves_and_nothing_is_different_in_the_end(
    config, cache, whole, tmp_path
):
    """SIGTERM, as before a machine is taken away: also within a line of metrics."""
    broken = tmp_path / "broken"
    process = run_tiny(broken, cache, seconds_a_step=0.2)
    wait_for_line(process, broken, step=6)
    asked = time.monotonic()
    process.terminate()
    output, _ = process.communicate(timeout=60)
    assert process.returncode == 0, output
    assert time.monotonic() - asked < 10
    done = saved_steps(broken)[-1]
    assert f"stopped by SIGTERM at step {done} of 22" in output
    assert not (broken / "results.json").exists()

    output, _ = (again := run_tiny(broken, cache)).communicate(timeout=120)
    assert again.returncode == 0, output
    assert f"steps {done} to 22" in output
    assert_same_runs(whole, broken, config)


@pytest.mark.parametrize("damage", ["cut short", "garbled", "lost"])
def test_a_damaged_checkpoint_is_passed_over(config, whole, tmp_path, capsys, damage):
    """For the one before it, by a warning that names it; the end is the same."""
    broken = shutil.copytree(whole, tmp_path / "broken")
    *_, before, last = saved_steps(broken)
    (broken / "results.json").unlink()
    files = [p for p in (broken / "checkpoints" / str(last)).rglob("*") if p.is_file()]
    largest = max(files, key=lambda path: path.stat().st_size)
    content = largest.read_bytes()
    if damage == "cut short":
        largest.write_bytes(content[: len(content) // 2])
    elif damage == "garbled":
        largest.write_bytes(bytes(b ^ 0x55 for b in content))
    else:
        largest.unlink()
    capsys.readouterr()
    train(config, broken)
    says = capsys.readouterr().err
    assert f"checkpoints/{last} is damaged" in says
    assert f"steps {before} to {last}" in says
    assert saved_steps(broken) == [before, last]
    assert_same_runs(whole, broken, config)
    gc.collect()


def test_no_checkpoint_that_can_be_read_is_an_error(config, whole, tmp_path):
    broken = shutil.copytree(whole, tmp_path / "broken")
    (broken / "results.json").unlink()
    for path in (broken / "checkpoints").rglob("*"):
        if path.is_file():
            path.write_bytes(b"")
    with pytest.raises(InputError, match=r"no checkpoint that can be read: .*/22 is"):
        train(config, broken)
    gc.collect()


def test_going_on_compiles_no_other_step(config, whole, tmp_path):
    """A restored state is as a new one: for what is bound to a device it is another."""
    checkpoints = shutil.copytree(whole / "checkpoints", tmp_path / "checkpoints")
    like = fresh_state(config)
    with closing(Checkpoints(checkpoints)) as opened:
        restored, _ = opened.restore(like=like)
    bound = [(x.committed, y.committed) for x, y in pairs_of_leaves(like, restored)]
    assert set(bound) == {(False, False)}


def test_a_config_as_it_was_written_is_trained_and_evaluated(cache, tiny, tmp_path):
    """By names of places, too; the config itself is not changed."""
    config = unresolved_config(cache, num_epochs=2, batch_size=8)
    written = config.to_dict()
    results = train(config, str(tmp_path / "run"))
    assert evaluate(config, str(tmp_path / "run"))["data"] == results["data"]
    assert train(config, tmp_path / "run") == results  # it is finished
    assert config.to_dict() == written
    assert json.loads((tmp_path / "run/config.json").read_text())["center"] == {
        **{"rule": "paper", "weight": 1.0, "alpha": 0.5, "on": "embedding"}
    }


@pytest.mark.parametrize("used_by", [train, evaluate])
@pytest.mark.parametrize(
    ("key", "value"), [("loss.name", "hinge"), ("batch_size", 0), ("loss.margin", 0.5)]
)
def test_an_invalid_config_is_refused_as_at_the_shell(used_by, key, value, tmp_path):
    config = unresolved_config(tmp_path)
    config.update_from_flattened_dict({key: value})
    with pytest.raises(UsageError, match=f"^{key} is '?{value}"):
        used_by(config, tmp_path / "run")
    assert not (tmp_path / "run").exists()


def test_a_workdir_of_another_config_is_refused(config, tmp_path):
    train(config, tmp_path)
    config.center.alpha = 0.25
    with pytest.raises(UsageError, match=r"center.alpha \(0.5 there, 0.25 here\)"):
        train(config, tmp_path)


def test_a_loss_that_is_not_finite_stops_and_is_not_kept(config, tmp_path, monkeypatch):
    def bad(given, margin):
        return np.nan * given.outputs["logits"].sum(), {}

    monkeypatch.setitem(LOSSES, "softmax", Loss("dense", None, bad))
    with pytest.raises(InputError, match=r"not finite at step 1: .*identity_loss nan"):
        train(config, tmp_path)
    assert not (tmp_path / "results.json").exists()
    assert (tmp_path / "metrics.jsonl").read_text() == ""
    assert not [p for p in (tmp_path / "checkpoints").iterdir() if p.name.isdigit()]


def test_parameters_that_overflow_are_not_kept(config, tmp_path):
    """Loss and gradient of the step are fine; what it makes of them is not."""
    config.optimizer.update(name="sgd", epsilon=None)  # adam's, of a resolved config
    config.optimizer.schedule = "constant"
    config.optimizer.learning_rate = config.optimizer.weight_decay = 2e9
    config.optimizer.momentum = 0.0
    config.model.embedding_size = 128  # whose squares are more than a float32 holds
    config.optimizer.warmup_epochs = 0.0
    config.log_every_steps = config.checkpoint_every_steps = 1
    with pytest.raises(InputError, match=r"at step 1: parameter_norm inf"):
        train(config, tmp_path)
    assert not [p for p in (tmp_path / "checkpoints").iterdir() if p.name.isdigit()]


def test_a_run_can_be_evaluated_before_its_end_and_goes_on(
    config, cache, whole, tmp_path
):
    halted = tmp_path / "halted"
    process = run_tiny(halted, cache, seconds_a_step=0.2)
    wait_for(process, (halted / "checkpoints" / "5").exists)
    process.kill()
    process.communicate()
    results = evaluate(config, halted)
    assert results["step"] < results["num_steps"] == 22
    train(config, halted)
    assert_same_runs(whole, halted, config)


def test_changed_photos_are_refused(config, tmp_path):
    folder_of_faces(tmp_path / "faces", people=6, photos=5)
    use_data(config, "folder", tmp_path / "faces")
    config.num_epochs = 2
    train(config, tmp_path / "run")
    (tmp_path / "run" / "results.json").unlink()
    (tmp_path / "faces" / "person 3").rename(tmp_path / "faces" / "someone else")
    for mode in (train, evaluate):
        with pytest.raises(InputError, match="the photos have changed"):
            mode(config, tmp_path / "run")


def test_what_would_fail_at_the_end_fails_before_the_training(config, tmp_path):
    (tmp_path / "curve.txt").write_text("0 0\nnot a point\n")
    config.report.published_roc = (str(tmp_path / "curve.txt"),)
    with pytest.raises(InputError, match=r"curve\.txt:2"):
        train(config, tmp_path / "run")
    config.report.published_roc = ()
    config.data.photos_per_person = 1  # six people a batch, and there are four
    with pytest.raises(InputError, match="photos_per_person"):
        train(config, tmp_path / "run")
    assert not (tmp_path / "run").exists()


def test_balanced_batches_and_published_curves(config, tmp_path):
    (tmp_path / "curve.txt").write_text("0 0\n0.9 0.1\n1 1\n")
    config.report.published_roc = (str(tmp_path / "curve.txt"),)
    config.data.photos_per_person = 2
    train(config, tmp_path / "run")
    rows = read_metrics(tmp_path / "run/metrics.jsonl")
    assert {row["train/people_per_batch"] for row in rows} == {3.0}


def test_a_machine_s_own_keys_may_change(config, whole, tmp_path):
    run = shutil.copytree(whole, tmp_path / "run")
    config.data.num_threads = 1
    config.data.cache_dir = str(tmp_path / "other cache")
    assert evaluate(config, run)["step"] == 22


def test_nobody_for_verification_and_nothing_held_out(config, tmp_path):
    config.data.verification_share = config.data.heldout_share = 0.0
    config.num_epochs = 1
    results = train(config, tmp_path)
    assert results["classification"] is None
    assert results["verification"] is None
    assert results["calibration"] is None
    assert len(results["data"]["train_people"]) == 6


def test_evaluating_nothing_is_an_error_and_leaves_nothing(config, tmp_path):
    with pytest.raises(InputError, match="not the directory of a run"):
        evaluate(config, tmp_path / "run")
    assert not (tmp_path / "run").exists()


def test_averages_are_what_is_evaluated_and_embeds(config, tmp_path):
    """And what a run that begins with them begins its own average with."""
    config.optimizer.average_decay = 0.9
    train(config, tmp_path / "run")
    like = fresh_state(config)
    parts = {"params": like.params, "average": like.average}
    state, _ = restore_parts(tmp_path / "run" / "checkpoints", parts)
    embedder = cl_facenet.load(tmp_path / "run")
    averaged = cl_facenet.drop_head(state["average"]["params"])
    jax.tree.map(np.testing.assert_array_equal, embedder.params["params"], averaged)
    last = state["params"]["embedding"]["kernel"]
    assert not np.array_equal(averaged["embedding"]["kernel"], last)
    config.init_from = str(tmp_path / "run")
    config.optimizer.learning_rate = 0.0
    train(config, tmp_path / "second")
    second = cl_facenet.load(tmp_path / "second")
    for one, other in pairs_of_leaves(second.params["params"], averaged):
        np.testing.assert_allclose(one, other, rtol=1e-5, atol=1e-7)


def test_people_made_of_two(config, tmp_path):
    """They have classes and centers of their own, and nothing else knows of them."""
    people = folder_of_faces(tmp_path / "people", people=8, photos=5)
    for photo in people.glob("*/*.jpg"):
        with Image.open(photo) as image:
            image.resize((32, 32)).save(photo)
    prepared_as = Preprocessing("dlib5", 32).describe()
    (people / PREPARED_AS).write_text(json.dumps(prepared_as))
    use_data(config, "folder", people)
    config.data.composites.people, config.data.composites.photos = 5, 3
    config.num_epochs, workdir = 2, tmp_path / "run"
    results = train(config, workdir)
    assert results["step"] == 2 * (6 * 4 + 5 * 3) // 6  # a fifth of five is held out
    assert results["classification"]["num_classes"] == 6
    assert len(results["data"]["train_people"]) == 6
    like = {"center_state": {"centers": jax.ShapeDtypeStruct((11, 8), np.float32)}}
    parts, _ = restore_parts(workdir / "checkpoints", like)
    centers = parts["center_state"]["centers"]
    assert np.abs(centers).sum(1).all()  # all have moved from zero
    crop = np.zeros((1, 32, 32, 3), np.uint8)
    assert cl_facenet.load(workdir)(crop, prepared_as=prepared_as).shape == (1, 8)


def test_people_made_of_two_of_photos_that_are_not_aligned(config, tmp_path):
    config.data.composites.people = 5
    with pytest.raises(InputError, match="aligned by dlib5 or dlib5_head"):
        train(config, tmp_path / "run")
    assert not (tmp_path / "run").exists()
