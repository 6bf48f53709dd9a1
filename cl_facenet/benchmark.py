"""Saved models scored by a published protocol, on people they were not trained on."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from cl_facenet.data.face_report import OnMissingFace
from cl_facenet.data.group_table import read_group_table
from cl_facenet.data.lfw import read_protocol_files
from cl_facenet.data.lfw_lists import PairList, read_pairs
from cl_facenet.data.lfw_splits import (
    view1_pairs,
    view1_people,
    view2_pairs,
    view2_people,
)
from cl_facenet.data.names import say_some
from cl_facenet.data.pairs import (
    NUM_FOLDS,
    Pairs,
    assign_folds,
    check_people,
    check_unseen,
    listed_pairs,
    seen,
)
from cl_facenet.data.records import Records, open_records
from cl_facenet.dataset import open_lfw
from cl_facenet.embedder import Embedder
from cl_facenet.errors import InputError, UsageError
from cl_facenet.evaluation.verification import squared_distances, verify
from cl_facenet.group_errors import gather, measure
from cl_facenet.loading import load
from cl_facenet.paths import local_path
from cl_facenet.user_cache import default_cache_dir

CHUNK = 512  # photos decoded at a time
DEFAULT_RATE = 0.01  # of false accepts, whose threshold groups are measured at


@dataclass(frozen=True)
class Model:
    """A saved model, and the names of the people it was trained on."""

    name: str
    embedder: Embedder = field(repr=False)
    people: frozenset[str] = field(repr=False)


def benchmark(
    models: Sequence[str],
    protocol: str,
    photos: str,
    cache_dir: str,
    *,
    groups: str = "",
    false_accept_rate: float | None = None,
    on_missing_face: OnMissingFace = "decline",
) -> dict[str, Any]:
    """Scores one model, or several of which each scores the folds it may.

    Args:
      models: directories of runs, or of saved embedders.
      protocol: lfw_view1, lfw_view2, or pairs:FILE.
      photos: what pairs:FILE names photos of: lfw, or a folder of prepared photos.
      cache_dir: where LFW was prepared; "": the user's cache folder.
      groups: a CSV file as `group_table` reads it. Errors are measured by its groups,
        on all pairs of photos of the protocol's people (in view 2, of each set's).
      false_accept_rate: the groups' threshold is the models' own for this rate; None:
        for 0.01 or, where a model has none for that, the protocol's best.
      on_missing_face: "decline" refuses pairs:FILE with photos in which no face was
        found; "assume" scores them as they were cut, as LFW's protocols do.

    Returns:
      The `verification` object of results.json, with the models' names and `groups`.

    Raises:
      InputError: a photo of a pair is missing, photos were prepared in another way
        than the model's, a model was trained on people of the protocol, or the table of
        groups cannot be used.
      UsageError: no such protocol, photos are named for one that has its own, or no
        threshold is known for the rate.
    """
    listed = _listed(protocol, photos)
    table = read_group_table(local_path(groups)) if groups else None
    loaded = [_load(path) for path in models]
    records = _open(protocol, photos, cache_dir, loaded[0].embedder)
    for model in loaded:
        model.embedder.check_prepared(records.metadata["preprocessing"])
    pairs = _pairs(protocol, listed, records)
    faceless = _faceless(records, pairs.rows)
    if faceless and listed is not None and on_missing_face == "decline":
        raise InputError(
            f"{pairs.protocol}: no face found in {len(faceless)} of its photos, "
            f"{say_some(faceless)}: leave their pairs out, or score the cut at the "
            "middle by --on-missing-face=assume"
        )
    labels = records.labels[pairs.rows]
    names = np.array(records.people)[labels]
    scorers = _who_scores(loaded, pairs, names)
    sets = _people(protocol, records, names) if table else []
    judges = [_scorer(loaded, own, pairs.protocol) for own in sets]
    crowd = gather(table, records, sets) if table else None
    calibrated = _calibrated(loaded, false_accept_rate) if table else None
    distances = np.empty(len(pairs.same))
    for number, model in enumerate(loaded):
        mine = scorers == number
        distances[mine] = _distances(model.embedder, records, pairs.rows[mine])
    verification = verify(
        distances,
        pairs.rows,
        pairs.same,
        pairs.folds,
        identities=labels,
        scorers=scorers,
        protocol=pairs.protocol,
        seed=0,
    )
    about = {
        "models": list(models),
        "source": records.metadata["source"],
        # As the protocols want it, these are cut where a face is assumed.
        "num_faceless_photos": len(faceless),
    }
    results = verification.summary() | about
    if crowd:
        limits = calibrated or _own_threshold(loaded, verification.threshold)
        vectors = [
            _embed(loaded[judge].embedder, records, rows)
            for judge, rows in zip(judges, crowd.sets, strict=True)
        ]
        thresholds = [limits["values"][judge] for judge in judges]
        results["groups"] = {"threshold": limits} | measure(crowd, vectors, thresholds)
    return results


def _calibrated(
    models: Sequence[Model], false_accept_rate: float | None
) -> dict[str, Any] | None:
    """The models' own thresholds; None if no rate was asked for and one has none."""
    rate = DEFAULT_RATE if false_accept_rate is None else false_accept_rate
    try:
        values = [model.embedder.calibration.at(rate).threshold for model in models]
    except InputError as error:
        if false_accept_rate is None:
            return None
        raise UsageError(f"--false-accept-rate: {error}") from error
    return {"values": values, "of": "model", "false_accept_rate": rate}


