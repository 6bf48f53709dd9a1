"""metrics.jsonl: means of intervals, late, without gaps or doubles."""

import json

import jax.numpy as jnp
import pytest

from cl_facenet import metrics
from cl_facenet.errors import InputError
from cl_facenet.metrics import MetricsLog, read_metrics


def log_of(path, *, start_step=0, num_steps=5, **options):
    return MetricsLog(
        path,
        start_step=start_step,
        num_steps=num_steps,
        every_steps=2,
        batch_size=4,
        **options,
    )


def write(path, steps, **options):
    log = log_of(path, **options)
    for step in steps:
        log.add(step, {"loss": jnp.float32(step)}, learning_rate=0.5)
    log.flush()
    log.close()


def test_rows_are_means_of_every_interval_and_of_the_rest(tmp_path):
    path = tmp_path / "metrics.jsonl"
    write(path, range(1, 6))
    rows = read_metrics(path)
    assert [(row["step"], row["train/loss"]) for row in rows] == [
        *((2, 1.5), (4, 3.5), (5, 5.0))
    ]
    assert all(row["train/learning_rate"] == 0.5 for row in rows)
    assert all(row["train/photos_per_second"] > 0 for row in rows)


def test_metrics_are_fetched_a_step_late(tmp_path):
    log = log_of(tmp_path / "metrics.jsonl")
    log.add(1, {"loss": jnp.float32(1)})
    assert log.latest == {}
    log.add(2, {"loss": jnp.float32(2)})
    assert log.latest == {"loss": 1}
    log.flush()
    assert log.latest == {"loss": 2}
    log.close()


def test_speed_and_waiting_are_of_the_time_since_the_row_before(tmp_path, monkeypatch):
    seconds = 0.0
    monkeypatch.setattr(metrics, "perf_counter", lambda: seconds)
    log = log_of(tmp_path / "metrics.jsonl", num_steps=4)
    for step, (waiting, computing) in enumerate([(1, 0), (2, 5), (0, 1), (0, 1)], 1):
        with log.waiting_for_data():
            seconds += waiting
        seconds += computing
        log.add(step, {"loss": jnp.float32(1)})
    log.flush()
    log.close()
    # A row is written when the step after it has been started, or by a flush.
    first, last = read_metrics(tmp_path / "metrics.jsonl")
    assert first["train/data_wait_share"] == 3 / 9
    assert first["train/photos_per_second"] == 2 * 4 / 9
    assert last["train/data_wait_share"] == 0
    assert last["train/photos_per_second"] == 2 * 4 / 1


def test_going_on_drops_the_rows_that_will_be_done_again(tmp_path):
    path = tmp_path / "metrics.jsonl"
    write(path, range(1, 6))
    write(path, range(3, 6), start_step=2)
    assert [row["step"] for row in read_metrics(path)] == [2, 4, 5]


def test_a_row_cut_short_by_a_crash_is_dropped(tmp_path):
    path = tmp_path / "metrics.jsonl"
    write(path, range(1, 5), num_steps=9)
    path.write_text(path.read_text()[:-10])
    assert [row["step"] for row in read_metrics(path)] == [2]
    write(path, range(3, 5), start_step=2, num_steps=9)
    assert [row["step"] for row in read_metrics(path)] == [2, 4]


def test_what_is_not_finite_is_named(tmp_path):
    log = log_of(tmp_path / "metrics.jsonl")
    nan, inf = jnp.float32("nan"), jnp.float32("inf")
    bad = {"loss": nan, "center_loss": 1.0, "identity_loss": nan, "gradient_norm": inf}
    log.add(7, bad)
    with pytest.raises(
        InputError,
        match="not finite at step 7: identity_loss nan, loss nan, gradient_norm inf;",
    ):
        log.flush()
    log.close()


def test_an_undefined_ratio_is_left_out_of_the_mean(tmp_path):
    path = tmp_path / "metrics.jsonl"
    log = log_of(path, num_steps=4)
    for step, ratio in enumerate((0.5, float("nan"), float("nan"), float("nan")), 1):
        log.add(step, {"ratio": jnp.float32(ratio)})
    log.flush()
    log.close()
    first, second = read_metrics(path)
    assert first["train/ratio"] == 0.5
    assert "train/ratio" not in second


def test_bad_steps_are_left_out_up_to_so_many_in_a_row(tmp_path, capsys):
    path = tmp_path / "metrics.jsonl"
    log = log_of(path, max_bad_steps=2)
    nan = float("nan")
    for step, loss in enumerate((1.0, nan, 3.0, nan, nan), 1):
        log.add(step, {"loss": jnp.float32(loss), "gradient_norm": jnp.float32(1)})
    log.flush()
    said = capsys.readouterr().err.splitlines()
    assert said == [
        f"not finite at step {step}: loss nan; the step is left out"
        for step in (2, 4, 5)
    ]
    assert [row["train/loss"] for row in read_metrics(path)[:2]] == [1.0, 3.0]
    log.add(6, {"loss": jnp.float32(nan)})  # the third in a row
    with pytest.raises(InputError, match="not finite at step 6: loss nan; training"):
        log.flush()
    log.close()


def test_without_a_path_nothing_is_written(tmp_path):
    log = log_of(None)
    for step in (1, 2):
        log.add(step, {"loss": jnp.float32(step)})
    log.flush()
    log.close()
    assert log.latest == {"loss": 2}
    assert not list(tmp_path.iterdir())


def test_a_collapse_is_warned_of_once(tmp_path, capsys):
    log = log_of(tmp_path / "metrics.jsonl", num_steps=8)
    for step in range(1, 9):
        log.add(step, {"effective_rank": jnp.float32(1)})
    log.flush()
    log.close()
    said = capsys.readouterr().err.splitlines()
    assert len(said) == 1
    assert said[0].startswith("the embedding tells nobody apart at step 2 of 8")


ROWS = [{"step": step, "train/loss": step / 2} for step in (2, 4, 6)]
WHOLE = [json.dumps(row).encode() + b"\n" for row in ROWS]


@pytest.mark.parametrize(
    ("content", "kept", "damaged"),
    [
        (b"".join(WHOLE), 3, 0),
        (WHOLE[0] + WHOLE[1][:9] + b"\n" + WHOLE[2], 2, 1),
        (WHOLE[0] + WHOLE[1] + WHOLE[2][:9], 2, 1),
        (WHOLE[0] + b"\0" * 600 + WHOLE[1] + WHOLE[2] + b"\0" * 600, 3, 0),
        (WHOLE[0] + b"\xff\xfe\x80\n" + WHOLE[1] + b"\n\n" + WHOLE[2], 3, 1),
        (b"[]\n5\nnull\n{}\n" + b"[" * 100_000 + b"\n" + b"".join(WHOLE), 3, 5),
    ],
)
def test_every_whole_row_is_kept(tmp_path, capsys, content, kept, damaged):
    """What is damaged is counted, and what follows it stays; also by going on."""
    path = tmp_path / "metrics.jsonl"
    path.write_bytes(content)
    rows = read_metrics(path)
    assert len(rows) == kept
    assert all(row in ROWS for row in rows)
    says = capsys.readouterr().err
    assert ("left out" in says) == bool(damaged)
    assert f"{damaged} of {kept + damaged} lines are damaged" in says or not damaged
    log_of(path, start_step=6).close()
    assert read_metrics(path) == rows
