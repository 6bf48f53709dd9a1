"""The identity losses against naive loops."""

import numpy as np
import pytest

from cl_facenet.losses import softmax_cross_entropy


def test_softmax_cross_entropy_against_a_loop():
    rng = np.random.default_rng(0)
    logits = 10 * rng.normal(size=(6, 4))
    labels, mask = rng.integers(0, 4, 6), np.array([1, 1, 0, 1, 1, 0], bool)
    losses = []
    for i in np.flatnonzero(mask):
        p = np.exp(logits[i]) / np.exp(logits[i]).sum()
        losses.append(-np.log(p[labels[i]]))
    loss = softmax_cross_entropy(logits.astype(np.float32), labels, mask)
    assert loss == pytest.approx(np.mean(losses), rel=1e-5)


def test_huge_logits_are_safe():
    logits = np.array([[1e4, -1e4]], np.float32)
    loss = softmax_cross_entropy(logits, np.array([1]), np.ones(1, bool))
    assert loss == pytest.approx(2e4)
