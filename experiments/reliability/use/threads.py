"""One embedder, many threads: the same vectors as by one, to the last bit."""

import io
import urllib.request
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread

import numpy as np
from PIL import Image

import cl_facenet
from experiments.reliability.use.people import SHIPPED, face

THREADS = 8
NUM_PHOTOS = 40


def photos(sides: list[int]) -> list[Image.Image]:
    """One of each person of ORL, of these heights in turn."""
    return [face(n, 0, sides[n % len(sides)]) for n in range(NUM_PHOTOS)]


def by_threads(images: list[Image.Image]) -> list[str]:
    """Each photo by one thread, and then all by eight."""
    embedder = cl_facenet.load(SHIPPED)
    return compare(images, lambda image: embedder([image]))


def compare(
    images: list[Image.Image], embed: Callable[[Image.Image], np.ndarray]
) -> list[str]:
    """What is wrong with each photo's vector, if anything."""
    by_one = cl_facenet.load(SHIPPED)
    alone = [by_one([image]) for image in images]
    with ThreadPoolExecutor(THREADS) as pool:
        together = list(pool.map(embed, images))
    return [
        "" if np.array_equal(a, b, equal_nan=True) else "another vector"
        for a, b in zip(alone, together, strict=True)
    ]


def equal_sizes(room: Path) -> list[str]:
    return by_threads(photos([224]))


def different_sizes(room: Path) -> list[str]:
    return by_threads(photos([200, 224, 256, 320, 400]))


def by_a_server(room: Path) -> list[str]:
    """A threading HTTP server that answers with vectors."""
    embedder = cl_facenet.load(SHIPPED)

    class Answer(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            vectors = embedder([Image.open(io.BytesIO(body))])
            self.send_response(200)
            self.end_headers()
            self.wfile.write(vectors.tobytes())

        def log_message(self, *arguments: object) -> None:
            pass

    def ask(image: Image.Image) -> np.ndarray:
        body = io.BytesIO()
        image.save(body, "PNG")
        url = f"http://127.0.0.1:{server.server_port}"
        with urllib.request.urlopen(url, body.getvalue()) as answer:
            return np.frombuffer(answer.read(), np.float32)[None]

    with ThreadingHTTPServer(("127.0.0.1", 0), Answer) as server:
        Thread(target=server.serve_forever, daemon=True).start()
        found = compare(photos([200, 224, 256]), ask)
        server.shutdown()
    return found


KINDS = {
    "8 threads, photos of one size": equal_sizes,
    "8 threads, photos of five sizes": different_sizes,
    "8 requests at a time to a server": by_a_server,
}
