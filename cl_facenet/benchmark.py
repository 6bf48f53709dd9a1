"""Saved models scored by a published protocol, on people they were not trained on."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from cl_facenet.data.lfw import read_protocol_files
from cl_facenet.data.lfw_lists import read_pairs
from cl_facenet.data.lfw_splits import view1_pairs, view2_pairs
from cl_facenet.data.pairs import Pairs, assign_folds, check_unseen, listed_pairs, seen
from cl_facenet.data.records import Records, open_records
from cl_facenet.dataset import open_lfw
from cl_facenet.embedder import Embedder
from cl_facenet.errors import InputError, UsageError
from cl_facenet.evaluation.verification import squared_distances, verify
from cl_facenet.loading import load
from cl_facenet.user_cache import default_cache_dir

CHUNK = 512  # photos decoded at a time


@dataclass(frozen=True)
class Model:
    """A saved model, and the names of the people it was trained on."""

    name: str
    embedder: Embedder = field(repr=False)
    people: frozenset[str] = field(repr=False)


def benchmark(
    models: Sequence[str], protocol: str, photos: str, cache_dir: str
) -> dict[str, Any]:
    """Scores one model, or several of which each scores the folds it may.

    Args:
      models: directories of runs, or of saved embedders.
      protocol: lfw_view1, lfw_view2, or pairs:FILE.
      photos: what pairs:FILE names photos of: lfw, or a folder of prepared photos.
      cache_dir: where LFW was prepared; "": the user's cache folder.

    Returns:
      The `verification` object of results.json, with the models' names.

    Raises:
      InputError: a photo of a pair is missing, photos were prepared in another way
        than the model's, or a model was trained on people of the pairs.
      UsageError: no such protocol.
    """
    loaded = [_load(path) for path in models]
    records = _open(protocol, photos, cache_dir, loaded[0].embedder)
    for model in loaded:
        model.embedder.check_prepared(records.metadata["preprocessing"])
    pairs = _pairs(protocol, records)
    labels = records.labels[pairs.rows]
    scorers = _who_scores(loaded, pairs, np.array(records.people)[labels])
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
    about = {"models": list(models), "source": records.metadata["source"]}
    return verification.summary() | about


def _load(path: str) -> Model:
    embedder = load(path)
    assert embedder.card is not None  # whatever is loaded has one
    return Model(path, embedder, frozenset(embedder.card.trained_on.people))


def _open(protocol: str, photos: str, cache_dir: str, embedder: Embedder) -> Records:
    if protocol.startswith("pairs:") and photos != "lfw":
        return open_records(Path(photos).expanduser())
    made = embedder.preprocessing
    cache = Path(cache_dir).expanduser() if cache_dir else default_cache_dir()
    return open_lfw(cache, made.align, made.image_size)


def _pairs(protocol: str, records: Records) -> Pairs:
    kind, _, path = protocol.partition(":")
    if kind == "pairs" and path:
        return _own_pairs(Path(path).expanduser(), records)
    if protocol not in ("lfw_view1", "lfw_view2"):
        raise UsageError(
            f"--protocol is {protocol!r}: choose lfw_view1, lfw_view2 or pairs:FILE"
        )
    files = read_protocol_files(records.directory)
    make = {"lfw_view1": view1_pairs, "lfw_view2": view2_pairs}[protocol]
    return make(files, records.names())


def _own_pairs(path: Path, records: Records) -> Pairs:
    try:
        listed = read_pairs(path.read_text(encoding="utf-8-sig"), path.name)
    except OSError as error:
        raise InputError(f"{path}: {error.strerror}; name a file of pairs") from error
    except UnicodeDecodeError as error:
        raise InputError(f"{path}: not UTF-8 text; name a file of pairs") from error
    has_folds = len(np.unique(listed.folds)) > 1
    return listed_pairs(
        listed.photos,
        listed.same,
        listed.folds if has_folds else assign_folds(listed.same, seed=0),
        names=records.names(),
        protocol=f"pairs of {path.name}",
    )


def _who_scores(models: Sequence[Model], pairs: Pairs, names: np.ndarray) -> np.ndarray:
    """For each pair [P] the number of a model that saw nobody of its fold.

    Args:
      names: of the people of each pair [P, 2].
    """
    scorers = np.zeros(len(pairs.same), np.int64)
    for fold in np.unique(pairs.folds):
        mine = pairs.folds == fold
        people = set(names[mine].flat)
        may = [n for n, model in enumerate(models) if not seen(people, model.people)]
        if not may:
            everyone = set(names.flat) if len(models) == 1 else people
            check_unseen(everyone, models[0].people, pairs.protocol)
        scorers[mine] = may[0]
    return scorers


def _distances(embedder: Embedder, records: Records, rows: np.ndarray) -> np.ndarray:
    """Squared distances [P] of the pairs in rows [P, 2] of the records."""
    wanted, places = np.unique(rows, return_inverse=True)
    if not len(wanted):
        return np.empty(0)
    how = records.metadata["preprocessing"]
    chunks = [wanted[start : start + CHUNK] for start in range(0, len(wanted), CHUNK)]
    vectors = [embedder(records.images(chunk), prepared_as=how) for chunk in chunks]
    return squared_distances(np.concatenate(vectors), places.reshape(rows.shape))
