"""The triplet loss and its selections against naive loops over all triplets."""

from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cl_facenet.losses import LOSSES, Given
from cl_facenet.losses.triplets import (
    Triplets,
    any_violator,
    batch_hard,
    semi_hard,
    squared_distances,
)

few = settings(max_examples=8)  # each is compiled

MARGIN = 0.25  # exact in binary, as are the distances drawn below: ties are ties
NAMES = ("triplet_semi_hard", "triplet_batch_hard", "triplet_any_violator")
EVERY = pytest.mark.parametrize("name", NAMES)


def naive_pairs(labels, mask):
    """(a, p, its negatives) for all a != p of a person."""
    real = np.flatnonzero(mask)
    for a in real:
        negatives = [n for n in real if labels[n] != labels[a]]
        for p in real:
            if p != a and labels[p] == labels[a]:
                yield a, p, negatives


def naive_semi_hard(squares, labels, mask):
    """(a, p) -> the negatives it may have: the nearest of those semi-hard."""
    allowed = {}
    for a, p, negatives in naive_pairs(labels, mask):
        near, far = squares[a, p], squares[a, p] + MARGIN
        semi = [n for n in negatives if near < squares[a, n] < far]
        if semi:
            nearest = min(squares[a, n] for n in semi)
            allowed[a, p] = [n for n in semi if squares[a, n] == nearest]
    return allowed


def naive_any_violator(squares, labels, mask):
    """(a, p), a < p -> the negatives it may have: all that violate the margin."""
    allowed = {}
    for a, p, negatives in naive_pairs(labels, mask):
        violators = [n for n in negatives if squares[a, n] - squares[a, p] < MARGIN]
        if violators and a < p:
            allowed[a, p] = violators
    return allowed


def naive_batch_hard(squares, labels, mask):
    """a -> the positives and the negatives it may have."""
    allowed = {}
    for a, p, negatives in naive_pairs(labels, mask):
        if negatives:
            positives = [q for b, q, _ in naive_pairs(labels, mask) if b == a]
            farthest = max(squares[a, q] for q in positives)
            nearest = min(squares[a, n] for n in negatives)
            if squares[a, p] == farthest:
                own, _ = allowed.setdefault(a, ([], None))
                own.append(p)
                allowed[a] = own, [n for n in negatives if squares[a, n] == nearest]
    return allowed


def listed(triplets: Triplets) -> list[tuple[int, int, int]]:
    chosen = np.argwhere(triplets.chosen_bb)
    return [(int(a), int(p), int(triplets.negatives_bb[a, p])) for a, p in chosen]


@st.composite
def batches(draw):
    """Distances in eighths, with many ties; labels; and a mask."""
    rows, people = draw(st.sampled_from([(1, 1), (2, 1), (7, 2), (8, 3), (9, 9)]))
    rng = np.random.default_rng(draw(st.integers(0, 2**16)))
    squares = rng.integers(0, draw(st.sampled_from([4, 33])), (rows, rows)) / 8
    real_share = draw(st.sampled_from([0.0, 0.7, 1.0]))
    return (
        squares.astype(np.float32),
        rng.integers(0, people, rows).astype(np.int32),
        rng.random(rows) < real_share,
    )


@few
@given(batches())
def test_semi_hard_is_that_of_a_naive_loop(batch):
    triplets = listed(semi_hard(*batch, margin=MARGIN))
    allowed = naive_semi_hard(*batch)
    assert [(a, p) for a, p, _ in triplets] == sorted(allowed)
    assert all(n in allowed[a, p] for a, p, n in triplets)


@few
@given(batches())
def test_batch_hard_is_that_of_a_naive_loop(batch):
    triplets = listed(batch_hard(*batch))
    allowed = naive_batch_hard(*batch)
    assert [a for a, _, _ in triplets] == sorted(allowed)
    for a, p, n in triplets:
        positives, negatives = allowed[a]
        assert p in positives
        assert n in negatives


@few
@given(batches(), st.integers(0, 2**16))
def test_any_violator_is_that_of_a_naive_loop(batch, seed):
    key = jax.random.key(seed)
    triplets = listed(any_violator(*batch, margin=MARGIN, key=key))
    allowed = naive_any_violator(*batch)
    assert [(a, p) for a, p, _ in triplets] == sorted(allowed)
    assert all(n in allowed[a, p] for a, p, n in triplets)


def test_any_violator_draws_evenly_and_pairs_apart():
    """Four violators of six negatives: a quarter each, within five sigma."""
    labels, mask = np.array([0, 0, 0, 1, 1, 2, 2, 3, 3]), np.ones(9, bool)
    squares = np.full((9, 9), 1.0, np.float32)
    squares[:, 3:5] = 9.0  # too far to be drawn
    draws = 4000

    def drawn(key):
        return any_violator(squares, labels, mask, MARGIN, key).negatives_bb

    keys = jax.random.split(jax.random.key(0), draws)
    negatives = np.asarray(jax.vmap(drawn)(keys))
    of_pairs = [negatives[:, 0, 1], negatives[:, 0, 2], negatives[:, 1, 2]]
    for of_pair in of_pairs:
        counts = np.bincount(of_pair, minlength=9)
        np.testing.assert_array_equal(counts[:5], 0)
        sigma = np.sqrt(draws * 0.25 * 0.75)
        np.testing.assert_allclose(counts[5:], draws / 4, rtol=0, atol=5 * sigma)
    same = np.mean(of_pairs[0] == of_pairs[1])
    assert same == pytest.approx(0.25, abs=0.04)  # each pair has a draw of its own


