"""A made-up Labeled Faces in the Wild: twenty people, and protocol files."""

import hashlib
from pathlib import Path

import pytest

from cl_facenet.data import lfw
from cl_facenet.data.download import RemoteFile
from cl_facenet.data.synthetic import draw_photo

# Two people a set, one whose name begins with A among each; the last has one photo.
SETS = [(f"Ann_{i}", f"Bob_{i}") for i in range(10)]
PEOPLE = sorted(name for pair in SETS for name in pair)
COUNTS = {name: 1 if name == "Bob_9" else 3 for name in PEOPLE}


def lines(*rows):
    return "".join("\t".join(map(str, row)) + "\n" for row in rows)


def people(*sets):
    """A file of people; several sets are announced by their number."""
    head = [(len(sets),)] if len(sets) > 1 else []
    rows = [[(len(s),), *((name, COUNTS[name]) for name in s)] for s in sets]
    return lines(*head, *(row for part in rows for row in part))


def pairs_of(ann, bob):
    """Two pairs of one person and two of both."""
    same = [(ann, 1, 2), (ann, 2, 3)]
    return [*same, (ann, 1, bob, 1), (ann, 2, bob, 1)]


def protocol_files():
    train = [name for pair in SETS[:5] for name in pair]
    test = [name for pair in SETS[5:] for name in pair]
    folds = [pairs_of(ann, bob) for ann, bob in SETS]
    dev = {"Train": folds[:5], "Test": folds[5:]}
    files = {
        "people.txt": people(*SETS),
        "peopleDevTrain.txt": people(train),
        "peopleDevTest.txt": people(test),
        "pairs.txt": lines((10, 2), *(row for fold in folds for row in fold)),
    }
    for half, own in dev.items():  # all same pairs come before all different ones
        rows = [row for kind in zip(*own, strict=True) for row in kind]
        files[f"pairsDev{half}.txt"] = lines((10,), *rows)
    return files


def write_lfw(folder: Path) -> Path:
    """Photos, and the protocol files beside them."""
    for number, name in enumerate(PEOPLE):
        (folder / "lfw" / name).mkdir(parents=True)
        for photo in range(COUNTS[name]):
            path = folder / "lfw" / name / f"{name}_{photo + 1:04d}.jpg"
            draw_photo(0, number, photo).save(path)
    for name, text in protocol_files().items():
        (folder / name).write_text(text)
    return folder


def expect_it(monkeypatch: pytest.MonkeyPatch) -> None:
    """Makes it what LFW is taken to be."""
    published = {
        name: RemoteFile(name, hashlib.sha256(text.encode()).hexdigest(), ())
        for name, text in protocol_files().items()
    }
    monkeypatch.setattr(lfw, "PROTOCOL_FILES", published)
    monkeypatch.setattr(lfw, "NUM_PEOPLE", len(PEOPLE))
    monkeypatch.setattr(lfw, "NUM_PHOTOS", sum(COUNTS.values()))
