"""An embedder shared by threads: to the last bit the vectors that one thread gets."""

import gc
import io
import logging
import subprocess
import sys
import threading
import time
import warnings
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import SimpleNamespace
from urllib.request import urlopen

import numpy as np
import pytest
from export.embedders import embedder_of
from PIL import Image

import cl_facenet
from cl_facenet.data import landmarks
from cl_facenet.data.landmarks import find_face
from cl_facenet.data.orl import read_orl
from cl_facenet.data.photos import Photo
from cl_facenet.data.preprocessing import Preprocessing
from cl_facenet.data.squares import make_squares
from cl_facenet.embed_photos import embed_photos

# ORL's photos are cut close, and one shows nobody.
pytestmark = pytest.mark.filterwarnings("ignore::cl_facenet.FaceWarning")

THREADS = 8
SIZES = ((92, 112), (150, 180), (184, 224), (250, 250))


@pytest.fixture(scope="module")
def photos():
    """Of four people, each in all sizes; and one that shows nobody."""
    pytest.importorskip("dlib")
    people = [Image.fromarray(own[0]).convert("RGB") for own in read_orl()[:4]]
    return [
        *(person.resize(size) for person in people for size in SIZES),
        Image.new("RGB", (200, 160), "grey"),
    ]


@pytest.fixture(params=["of our own", "shipped"])
def embedder(request, tiny):
    if request.param == "shipped":
        return cl_facenet.load("nn4_small2_lfw")
    return embedder_of("tiny", "openface", 32, align="dlib")


def in_threads(act, number):
    """act(0), act(1) and so on, all begun at the same moment."""
    together = threading.Barrier(number)

    def begin(place):
        together.wait()
        return act(place)

    with ThreadPoolExecutor(number) as pool:
        return list(pool.map(begin, range(number)))


def test_threads_get_what_one_gets(embedder, photos):
    embed_one = partial(embedder, on_missing_face="assume")
    alone = [embed_one([photo]) for photo in photos]

    def embed(place):  # each begins with another photo
        order = np.roll(np.arange(len(photos)), 4 * place)
        return {i: embed_one([photos[i]]) for i in order}

    for own in in_threads(embed, THREADS):
        np.testing.assert_array_equal([own[i] for i in range(len(photos))], alone)


def test_a_web_server_answers_as_one_thread_does(embedder, photos):
    alone = [embedder([photo]) for photo in photos]

    class Answer(BaseHTTPRequestHandler):
        def do_GET(self):
            content = embedder([photos[int(self.path[1:])]]).tobytes()
            self.send_response(200)
            self.end_headers()
            self.wfile.write(content)

        def log_message(self, *_):
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Answer) as server:
        serving = threading.Thread(target=server.serve_forever, args=(0.01,))
        serving.start()

        def ask(number):
            with urlopen(f"http://127.0.0.1:{server.server_port}/{number}") as answer:
                return np.frombuffer(answer.read(), np.float32)

        with ThreadPoolExecutor(THREADS) as clients:
            answers = list(clients.map(ask, range(len(photos))))
        server.shutdown()
        serving.join()
    np.testing.assert_array_equal(answers, np.concatenate(alone))


def test_landmarks_of_threads_are_those_of_one(photos):
    alone = [find_face(photo) for photo in photos]
    with ThreadPoolExecutor(THREADS) as pool:
        together = list(pool.map(find_face, photos * 3))
    for one, another in zip(alone * 3, together, strict=True):
        np.testing.assert_array_equal(one.points, another.points)
        assert one.found == another.found


def test_squares_and_vectors_of_files_are_those_of_one_thread(photos, tiny, tmp_path):
    preprocessing = Preprocessing("dlib", 32)
    alone = [preprocessing(photo) for photo in photos]
    assert {square.face.face_detected for square in alone} == {True, False}
    files = [Photo("p", str(i), photo.copy) for i, photo in enumerate(photos)]
    made = make_squares([(file, tmp_path / file.name) for file in files], preprocessing)
    for square, encoded in zip(alone, made, strict=True):
        pixels = np.array(Image.open(io.BytesIO(encoded.png)))
        np.testing.assert_array_equal(pixels, square.pixels)
        assert encoded.face == square.face
    embedder = embedder_of("tiny", "openface", 32, align="dlib")
    vectors = embed_photos(embedder, files).vectors
    np.testing.assert_array_equal(vectors, embedder(photos))


