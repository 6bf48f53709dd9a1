"""The protocols of Labeled Faces in the Wild: who is trained on, and which pairs."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from cl_facenet.data.lfw import names_with_a, read_protocol_files
from cl_facenet.data.lfw_lists import PairList, read_pairs, read_people
from cl_facenet.data.pairs import Pairs, assign_folds, drawn_pairs, listed_pairs
from cl_facenet.data.records import Records
from cl_facenet.data.splits import Split, split_by_names

Files = Mapping[str, bytes]  # the protocol files by name
_FOLDS_OF_VIEW1 = 0  # the seed of their drawing: view 1 has none of its own
_TUNED_ON = 0  # the seed of who is, and by which pairs
_PAIRS_OF_A_PERSON = 5  # at most, to tune on


@dataclass(frozen=True)
class _Plan:
    train: Sequence[str]
    unseen: Sequence[str]
    pairs: Callable[[Files, Sequence[str]], Pairs] | None


def lfw_split(
    records: Records,
    protocol: str,
    *,
    heldout_share: float,
    min_photos: int,
    max_photos: int,
    seed: int,
) -> Split:
    """Who is trained on and which pairs are scored, by one of PROTOCOLS.

    view1: the people of peopleDevTrain.txt, and the pairs of pairsDevTest.txt.
    view1_tune: four fifths of the former, and pairs of the others as `drawn_pairs` has
    them, for choosing between recipes; the same ones whatever the seed.
    sets_1_to_5: half of view 2, the people of five sets and the pairs of folds 6 to 10;
    sets_6_to_10: the other half. a: the people whose names begin with A, which the
    Deeplearning4j tutorial's loader offers as a subset. all: everyone. The last two
    leave nobody to verify on.

    Raises:
        InputError: photos or protocol files are missing.
    """
    files = read_protocol_files(records.directory)
    plan = PROTOCOLS[protocol](files, records.people)
    split = split_by_names(
        records.labels,
        records.people,
        train=plan.train,
        unseen=plan.unseen,
        heldout_share=heldout_share,
        min_photos=min_photos,
        max_photos=max_photos,
        seed=seed,
    )
    if plan.pairs is None:
        return split
    names = records.names()
    unseen = [names[index] for index in split.unseen_indices]
    return replace(split, pairs=plan.pairs(files, unseen))


def view1_pairs(files: Files, names: Sequence[str]) -> Pairs:
    """The 1,000 pairs of pairsDevTest.txt among photos of some names, in ten folds.

    View 1 has no folds; they are drawn, so that no pair has a say in its own threshold.
    """
    pairs = _read(files, "pairsDevTest.txt")
    folds = assign_folds(pairs.same, seed=_FOLDS_OF_VIEW1)
    protocol = "LFW view 1: pairsDevTest, 10 folds"
    return listed_pairs(pairs.photos, pairs.same, folds, names=names, protocol=protocol)


def view2_pairs(
    files: Files, names: Sequence[str], folds: Sequence[int] = range(10)
) -> Pairs:
    """The 600 pairs of each of the folds, 0 to 9, of pairs.txt."""
    pairs = _read(files, "pairs.txt")
    chosen = np.flatnonzero(np.isin(pairs.folds, folds))
    which = "" if len(folds) == 10 else f", folds {folds[0] + 1} to {folds[-1] + 1}"
    return listed_pairs(
        [pairs.photos[place] for place in chosen],
        pairs.same[chosen],
        pairs.folds[chosen] - folds[0],
        names=names,
        protocol=f"LFW view 2{which}",
    )


def view1_people(files: Files) -> list[list[str]]:
    """The people of peopleDevTest.txt, in one set."""
    return _read_people(files, "peopleDevTest.txt")


def view2_people(files: Files) -> list[list[str]]:
    """The ten sets of people.txt: the pairs of a fold are of people of its set."""
    return _read_people(files, "people.txt")


def _view1(files: Files, people: Sequence[str]) -> _Plan:
    (train,), (unseen,) = _read_people(files, "peopleDevTrain.txt"), view1_people(files)
    return _Plan(train, unseen, view1_pairs)


def _view1_tune(files: Files, people: Sequence[str]) -> _Plan:
    drawn = sorted(_view1(files, people).train)
    np.random.default_rng(_TUNED_ON).shuffle(drawn)
    fifth = len(drawn) // 5
    return _Plan(drawn[fifth:], drawn[:fifth], lambda _, names: _drawn_pairs(names))


def _drawn_pairs(names: Sequence[str]) -> Pairs:
    """Pairs of photos "NAME/NAME_0001.jpg"."""
    people = [name.partition("/")[0] for name in names]
    labels = np.unique(people, return_inverse=True)[1]
    return drawn_pairs(labels, most=_PAIRS_OF_A_PERSON, seed=_TUNED_ON)


def _sets_1_to_5(files: Files, people: Sequence[str]) -> _Plan:
    first, last = _halves(files)
    return _Plan(first, last, lambda f, names: view2_pairs(f, names, range(5, 10)))


def _sets_6_to_10(files: Files, people: Sequence[str]) -> _Plan:
    first, last = _halves(files)
    return _Plan(last, first, lambda f, names: view2_pairs(f, names, range(5)))


def _halves(files: Files) -> tuple[list[str], list[str]]:
    sets = view2_people(files)
    first, last = ([n for s in half for n in s] for half in (sets[:5], sets[5:]))
    return first, last


def _a(files: Files, people: Sequence[str]) -> _Plan:
    return _Plan(names_with_a(people), (), None)


def _all(files: Files, people: Sequence[str]) -> _Plan:
    return _Plan(people, (), None)


def _read(files: Files, name: str) -> PairList:
    return read_pairs(files[name].decode(), name)


def _read_people(files: Files, name: str) -> list[list[str]]:
    return [list(people) for people in read_people(files[name].decode(), name)]


PROTOCOLS: dict[str, Callable[[Files, Sequence[str]], _Plan]] = {
    "view1": _view1,
    "view1_tune": _view1_tune,
    "sets_1_to_5": _sets_1_to_5,
    "sets_6_to_10": _sets_6_to_10,
    "a": _a,
    "all": _all,
}
