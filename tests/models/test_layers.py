"""Batch normalisation as Torch has it."""

import jax
import numpy as np

from cl_facenet.models import layers


def normal(seed, *shape):
    return np.random.default_rng(seed).normal(size=shape).astype(np.float32)


class TestBatchNormReLU:
    bn = layers.BatchNormReLU()
    conv_bias = normal(9, 5)

    def run(self, x, mask=None, train=True):
        mask = np.ones(len(x), bool) if mask is None else mask
        args = (x, self.conv_bias, mask)
        variables = self.bn.init(jax.random.key(0), *args, train=True)
        y, updates = self.bn.apply(
            variables, *args, train=train, mutable=["batch_stats"]
        )
        return y, updates["batch_stats"]

    def test_batch_is_normalised_by_its_biased_variance(self):
        x = normal(0, 4, 3, 2, 5)
        y, _ = self.run(x)
        expected = (x - x.mean((0, 1, 2))) / np.sqrt(x.var((0, 1, 2)) + 1e-5)
        np.testing.assert_allclose(y, np.maximum(expected, 0), atol=1e-5)

    def test_running_statistics_are_torch_s_those_of_x_plus_bias(self):
        x = normal(0, 4, 3, 2, 5)
        _, stats = self.run(x)
        mean = x.mean((0, 1, 2)) + self.conv_bias
        unbiased = x.var((0, 1, 2), ddof=1)
        np.testing.assert_allclose(stats["mean"], 0.1 * mean, atol=1e-6)
        np.testing.assert_allclose(stats["var"], 0.9 + 0.1 * unbiased, rtol=1e-5)

    def test_padded_rows_count_for_nothing(self):
        x = normal(0, 4, 3, 2, 5)
        padded = np.concatenate([x, np.full((3, 3, 2, 5), 1e3, np.float32)])
        (y, stats), (alone, alone_stats) = (
            self.run(padded, np.arange(7) < 4),
            self.run(x),
        )
        np.testing.assert_allclose(y[:4], alone, atol=1e-5)
        for name in ("mean", "var"):
            np.testing.assert_allclose(stats[name], alone_stats[name], rtol=1e-5)

    def test_a_large_mean_costs_no_digits(self):
        x = normal(0, 64, 3, 3, 5)
        np.testing.assert_allclose(self.run(x + 1e3)[0], self.run(x)[0], atol=2e-3)

    def test_evaluation_uses_the_running_statistics(self):
        x = normal(0, 4, 3, 2, 5)
        y, stats = self.run(x, train=False)
        expected = (x + self.conv_bias) / np.sqrt(1 + 1e-5)
        np.testing.assert_allclose(y, np.maximum(expected, 0), rtol=1e-5, atol=1e-6)
        np.testing.assert_array_equal(stats["mean"], 0)
