"""What is known of a trained embedder beside its weights."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

from cl_facenet.evaluation.calibration import Calibration


@dataclass(frozen=True)
class Architecture:
    """The network without its head, in the terms of a config's `model` section."""

    name: str
    graph: str
    embedding_size: int
    dtype: str = "float32"  # of the trunk's maps


@dataclass(frozen=True)
class TrainedOn:
    """Which photos of whom; an evaluation on these people would say nothing."""

    data: str
    num_photos: int
    people: tuple[str, ...]
    step: int  # of the training


@dataclass(frozen=True)
class ModelCard:
    """What an embedder is, what it was trained on and how good it is.

    Attributes:
      results: those of results.json, of this very step: classification,
        verification and identification; None where it was not evaluated.
      calibration: thresholds for false-accept rates; None where there were no people
        to measure them on.
      groups: errors by groups of people or photos, as `cl-facenet evaluate --groups
        --json` has them; None where they were not measured.
      recipe: what the way it was trained gets elsewhere, and beside what, as the
        experiment has it that made it; None where there is none.
    """

    architecture: Architecture
    trained_on: TrainedOn
    results: Mapping[str, Any] | None = None
    calibration: Calibration | None = None
    groups: Mapping[str, Any] | None = None
    recipe: Mapping[str, Any] | None = None

    def to_json(self) -> dict[str, Any]:
        """For a file; `from_json` reads it back."""
        calibration = self.calibration and self.calibration.to_json()
        return asdict(self) | {"calibration": calibration}

    @classmethod
    def from_json(cls, content: Mapping[str, Any]) -> "ModelCard":
        """The card of `to_json`; what else there is in `content` is passed over.

        Raises:
          ValueError, TypeError, LookupError: it is not whole.
        """
        architecture, trained_on = content["architecture"], content["trained_on"]
        results, calibration = content["results"], content["calibration"]
        # Cards of earlier versions have neither.
        groups, recipe = content.get("groups"), content.get("recipe")
        return cls(
            Architecture(
                name=_text(architecture["name"]),
                graph=_text(architecture["graph"]),
                embedding_size=_positive(architecture["embedding_size"]),
                dtype=_text(architecture["dtype"]),
            ),
            TrainedOn(
                data=_text(trained_on["data"]),
                num_photos=_positive(trained_on["num_photos"]),
                people=tuple(_text(name) for name in trained_on["people"]),
                step=int(trained_on["step"]),
            ),
            None if results is None else dict(results),
            None if calibration is None else Calibration.from_json(calibration),
            None if groups is None else dict(groups),
            None if recipe is None else dict(recipe),
        )


def _text(value: Any) -> str:
    if not isinstance(value, str):
        raise TypeError(f"{value!r} is no text")
    return value


def _positive(value: Any) -> int:
    if not isinstance(value, int) or value < 1:
        raise ValueError(f"{value!r} is no number from 1 on")
    return value
