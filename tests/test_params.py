"""Surgery on trees."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from cl_facenet import drop_head
from cl_facenet.errors import InputError
from cl_facenet.params import count, leaves, merge, nested

PARAMS = {
    "trunk": {"conv": {"kernel": np.ones((3, 3)), "bias": np.ones(3)}},
    "embedding": {"kernel": np.ones((3, 2))},
    "logits": {"kernel": np.ones((2, 5))},
}


def test_drop_head_drops_the_head_alone_and_copies_nothing():
    dropped = drop_head(PARAMS)
    assert list(dropped) == ["trunk", "embedding"]
    assert dropped["trunk"] is PARAMS["trunk"]
    assert "logits" in PARAMS
    assert drop_head(dropped) == dropped


def test_drop_head_of_something_else_is_an_error():
    with pytest.raises(KeyError, match="no 'embedding'"):
        drop_head({"params": PARAMS})


def test_leaves_and_count():
    assert [path for path, _ in leaves(PARAMS)] == [
        "trunk/conv/kernel",
        "trunk/conv/bias",
        "embedding/kernel",
        "logits/kernel",
    ]
    assert count(PARAMS) == 9 + 3 + 6 + 10


names = st.sampled_from("abc")
arrays = st.lists(st.integers(0, 2), max_size=2).map(np.zeros)
trees = st.dictionaries(
    names,
    st.recursive(arrays, lambda inner: st.dictionaries(names, inner, max_size=3)),
    max_size=3,
)


def numbered(tree):
    """The same tree, each array full of a number of its own."""
    places = {path: place for place, (path, _) in enumerate(leaves(tree))}
    return jax.tree_util.tree_map_with_path(
        lambda path, x: np.full(
            x.shape, places[jax.tree_util.keystr(path, simple=True, separator="/")]
        ),
        tree,
    )


@given(trees)
def test_nested_is_the_way_back_from_leaves(tree):
    arrays = dict(leaves(tree))
    assert dict(leaves(nested(arrays))) == arrays


@given(trees)
def test_merge_takes_every_array_to_its_place(tree):
    """Whatever the tree: also one with empty dicts in it, or nothing."""
    wanted = numbered(tree)
    merged = merge(wanted, tree, source="s")
    assert jax.tree.structure(merged.tree) == jax.tree.structure(tree)
    jax.tree.map(np.testing.assert_array_equal, merged.tree, wanted)
    assert merged.given == tuple(path for path, _ in leaves(tree))
    assert merged.fresh == ()


@given(trees, trees)
def test_merge_takes_all_or_names_all_that_is_wrong(there, here):
    theirs, ours = dict(leaves(there)), dict(leaves(here))
    wrong = (theirs.keys() ^ ours.keys()) | {
        path for path in theirs.keys() & ours if theirs[path].shape != ours[path].shape
    }
    if not wrong:
        assert set(merge(there, here, source="s").given) == set(ours)
        return
    with pytest.raises(InputError) as error:
        merge(there, here, source="s")
    message = str(error.value)
    assert message.startswith("s is not all of this model; ")
    assert "\n" not in message
    if len(wrong) <= 8:
        named = {
            word.strip(",;") for word in message.split() if word.strip(",;") in wrong
        }
        assert named == wrong


def test_merge_says_what_is_wrong_with_both_shapes():
    given = {
        "trunk": {
            "conv": {"kernel": np.ones((3, 4)), "bias": np.array([1, 2, np.inf])}
        },
        "embeding": {"kernel": np.ones((3, 2))},
        "logits": PARAMS["logits"],
    }
    with pytest.raises(InputError) as error:
        merge(given, PARAMS, source="weights.safetensors")
    assert str(error.value) == (
        "weights.safetensors is not all of this model; missing: embedding/kernel; "
        "unknown: embeding/kernel; misshapen: trunk/conv/kernel ([3, 4] there, "
        "[3, 3] here); not finite: trunk/conv/bias"
    )


def test_merge_names_a_few_of_many():
    many = {f"layer{k}": np.ones(1) for k in range(150)}
    with pytest.raises(InputError, match=r"missing: layer0, .*, layer7 and 142 more$"):
        merge({}, many, source="s")


@pytest.mark.parametrize("logits", [{}, {"logits": {"kernel": np.zeros((2, 9))}}])
def test_merge_replaces_only_what_it_is_told_to(logits):
    """The head stays that of `like`, whatever is given in its place, or not."""
    given = {name: PARAMS[name] for name in ("trunk", "embedding")} | logits
    like = jax.tree.map(np.zeros_like, PARAMS)
    merged = merge(given, like, source="s", fresh=("logits",))
    body = {"trunk/conv/kernel", "trunk/conv/bias", "embedding/kernel"}
    assert merged.tree["trunk"]["conv"]["kernel"].sum() == 9
    assert merged.tree["logits"]["kernel"] is like["logits"]["kernel"]
    assert merged.fresh == ("logits/kernel",)
    assert set(merged.given) == body
    assert list(merged.tree) == list(like)


def test_what_begins_like_a_name_is_another_name():
    tree = {"logits": np.ones(1), "logits_2": np.ones(1)}
    with pytest.raises(InputError, match=r"missing: logits_2$"):
        merge({}, tree, source="s", fresh=("logits",))


def test_merge_gives_the_types_of_like_which_may_be_abstract():
    like = {"a": jax.ShapeDtypeStruct((2,), jnp.float32)}
    merged = merge({"a": np.array([1.5, 2], np.float64)}, like, source="s").tree
    assert merged["a"].dtype == np.float32
    with pytest.raises(InputError, match="not finite: a"):
        merge({"a": np.array([1, 1e99])}, like, source="s")
