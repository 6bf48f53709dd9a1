"""A trained embedder in a folder, safetensors and JSON: no pickle, and no Orbax.

model.json has the card, the preprocessing, notes on its limits and its licence, and the
sum of the weights; weights.safetensors has the variables by the names of
`interop.tensors`.
"""

import hashlib
import json
from importlib.metadata import version
from pathlib import Path
from typing import Any, NamedTuple

from cl_facenet.errors import InputError
from cl_facenet.interop.tensors import read_tensors, to_variables, write_variables
from cl_facenet.model_card import ModelCard
from cl_facenet.whole_files import check_folder_place, whole_folder, write_whole

ABOUT, WEIGHTS = "model.json", "weights.safetensors"
DTYPES = ("float32", "bfloat16")  # of parameters in the file
VERSION = 1  # of the format; one more whenever older programs would read it wrongly
_FORMAT = "cl_facenet embedder"
_LICENCE = (
    "cl_facenet is under Apache-2.0. What these weights may be used for depends on the "
    "photos they were trained on, too: see trained_on, and the terms of that data."
)
_LIMITS = (
    "Errors on groups of people, as by age, gender or skin, were measured only where "
    "`groups` says so. With labels of your own they are measured by: cl-facenet "
    "evaluate MODEL --protocol=lfw_view1 --groups=FILE.csv"
)
_AGAIN = "save the embedder again"


class SavedModel(NamedTuple):
    """What is in the folder.

    Attributes:
      preprocessing: a description, as `Preprocessing.describe` gives it.
      variables: {"params", "batch_stats"}; NumPy arrays in the file's types, unchecked.
    """

    card: ModelCard
    preprocessing: dict[str, Any]
    variables: dict[str, Any]


def is_model_folder(path: Path) -> bool:
    """Whether an embedder was saved there."""
    return (path / ABOUT).is_file()


def write_model(
    path: Path, model: SavedModel, *, dtype: str, overwrite: bool = False
) -> None:
    """Writes the folder, whole or not at all.

    Args:
      dtype: of the parameters in the file, one of DTYPES. Batch statistics, which are
        few, are kept in float32.
      overwrite: whether an embedder that was saved there may be replaced.

    Raises:
      InputError: something is there, or nothing can be written there.
    """
    replaces = (ABOUT, WEIGHTS) if overwrite else ()
    check_folder_place(path, replaces=replaces)
    try:
        with whole_folder(path, replaces=replaces) as folder:
            write_variables(folder / WEIGHTS, model.variables, dtype=dtype)
            about = {
                "format": _FORMAT,
                "format_version": VERSION,
                "cl_facenet_version": version("cl-facenet"),
                "preprocessing": model.preprocessing,
                **model.card.to_json(),
                "limits": _LIMITS,
                "licence": _LICENCE,
                "weights": {
                    "file": WEIGHTS,
                    "dtype": dtype,
                    "sha256": _sum(folder / WEIGHTS),
                },
            }
            content = json.dumps(about, indent=2) + "\n"
            write_whole(folder / ABOUT, content.encode())
    except OSError as error:
        raise InputError(
            f"{path} cannot be written ({error.strerror or error}); choose another "
            "place"
        ) from error


def read_model(path: Path) -> SavedModel:
    """Reads the folder.

    Raises:
      InputError: a file is missing, damaged or of a later version of the format.
    """
    about = _read_about(path / ABOUT)
    try:
        card = ModelCard.from_json(about)
        preprocessing = dict(about["preprocessing"])
        expected = about["weights"]["sha256"]
    except (ValueError, TypeError, LookupError) as error:
        raise InputError(
            f"{path / ABOUT} is damaged ({type(error).__name__}: {error}); {_AGAIN}"
        ) from error
    weights = path / WEIGHTS
    if not weights.is_file():
        raise InputError(f"{weights} is missing: copy the whole folder, or {_AGAIN}")
    if _sum(weights) != expected:
        raise InputError(
            f"{weights} is damaged, or of another model than {ABOUT} beside it: copy "
            f"the whole folder, or {_AGAIN}"
        )
    return SavedModel(card, preprocessing, to_variables(read_tensors(weights)))


def _read_about(path: Path) -> dict[str, Any]:
    try:
        about = json.loads(path.read_text(encoding="utf-8"))
    # RecursionError: of JSON that is nested too deeply.
    except (ValueError, RecursionError) as error:
        raise InputError(f"{path} is damaged ({error}); {_AGAIN}") from error
    if not isinstance(about, dict) or about.get("format") != _FORMAT:
        raise InputError(f"{path} is of no saved embedder: it has no {_FORMAT!r} in it")
    number = about.get("format_version")
    if not isinstance(number, int) or number < 1:
        raise InputError(f"{path} is damaged (format_version {number!r}); {_AGAIN}")
    if number > VERSION:
        raise InputError(
            f"{path} is of a later cl_facenet: its format is version {number}, this "
            f"one reads up to {VERSION}: pip install --upgrade cl-facenet"
        )
    return about


def _sum(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