def faces(seed, rows=12, people=3):
    """Unit embeddings [B, 4], labels, and a mask of all but the last two rows."""
    rng = np.random.default_rng(seed)
    x = rng.normal(size=(rows, 4)).astype(np.float32)
    x /= np.linalg.norm(x, axis=1, keepdims=True)
    return x, rng.integers(0, people, rows), np.arange(rows) < rows - 2


def term(name, x, labels, mask, margin=0.2, seed=0):
    outputs = {"embedding": jnp.asarray(x)}
    key = jax.random.key(seed)
    given_ = Given(outputs, jnp.asarray(labels), jnp.asarray(mask), jnp.int32(0), key)
    return LOSSES[name].term(given_, margin)


def selected(name, x, labels, mask, margin=0.2, seed=0):
    select = {
        "triplet_semi_hard": partial(semi_hard, margin=margin),
        "triplet_batch_hard": batch_hard,
        "triplet_any_violator": partial(
            any_violator, margin=margin, key=jax.random.key(seed)
        ),
    }[name]
    return listed(select(squared_distances(jnp.asarray(x)), labels, mask))


@EVERY
@pytest.mark.parametrize("seed", range(5))
def test_loss_and_gradient_are_the_formulas(name, seed):
    """A mean of hinges; (2/N) (n - p), (p - a), (a - n) for a, p, n of active ones."""
    x, labels, mask = faces(seed)
    triplets = selected(name, x, labels, mask)
    x64, hinges, expected = x.astype(np.float64), [], np.zeros(x.shape)
    for a, p, n in triplets:
        near, far = ((x64[a] - x64[other]) @ (x64[a] - x64[other]) for other in (p, n))
        hinges.append(max(near - far + 0.2, 0))
        if hinges[-1] > 0:
            expected[a] += 2 * (x64[n] - x64[p]) / len(triplets)
            expected[p] += 2 * (x64[p] - x64[a]) / len(triplets)
            expected[n] += 2 * (x64[a] - x64[n]) / len(triplets)
    assert triplets
    loss, metrics = term(name, x, labels, mask)
    gradient = jax.grad(lambda x: term(name, x, labels, mask)[0])(x)
    assert loss == pytest.approx(np.mean(hinges), rel=1e-5)
    np.testing.assert_allclose(gradient, expected, atol=1e-6)
    assert metrics["triplets"] == len(triplets)
    assert metrics["active_share"] == pytest.approx(np.mean(np.array(hinges) > 0))


def test_separated_triplets_count_in_the_mean_of_batch_hard():
    """Two of three people are a point each, far from all; the third is torn apart."""
    x = np.eye(4, dtype=np.float32)[[0, 0, 1, 1, 2, 3]]
    loss, metrics = term("triplet_batch_hard", x, [0, 0, 1, 1, 2, 2], np.ones(6, bool))
    assert metrics["triplets"] == 6
    assert metrics["active_share"] == pytest.approx(1 / 3)
    assert loss == pytest.approx((2 * 0.2) / 6)  # ||a - p||^2 = ||a - n||^2 = 2


@EVERY
@pytest.mark.parametrize("junk", [0.0, 1e30, np.nan])
def test_padded_rows_are_nobody(name, junk):
    """Whatever they hold, and whosever label."""
    x, labels, mask = faces(1)
    padded = np.where(mask[:, None], x, np.float32(junk))
    relabelled = np.where(mask, labels, labels[0])
    loss, metrics = term(name, padded, relabelled, mask)
    gradient = jax.grad(lambda x: term(name, x, relabelled, mask)[0])(padded)
    expected, expected_metrics = term(name, x, labels, mask)
    assert loss == float(expected)
    assert metrics == expected_metrics
    np.testing.assert_array_equal(gradient[~mask], 0)
    assert np.isfinite(gradient).all()


@EVERY
@pytest.mark.parametrize(
    ("labels", "mask"),
    [
        (np.zeros(12, int), np.ones(12, bool)),
        (np.arange(12), np.ones(12, bool)),
        (np.arange(12) % 3, np.zeros(12, bool)),
    ],
    ids=["one person", "one photo each", "nobody"],
)
def test_without_triplets_loss_and_gradient_are_zero(name, labels, mask):
    x, _, _ = faces(0)
    loss, metrics = term(name, x, labels, mask)
    assert (loss, metrics["triplets"], metrics["active_share"]) == (0, 0, 0)
    gradient = jax.grad(lambda x: term(name, x, labels, mask)[0])(x)
    np.testing.assert_array_equal(gradient, 0)


def test_once_all_are_separated_none_is_selected():
    x = np.eye(4, dtype=np.float32)[[0, 0, 1, 1]]
    for name in ("triplet_semi_hard", "triplet_any_violator"):
        loss, metrics = term(name, x, [0, 0, 1, 1], np.ones(4, bool))
        assert (loss, metrics["triplets"]) == (0, 0)


@EVERY
def test_a_nan_is_seen(name):
    """It must not pass for a batch without triplets."""
    x, labels, mask = faces(0)
    x[0] = np.nan
    loss, _ = term(name, x, labels, mask)
    assert np.isnan(loss)


@EVERY
def test_low_precision_embeddings_give_a_float32_loss(name):
    x, labels, mask = faces(0)
    loss, _ = term(name, jnp.asarray(x, jnp.bfloat16), labels, mask)
    assert loss.dtype == jnp.float32


@EVERY
def test_memory_is_that_of_pairs(name):
    """Of 512 rows: some arrays of 512 x 512 numbers, none of 512 x 512 x 512."""
    rows = 512
    lowered = jax.jit(jax.value_and_grad(lambda *given_: term(name, *given_)[0])).lower(
        jnp.zeros((rows, 128)), jnp.zeros(rows, int), jnp.ones(rows, bool)
    )
    memory = lowered.compile().memory_analysis()
    assert memory.temp_size_in_bytes < 20 * rows * rows * 4