class Detector:
    """As dlib's: it takes its time, and two threads may not be in it at once."""

    def __init__(self):
        self.busy = threading.Lock()

    def __call__(self, pixels, upsampled):
        assert self.busy.acquire(blocking=False)
        time.sleep(0.001)
        self.busy.release()
        return []


@pytest.fixture
def made(monkeypatch):
    """What is made in the place of dlib's detectors and of its predictor."""
    dlib = pytest.importorskip("dlib")
    made = {"detectors": 0, "predictors": 0}

    def detector():
        made["detectors"] += 1
        return Detector()

    def predictor(path):
        made["predictors"] += 1
        time.sleep(0.02)  # others come meanwhile
        return lambda pixels, box: SimpleNamespace(parts=lambda: [dlib.point(1, 1)])

    monkeypatch.setattr(dlib, "get_frontal_face_detector", detector)
    monkeypatch.setattr(dlib, "shape_predictor", predictor)
    monkeypatch.setattr(landmarks, "_IDLE", type(landmarks._IDLE)())
    landmarks._load_predictor.cache_clear()
    yield made
    landmarks._load_predictor.cache_clear()


def test_a_detector_is_one_thread_s_and_the_predictor_is_loaded_once(made):
    grey = Image.new("RGB", (50, 50))
    in_threads(lambda _: [find_face(grey) for _ in range(20)], THREADS)
    assert made["detectors"] <= THREADS
    assert made["predictors"] == 1


def test_a_thread_for_each_request_does_not_make_its_own_detector(made):
    for _ in range(5):
        in_threads(lambda _: find_face(Image.new("RGB", (50, 50))), 1)
    assert made == {"detectors": 1, "predictors": 1}


def test_a_detector_that_failed_is_not_used_again(made, monkeypatch):
    def fail(*_):
        raise MemoryError

    monkeypatch.setattr(Detector, "__call__", fail)
    with pytest.raises(MemoryError):
        find_face(Image.new("RGB", (50, 50)))
    assert not landmarks._IDLE


def test_what_belongs_to_the_whole_process_stays_as_the_user_has_it(tiny, photos):
    """Also meanwhile: other threads would see it."""
    embedder = embedder_of("tiny", "openface", 32, align="dlib")

    def settings():
        pillow = logging.getLogger("PIL")
        return [
            *(gc.isenabled(), list(warnings.filters), Image.MAX_IMAGE_PIXELS),
            *(pillow.level, list(pillow.filters), list(pillow.handlers), np.geterr()),
        ]

    gc.disable()
    try:
        before, seen = settings(), []
        with ThreadPoolExecutor(2) as pool:
            running = [pool.submit(embedder, photos[i::2]) for i in range(2)]
            while not all(future.done() for future in running):
                seen.append(settings())
                time.sleep(0.001)
        assert settings() == before
        assert all(one == before for one in seen)
    finally:
        gc.enable()


def test_threads_may_load_and_call_at_once_in_a_process_that_has_done_nothing():
    code = (
        "import threading\n"
        "from concurrent.futures import ThreadPoolExecutor\n"
        "import numpy as np, cl_facenet\n"
        "photo = np.random.default_rng(0).integers(0, 256, (120, 90, 3), np.uint8)\n"
        "together = threading.Barrier(4)\n"
        "def act(_):\n"
        "    together.wait()\n"
        "    return cl_facenet.load('nn4_small2_lfw')([photo]).tobytes()\n"
        "with ThreadPoolExecutor(4) as pool:\n"
        "    print(len(set(pool.map(act, range(4)))))\n"
    )
    pytest.importorskip("dlib")
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert run.stdout.split() == ["1"], run.stderr
