"""What was known of a photo's faces when its crop was made, and what to say of it."""

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any, Literal, TypeAlias, get_args

from cl_facenet.errors import UsageError

# Of the crop's area; more is said. Of 506 whole photos of Labeled Faces in the Wild one
# has more (aligned by dlib5_head; none by dlib and dlib5); of the same, cut to the box
# of the detector, 3 % by dlib, 93 % by dlib5 and all by dlib5_head.
LARGELY_OUTSIDE = 0.25

# What becomes of a photo in which no face is found: it has no vector, or the one of
# the cut at its middle, where Labeled Faces in the Wild has its faces.
OnMissingFace: TypeAlias = Literal["decline", "assume"]
ON_MISSING_FACE: tuple[str, ...] = get_args(OnMissingFace)

FACE = "face"  # the text chunk of a crop's PNG that has its report
_NOT_FOUND = "not found"
_NAMED = 5  # photos in a warning, however many there are


class FaceWarning(UserWarning):
    """A vector may be of another face than is thought, or of little of one."""


class MissingFaceWarning(FaceWarning):
    """Photos have no vector, since no face was found in them."""


@dataclass(frozen=True)
class FaceReport:
    """The faces of one photo, and what its crop shows of the one that was taken.

    Attributes:
      face_detected: whether one was found; None where none was sought, or of a crop
        that does not say.
      num_faces: how many were found.
      box: left, top, right, bottom of the one taken, in pixels of the upright photo.
      fraction_inside: of the crop's area, the share that lies inside the photo.
    """

    face_detected: bool | None = None
    num_faces: int | None = None
    box: tuple[int, int, int, int] | None = None
    fraction_inside: float | None = None

    @property
    def missing(self) -> bool:
        """Whether a face was sought and none was found."""
        return self.face_detected is False

    @property
    def is_one_of_several(self) -> bool:
        """Whether the photo has other faces, too."""
        return self.num_faces is not None and self.num_faces > 1

    @property
    def is_largely_outside(self) -> bool:
        """Whether so much of the crop is black that its vector is worth little."""
        inside = self.fraction_inside
        return inside is not None and 1 - inside > LARGELY_OUTSIDE

    def notes(self) -> list[str]:
        """What is worth saying, in words; nothing of one whole face."""
        said = ["no face found"] if self.missing else []
        if self.is_one_of_several and self.box:
            left, top, right, bottom = self.box
            said.append(
                f"{self.num_faces} faces; the one at ({left}, {top}) to ({right}, "
                f"{bottom}) was taken"
            )
        if self.is_largely_outside and self.fraction_inside is not None:
            outside = 100 * (1 - self.fraction_inside)
            said.append(f"{outside:.0f} % of the crop lies outside the photo")
        return said

    def to_text(self) -> str | None:
        """For the crop's PNG; None where nothing is known."""
        if self == FaceReport():
            return None
        return _NOT_FOUND if self.missing else json.dumps(asdict(self))

    @classmethod
    def of_info(cls, info: dict[Any, Any]) -> "FaceReport":
        """What the PNG that Pillow opened says; nothing is known where it does not."""
        text = info.get(FACE)
        if text == _NOT_FOUND:
            return NO_FACE
        try:
            about = json.loads(str(text))
            return cls(**about | {"box": about["box"] and tuple(about["box"])})
        except (ValueError, TypeError, LookupError):  # another program's
            return cls()


NO_FACE = FaceReport(face_detected=False, num_faces=0)


def check_on_missing_face(value: str) -> None:
    """Refuses another value than those there are.

    Raises:
      UsageError: so it is.
    """
    if value not in ON_MISSING_FACE:
        choices = " or ".join(ON_MISSING_FACE)
        raise UsageError(f"on_missing_face is {value!r}: choose {choices}")


def reported(names: Sequence[str], faces: Sequence[FaceReport]) -> dict[str, Any]:
    """For machines: of photos [N], those with no face, several or a cut one."""
    named = list(zip(names, faces, strict=True))
    return {
        "no_face": [name for name, face in named if face.missing],
        "several_faces": [
            {"photo": name, "num_faces": face.num_faces, "box": face.box}
            for name, face in named
            if face.is_one_of_several
        ],
        "largely_outside": [
            {"photo": name, "fraction_inside": face.fraction_inside}
            for name, face in named
            if face.is_largely_outside
        ],
    }


def doubts(
    names: Sequence[str], faces: Sequence[FaceReport], on_missing_face: OnMissingFace
) -> list[FaceWarning]:
    """What to warn of: photos [N] without a vector, and vectors of doubtful worth."""

    def named(concerned: list[bool]) -> str:
        chosen = [name for name, one in zip(names, concerned, strict=True) if one]
        more = len(chosen) - _NAMED
        first = ", ".join(chosen[:_NAMED]) + (f" and {more:,} more" if more > 0 else "")
        return f"{len(chosen):,} of {len(names):,} photos: {first}"

    found: list[FaceWarning] = []
    missing = [face.missing for face in faces]
    if any(missing) and on_missing_face == "decline":
        said = "no face found, and a row of NaN for each, in"
        found.append(MissingFaceWarning(f"{said} {named(missing)}"))
    several = [face.is_one_of_several for face in faces]
    if any(several):
        said = "several faces, of which one is taken, in"
        found.append(FaceWarning(f"{said} {named(several)}"))
    outside = [face.is_largely_outside for face in faces]
    if any(outside):
        said = "the crop lies largely outside of"
        found.append(FaceWarning(f"{said} {named(outside)}"))
    return found
