"""Batch normalisation as Torch has it, and the units around it."""

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from cl_facenet.models import layers
from cl_facenet.models.rows import Rows


def normal(seed, *shape):
    return np.random.default_rng(seed).normal(size=shape).astype(np.float32)


class TestBatchNormReLU:
    bn = layers.BatchNormReLU()
    conv_bias = normal(9, 5)

    def run(self, x, mask=None, train=True):
        rows = Rows(np.ones(len(x), bool) if mask is None else mask)
        args = (x, self.conv_bias, rows)
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

    def test_epsilon_is_under_the_root_in_training_and_in_evaluation(self):
        x, rows = normal(0, 4, 3, 2, 5), Rows(np.ones(4, bool))
        bn = layers.BatchNormReLU(epsilon=0.5)
        variables = bn.init(jax.random.key(0), x, self.conv_bias, rows, train=True)
        y, _ = bn.apply(
            variables, x, self.conv_bias, rows, train=True, mutable=["batch_stats"]
        )
        expected = (x - x.mean((0, 1, 2))) / np.sqrt(x.var((0, 1, 2)) + 0.5)
        np.testing.assert_allclose(y, np.maximum(expected, 0), atol=1e-5)
        y = bn.apply(variables, x, self.conv_bias, rows, train=False)
        expected = (x + self.conv_bias) / np.sqrt(1 + 0.5)
        np.testing.assert_allclose(y, np.maximum(expected, 0), rtol=1e-5, atol=1e-6)


class TestConvBN:
    x, rows = normal(0, 2, 6, 8, 3), Rows(np.ones(2, bool))

    def params(self, unit):
        return unit.init(jax.random.key(0), self.x, self.rows, train=False)["params"]

    def test_a_bias_starts_where_it_is_told_to_or_is_not_there(self):
        assert "bias" not in self.params(layers.ConvBN(5, 3, bias=None))["conv"]
        bias = self.params(layers.ConvBN(5, 3, bias=0.2))["conv"]["bias"]
        np.testing.assert_allclose(bias, 0.2)

    def test_without_a_bias_it_is_as_with_a_bias_of_zero(self):
        with_bias, without = layers.ConvBN(5, 3), layers.ConvBN(5, 3, bias=None)
        variables = with_bias.init(jax.random.key(0), self.x, self.rows, train=False)
        bare = jax.tree.map(jnp.copy, variables)
        del bare["params"]["conv"]["bias"]
        for train in (False, True):
            ours, theirs = (
                unit.apply(v, self.x, self.rows, train=train, mutable=["batch_stats"])
                for unit, v in ((without, bare), (with_bias, variables))
            )
            jax.tree.map(np.testing.assert_array_equal, ours, theirs)

    @pytest.mark.parametrize(("kernel", "height"), [((1, 7), 1), ((7, 1), 7)])
    def test_a_kernel_of_two_sizes_keeps_the_map(self, kernel, height):
        unit = layers.ConvBN(5, kernel, padding="half")
        y, variables = unit.init_with_output(
            jax.random.key(0), self.x, self.rows, train=False
        )
        assert y.shape == (2, 6, 8, 5)
        assert variables["params"]["conv"]["kernel"].shape == (height, 8 - height, 3, 5)


@pytest.mark.parametrize(
    ("pad", "kernel", "stride", "expected"),
    [
        (2, 5, 1, 2),
        ("half", 7, 2, ((3, 3), (3, 3))),
        ("half", (1, 7), 1, ((0, 0), (3, 3))),
        ("same", 7, 2, ((2, 3), (3, 3))),  # of 12 rows and 9 columns
        ("same", (3, 1), 1, ((1, 1), (0, 0))),
    ],
)
def test_paddings_by_name(pad, kernel, stride, expected):
    x = jnp.zeros((1, 12, 9, 1))
    assert layers.padding_of(pad, x, kernel, stride) == expected


@pytest.mark.parametrize(
    ("init", "std", "bound"),
    [
        (layers.torch_uniform, (3 * 900) ** -0.5, 900**-0.5),
        (layers.xavier_uniform, 900**-0.5, (3 / 900) ** 0.5),
        (layers.he_normal, (2 / 900) ** 0.5, np.inf),
    ],
    ids=["torch", "xavier", "he"],
)
def test_starting_values(init, std, bound):
    weights = init(jax.random.key(0), (3, 3, 100, 100))
    assert np.std(weights) == pytest.approx(std, rel=0.02)
    assert np.abs(weights).max() <= bound


class Pair(nn.Module):
    """Two units on one map: jointly, or one after the other."""

    together: bool

    @nn.compact
    def __call__(self, x, rows, *, train):
        units = [
            layers.ConvBN(5, 3, padding=1, name="one"),
            layers.ConvBN(2, 3, padding=1, bias=None, name="other"),
        ]
        if self.together:
            return layers.jointly(units, x, rows, train=train)
        return [unit(x, rows, train=train) for unit in units]


@pytest.mark.parametrize("train", [False, True])
def test_units_jointly_are_the_units(train):
    x, rows = normal(0, 4, 6, 8, 3), Rows(np.arange(4) < 3)
    variables = Pair(together=False).init(jax.random.key(0), x, rows, train=True)
    variables = jax.tree.map(lambda v: v + 0.1 * normal(1, *v.shape) ** 2, variables)

    def run(together):
        def loss(params):
            maps, updates = Pair(together).apply(
                variables | {"params": params},
                x,
                rows,
                train=train,
                mutable=["batch_stats"],
            )
            total = sum(jnp.sum(m[:3] * normal(2, *m.shape)[:3]) for m in maps)
            return total, (maps, updates)

        return jax.value_and_grad(loss, has_aux=True)(variables["params"])

    together, apart = run(True), run(False)
    assert jax.tree.structure(together) == jax.tree.structure(apart)
    jax.tree.map(
        lambda a, b: np.testing.assert_allclose(a, b, rtol=1e-4, atol=1e-4),
        together,
        apart,
    )
