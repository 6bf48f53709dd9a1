"""What the detector knew of a photo is in every answer; without a face is none."""

import dataclasses
import pickle
import warnings

import numpy as np
import pytest
from export.embedders import embedder_of
from fake_detector import (
    BOX,
    CUT_BOX,
    CUT_FACE,
    NO_FACE,
    ONE_FACE,
    TWO_FACES,
    fake_detector,  # noqa: F401
    photo,
)
from PIL import Image

from cl_facenet.align_photos import align_photos
from cl_facenet.data.face_report import FaceReport, FaceWarning, MissingFaceWarning
from cl_facenet.data.photos import Photo
from cl_facenet.data.preprocessing import Prepared, Preprocessing, Square
from cl_facenet.embed_photos import embed_folder, embed_photos
from cl_facenet.errors import InputError, UsageError
from cl_facenet.evaluation.calibration import CalibratedOn, Calibration, Threshold
from cl_facenet.model_card import Architecture, ModelCard, TrainedOn

pytestmark = pytest.mark.usefixtures("fake_detector")

KINDS = (ONE_FACE, NO_FACE, TWO_FACES, CUT_FACE)
ON = CalibratedOn("faces", "all pairs", 10, 1_000, 3)
LIMITS = Calibration(ON, (Threshold(0.1, 5.0, 1.0), Threshold(0.01, 1e-9, 0.5)))


@pytest.fixture
def embedder(tiny):
    made = embedder_of("tiny", "openface", 32, align="dlib")
    architecture = Architecture("tiny", "openface", 16)
    made.card = ModelCard(
        architecture, TrainedOn("faces", 9, ("Ada",), 5), calibration=LIMITS
    )
    return made


def test_a_photo_without_a_face_has_a_row_of_nan(embedder):
    photos = [photo(kind) for kind in KINDS]
    embeddings = embedder.embed(photos)
    assert np.isnan(embeddings.vectors).all(1).tolist() == [False, True, False, False]
    assumed = embedder.embed(photos, on_missing_face="assume").vectors
    np.testing.assert_array_equal(embeddings.vectors[::2], assumed[::2])
    np.testing.assert_allclose(np.linalg.norm(assumed, axis=1), 1, rtol=1e-6)
    assert embeddings.faces == [
        FaceReport(True, 1, BOX, 1.0),
        FaceReport(False, 0),
        FaceReport(True, 2, BOX, 1.0),
        FaceReport(True, 1, CUT_BOX, pytest.approx(1 / 16, abs=0.02)),
    ]


def test_a_call_counts_and_names_them(embedder, tmp_path):
    path = tmp_path / "wall.png"
    photo(NO_FACE).save(path)
    with pytest.warns(MissingFaceWarning) as caught:
        vectors = embedder([photo(ONE_FACE), path, photo(NO_FACE)])
    assert vectors.shape == (3, 16)
    assert np.isnan(vectors).all(1).tolist() == [False, True, True]
    (warning,) = caught
    assert str(warning.message) == (
        f"no face found, and a row of NaN for each, in 2 of 3 photos: {path}, photo 2"
    )
    assert warning.filename == __file__


def test_a_call_says_whose_vector_may_be_another_s(embedder):
    with pytest.warns(FaceWarning) as caught:
        embedder([photo(CUT_FACE), photo(TWO_FACES), photo(ONE_FACE)])
    assert [str(warning.message) for warning in caught] == [
        "several faces, of which one is taken, in 1 of 3 photos: photo 1",
        "the crop lies largely outside of 1 of 3 photos: photo 0",
    ]


def test_an_opened_photo_is_named_by_its_file(embedder, tmp_path):
    path = tmp_path / "wa\nll.png"
    photo(NO_FACE).save(path)
    with Image.open(path) as opened, pytest.warns(MissingFaceWarning) as caught:
        embedder([opened, str(path)])
    name = str(path).replace("\n", r"\n")
    assert str(caught[0].message).endswith(f"in 2 of 2 photos: {name}, {name}")


