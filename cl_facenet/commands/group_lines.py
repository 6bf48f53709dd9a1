"""Errors by groups as lines of text."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from cl_facenet.errors import printable

# Of each measure its name, the pairs it is of, the wrong ones, how many digits tell.
_MEASURES = {
    "false_non_match_rate": (
        *("false non-match", "num_same_pairs", "num_called_different", 3),
    ),
    "false_match_rate": ("false match", "num_different_pairs", "num_called_same", 5),
    "auc": ("AUC", None, None, 3),
}
_LAYOUT = "{:<15} {:<28} {:<33} {:>20}"

Content = Mapping[str, Any]


def group_lines(groups: Content) -> Iterator[str]:
    """Yields the lines for the `groups` object of `benchmark`'s results."""
    overall, of = groups["overall"], groups["of"]
    yield (
        f"by the groups of {printable(groups['file'])}, on all pairs of "
        f"{_photos(overall)} never trained on"
    )
    yield f"the same person below {_threshold(groups['threshold'])}"
    if groups["num_unknown"]:
        yield f"rows of the file of a {of} not tested on: {groups['num_unknown']:,}"
    yield from _table({"overall": overall})
    for name, grouping in groups["groupings"].items():
        across = grouping["across_groups"]
        empty, missing = grouping["num_photos_empty"], grouping["num_photos_missing"]
        yield ""
        yield (
            f"{printable(name)}: stated of {_photos(across)}; of {empty:,} empty, of "
            f"{missing:,} no row"
        )
        yield from _table(grouping["groups"] | {"across groups": across})
    yield ""
    yield (
        "Everyone counts once, with however many photos, but where pairs are counted. "
        "The rest:"
    )
    yield (
        "pairs inside of any one other group of the column. Intervals: 95 %, people "
        f"drawn anew {groups['num_draws']:,}"
    )
    yield (
        f"times; none for under {groups['min_people']} people, nor where all or none "
        "of the pairs are wrong. *: 0 is outside,"
    )
    yield f"as by chance alone 1 of 20 would have it; {_compared(groups)} are compared."


def _photos(found: Content) -> str:
    return f"{found['num_photos']:,} photos of {found['num_people']:,} people"


def _table(groups: Content) -> Iterator[str]:
    """Yields three lines for each group, and their head."""
    width = max(16, *(len(printable(name)) for name in groups))
    heads = ("measure", "value (interval)", "less the rest's", "wrong of pairs")
    yield f"{'group':<{width}} {_LAYOUT.format(*heads)}"
    for name, found in groups.items():
        people, photos = f"{found['num_people']:,} people", f"{found['num_photos']:,}"
        about = (printable(name), people, f"{photos} photos")
        for head, measure in zip(about, _MEASURES, strict=True):
            called, pairs, errors, digits = _MEASURES[measure]
            cells = (
                called,
                _value(found[measure], digits),
                _difference(found[measure], digits),
                f"{found[errors]:,} of {found[pairs]:,}" if pairs else "",
            )
            yield f"{head:<{width}} {_LAYOUT.format(*cells)}".rstrip()


def _threshold(threshold: Content) -> str:
    values = " and ".join(f"{value:.4f}" for value in threshold["values"])
    if threshold["of"] == "model":
        rate = threshold["false_accept_rate"]
        return (
            f"{values}, the model's own threshold for a false-accept rate of {rate:g}"
        )
    return f"{values}, the best threshold of the protocol's pairs"


def _value(measured: Content, digits: int) -> str:
    if measured["value"] is None:
        return "nothing to measure"
    return _with_interval(measured["value"], measured["interval"], f".{digits}f")


def _difference(measured: Content, digits: int) -> str:
    difference, interval = measured["difference"], measured["difference_interval"]
    if difference is None:
        return ""
    star = " *" if interval and not interval[0] <= 0 <= interval[1] else ""
    return _with_interval(difference, interval, f"+.{digits}f") + star


def _with_interval(value: float, interval: Sequence[float] | None, spec: str) -> str:
    if interval is None:
        return f"{value:{spec}}"
    low, high = interval
    return f"{value:{spec}} ({low:{spec}} to {high:{spec}})"


def _compared(groups: Content) -> int:
    return sum(
        found[measure]["difference_interval"] is not None
        for grouping in groups["groupings"].values()
        for found in grouping["groups"].values()
        for measure in _MEASURES
    )
