"""Whether two photos show the same person, or why there is no saying."""

from dataclasses import dataclass

from cl_facenet.data.face_report import FaceReport
from cl_facenet.errors import InputError
from cl_facenet.evaluation.calibration import CalibratedOn

_WHICH = ("first", "second")  # of the two photos


@dataclass(frozen=True)
class Verdict:
    """Whether two photos show the same person, and what that is worth.

    As a truth value it is `same`, which is None where there is no verdict, since no
    face was found in a photo. `faces` says what was known of the two photos' faces.
    """

    same: bool | None  # distance < threshold
    distance: float | None  # squared, from 0 to 4
    threshold: float
    false_accept_rate: float  # of pairs of different people, called the same
    calibrated_on: CalibratedOn  # the pairs on which the threshold has that rate
    faces: tuple[FaceReport, FaceReport] = (FaceReport(), FaceReport())

    @property
    def notes(self) -> list[str]:
        """What is worth saying of the two photos' faces, in words."""
        return [
            f"{which} photo: {note}"
            for which, face in zip(_WHICH, self.faces, strict=True)
            for note in face.notes()
        ]

    @property
    def reason(self) -> str | None:
        """Why there is no verdict; None where there is one."""
        if self.same is not None:
            return None
        missing = [
            which
            for which, face in zip(_WHICH, self.faces, strict=True)
            if face.missing
        ]
        if not missing:
            return "the distance is not a number"
        return f"no face found in the {' and the '.join(missing)} photo"

    def __bool__(self) -> bool:
        """Whether it is the same person.

        Raises:
          InputError: there is no verdict; neither yes nor no would be true.
        """
        if self.same is None:
            raise InputError(f"no verdict: {self.reason}; ask for `verdict.same`")
        return self.same