def test_many_are_not_all_named(embedder):
    with pytest.warns(MissingFaceWarning, match="in 9 of 9 .*photo 4 and 4 more$"):
        embedder([photo(NO_FACE)] * 9)


@pytest.mark.parametrize("how", ["assume", "decline"])
def test_nobody_is_warned_of_what_is_well(how, embedder):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        embedder([photo(ONE_FACE)], on_missing_face=how)
        embedder([photo(NO_FACE)], on_missing_face="assume")


def test_the_distance_to_nothing_is_not_a_number(embedder):
    one, none = embedder.embed([photo(ONE_FACE), photo(NO_FACE)]).vectors
    assert np.isnan(embedder.distance(one, none))


@pytest.mark.parametrize("call", ["__call__", "embed"])
def test_another_way_is_one_line(call, embedder):
    says = "on_missing_face is 'skip': choose decline or assume"
    with pytest.raises(UsageError, match=says):
        getattr(embedder, call)([photo(ONE_FACE)], on_missing_face="skip")
    with pytest.raises(UsageError, match=says):
        embedder.verify(photo(ONE_FACE), photo(ONE_FACE), on_missing_face="skip")
    with pytest.raises(UsageError, match=says):
        embed_photos(embedder, [], on_missing_face="skip")


# --- verdicts ---


def test_a_verdict_s_truth_is_its_answer(embedder):
    a, b = photo(ONE_FACE), photo(ONE_FACE, seed=1)
    assert embedder.verify(a, a)
    assert not embedder.verify(a, b)
    assert embedder.verify(a, b, false_accept_rate=0.1)


@pytest.mark.parametrize(
    ("kinds", "reason"),
    [
        ((NO_FACE, ONE_FACE), "no face found in the first photo"),
        ((ONE_FACE, NO_FACE), "no face found in the second photo"),
        ((NO_FACE, NO_FACE), "no face found in the first and the second photo"),
    ],
)
def test_without_two_faces_there_is_no_verdict(kinds, reason, embedder):
    photos = [photo(kind) for kind in kinds]
    verdict = embedder.verify(*photos)
    assert (verdict.same, verdict.distance, verdict.reason) == (None, None, reason)
    assert [face.face_detected for face in verdict.faces] == [
        kind != NO_FACE for kind in kinds
    ]
    for ask in (bool, lambda v: not v):
        with pytest.raises(InputError, match=f"^no verdict: {reason}; ask for"):
            ask(verdict)
    assumed = embedder.verify(*photos, on_missing_face="assume")
    assert assumed.same is (kinds[0] == kinds[1])
    assert assumed.faces == verdict.faces
    assert assumed.notes == verdict.notes


def test_a_distance_that_is_not_a_number_is_no_verdict(embedder):
    verdict = embedder.judge(float("nan"), 0.01)
    assert (verdict.same, verdict.distance) == (None, None)
    with pytest.raises(InputError, match="no verdict: the distance is not a number"):
        bool(verdict)


def test_a_verdict_says_which_face_it_is_of(embedder):
    verdict = embedder.verify(photo(TWO_FACES), photo(CUT_FACE))
    assert verdict.same is False
    assert verdict.reason is None
    assert verdict.notes == [
        "first photo: 2 faces; the one at (10, 10) to (50, 50) was taken",
        "second photo: 94 % of the crop lies outside the photo",
    ]
    assert embedder.verify(photo(ONE_FACE), photo(ONE_FACE)).notes == []
    assert pickle.loads(pickle.dumps(verdict)) == verdict


# --- crops that were made before ---


@pytest.fixture
def crops(tmp_path, monkeypatch):
    """A folder of squares, as `cl-facenet align` writes it, of every kind of photo."""
    (tmp_path / "photos").mkdir()
    for kind in KINDS:
        photo(kind).save(tmp_path / f"photos/{kind}.png")
    monkeypatch.setattr(Preprocessing, "finds_faces", False)  # no other process
    monkeypatch.setattr(Preprocessing, "__call__", square)
    how = Preprocessing("dlib", 32)
    result = align_photos(
        tmp_path / "photos", tmp_path / "crops", how, skip_unreadable=False
    )
    monkeypatch.undo()
    return tmp_path / "crops", result