def _own_threshold(models: Sequence[Model], threshold: float) -> dict[str, Any]:
    """The protocol's, for every model."""
    values = [threshold for _ in models]
    return {"values": values, "of": "protocol", "false_accept_rate": None}


def _load(path: str) -> Model:
    embedder = load(path)
    assert embedder.card is not None  # whatever is loaded has one
    return Model(path, embedder, frozenset(embedder.card.trained_on.people))


def _open(protocol: str, photos: str, cache_dir: str, embedder: Embedder) -> Records:
    if photos != "lfw":
        return open_records(local_path(photos))
    made = embedder.preprocessing
    cache = local_path(cache_dir) if cache_dir else default_cache_dir()
    try:
        return open_lfw(cache, made.align, made.image_size)
    except InputError as error:
        if protocol in _LFW:
            raise
        raise InputError(f"{error}; other photos are named by --photos=DIR") from error


def _listed(protocol: str, photos: str) -> PairList | None:
    """The list of pairs:FILE, looked at before anybody waits; None of LFW's own."""
    kind, _, path = protocol.partition(":")
    if kind == "pairs" and path:
        return _read_list(local_path(path))
    if protocol not in _LFW:
        raise UsageError(
            f"--protocol is {protocol!r}: choose lfw_view1, lfw_view2 or pairs:FILE"
        )
    if photos != "lfw":
        raise UsageError(
            f"--photos={photos} is for --protocol=pairs:FILE: {protocol} is of LFW's "
            "photos, leave it out"
        )
    return None


def _pairs(protocol: str, listed: PairList | None, records: Records) -> Pairs:
    if listed is None:
        make, _ = _LFW[protocol]
        return make(read_protocol_files(records.directory), records.names())
    name = Path(protocol.partition(":")[2]).name
    has_folds = len(np.unique(listed.folds)) > 1
    kinds = np.unique(listed.same)
    if len(listed.same) < NUM_FOLDS or len(kinds) < 2:
        raise InputError(
            f"{name}: {len(listed.same)} pairs, {np.sum(listed.same)} of one person: a "
            f"score takes {NUM_FOLDS} or more, of one person and of two; add lines"
        )
    pairs = listed_pairs(
        listed.photos,
        listed.same,
        listed.folds if has_folds else assign_folds(listed.same, seed=0),
        names=records.names(),
        protocol=f"pairs of {name}",
    )
    check_people(pairs, records.labels, records.people, listed.lines.tolist())
    return pairs


def _people(protocol: str, records: Records, names: np.ndarray) -> list[list[str]]:
    """Who is tested on, in sets that share nobody; of a list of pairs those on it.

    Args:
      names: of the people of each pair [P, 2].
    """
    if protocol not in _LFW:
        return [np.unique(names).tolist()]
    _, read = _LFW[protocol]
    return read(read_protocol_files(records.directory))


def _read_list(path: Path) -> PairList:
    try:
        return read_pairs(path.read_text(encoding="utf-8-sig"), path.name)
    except OSError as error:
        raise InputError(f"{path}: {error.strerror}; name a file of pairs") from error
    except UnicodeDecodeError as error:
        raise InputError(f"{path}: not UTF-8 text; name a file of pairs") from error


def _who_scores(models: Sequence[Model], pairs: Pairs, names: np.ndarray) -> np.ndarray:
    """For each pair [P] the number of a model that saw nobody of its fold.

    Args:
      names: of the people of each pair [P, 2].
    """
    scorers = np.zeros(len(pairs.same), np.int64)
    for fold in np.unique(pairs.folds):
        mine = pairs.folds == fold
        # One model shall hear at once of all whom it may not be tested on.
        tested = names if len(models) == 1 else names[mine]
        scorers[mine] = _scorer(models, np.unique(tested).tolist(), pairs.protocol)
    return scorers


def _scorer(models: Sequence[Model], people: Sequence[str], protocol: str) -> int:
    """The number of the first model that saw none of some people.

    Raises:
      InputError: each saw some; it names those that the first one saw.
    """
    may = [n for n, model in enumerate(models) if not seen(people, model.people)]
    if not may:
        check_unseen(people, models[0].people, protocol)
    return may[0]


def _distances(embedder: Embedder, records: Records, rows: np.ndarray) -> np.ndarray:
    """Squared distances [P] of the pairs in rows [P, 2] of the records."""
    wanted, places = np.unique(rows, return_inverse=True)
    if not len(wanted):
        return np.empty(0)
    vectors = _embed(embedder, records, wanted)
    return squared_distances(vectors, places.reshape(rows.shape))


def _faceless(records: Records, rows: np.ndarray) -> list[str]:
    """The photos of some rows in which no face was found when they were prepared."""
    names, faceless = records.names(), set(records.metadata["faceless"])
    tested = [names[row] for row in np.unique(rows)]
    return [name for name in tested if name in faceless]


def _embed(embedder: Embedder, records: Records, rows: np.ndarray) -> np.ndarray:
    """The vectors [n, D] of rows [n] of the records."""
    how = records.metadata["preprocessing"]
    chunks = [rows[start : start + CHUNK] for start in range(0, len(rows), CHUNK)]
    vectors = [embedder(records.images(chunk), prepared_as=how) for chunk in chunks]
    return np.concatenate(vectors)


# Of the protocols of LFW the pairs, and the people.
_LFW = {
    "lfw_view1": (view1_pairs, view1_people),
    "lfw_view2": (view2_pairs, view2_people),
}