def square(preprocessing, image):
    """What each kind is cut to, and what is known of it."""
    report = {
        ONE_FACE: FaceReport(True, 1, BOX, 1.0),
        NO_FACE: FaceReport(False, 0),
        TWO_FACES: FaceReport(True, 2, BOX, 1.0),
        CUT_FACE: FaceReport(True, 1, CUT_BOX, 1 / 16),
    }[image.width]
    return Square(np.asarray(image)[:32, :32], report)


def test_aligning_counts_them(crops):
    _, result = crops
    expected = {
        "num_photos": 4,
        "no_face": ["70.png"],
        "several_faces": [{"photo": "80.png", "num_faces": 2, "box": BOX}],
        "largely_outside": [{"photo": "90.png", "fraction_inside": 1 / 16}],
    }
    assert {key: result[key] for key in expected} == expected


def test_crops_know_what_was_found_when_they_were_made(crops, embedder):
    folder, _ = crops
    how = embedder.preprocessing.describe()
    paths = [folder / f"{kind}.png" for kind in KINDS]
    embeddings = embedder.embed(paths, prepared_as=how)
    reports = [square(None, photo(kind)).face for kind in KINDS]
    assert embeddings.faces == reports
    assert np.isnan(embeddings.vectors).all(1).tolist() == [False, True, False, False]
    embedded = embed_folder(embedder, folder, skip_unreadable=False)
    assert embedded.no_face == ["70.png"]
    assert dict(embedded.named_faces())["80.png"].num_faces == 2
    assert embedded.has_vector.tolist() == [name != "70.png" for name in embedded.names]


def test_crops_of_before_say_only_where_none_was_found():
    image = photo(ONE_FACE).resize((32, 32))
    prepared = Prepared(Preprocessing("dlib", 32).describe())
    assert prepared(image).face == FaceReport()
    image.info["face"] = "not found"
    assert prepared(image).face == FaceReport(False, 0)
    for text in ("{", "[]", "1", '{"box": 1}', '{"box": null, "age": 3}'):
        image.info["face"] = text
        assert prepared(image).face == FaceReport()


def test_arrays_of_crops_are_taken_as_they_are(embedder):
    crops = np.zeros((2, 32, 32, 3), np.uint8)
    how = embedder.preprocessing.describe()
    embeddings = embedder.embed(crops, prepared_as=how)
    assert embeddings.faces == [FaceReport(), FaceReport()]
    assert np.isfinite(embeddings.vectors).all()


def test_rows_of_folders_are_declined_too(embedder):
    photos = [Photo("", str(kind), lambda kind=kind: photo(kind)) for kind in KINDS]
    embedded = embed_photos(embedder, photos)
    expected = embedder.embed([photo(kind) for kind in KINDS])
    np.testing.assert_allclose(embedded.vectors, expected.vectors, atol=1e-6)
    assert embedded.faces == expected.faces
    assumed = embed_photos(embedder, photos, on_missing_face="assume")
    assert assumed.has_vector.all()
    assert assumed.no_face == ["70"]


def test_where_no_face_is_sought_nothing_is_missing(tiny):
    embedder = embedder_of("tiny", "openface", 32)
    embeddings = embedder.embed([photo(kind) for kind in KINDS])
    assert np.isfinite(embeddings.vectors).all()
    assert embeddings.faces == [FaceReport()] * 4


def test_a_report_is_read_back():
    for report in (
        FaceReport(),
        FaceReport(False, 0),
        FaceReport(True, 3, (-1, 2, 30, 40), 0.25),
    ):
        text = report.to_text()
        assert FaceReport.of_info({} if text is None else {"face": text}) == report
    assert dataclasses.asdict(FaceReport(True, 1, BOX, 0.5))["box"] == BOX
