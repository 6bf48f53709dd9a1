"""An embedder in other processes: it travels, or says why it cannot be used."""

import multiprocessing
import os
import pickle
import subprocess
import sys
import traceback
from pathlib import Path

import numpy as np

import cl_facenet
from cl_facenet.errors import InputError
from experiments.reliability.use.people import SHIPPED, face, shell, write_people


def pickled(room: Path) -> list[str]:
    """To two spawned processes, as joblib and Ray do it."""
    embedder = cl_facenet.load(SHIPPED)
    images = [face(n, 0) for n in range(6)]
    with multiprocessing.get_context("spawn").Pool(2) as pool:
        vectors = pool.map(embedder, [[image] for image in images])
    return [
        "" if np.array_equal(embedder([image]), vector) else "another vector"
        for image, vector in zip(images, vectors, strict=True)
    ]


def forked(room: Path) -> list[str]:
    """What a child of a process that has embedded says to each use of an embedder."""
    embedder = cl_facenet.load(SHIPPED)
    embedder([face(0, 0)])
    image = face(1, 0)
    uses = [
        lambda: embedder([image]),
        lambda: embedder.verify(image, image),
        lambda: cl_facenet.load(SHIPPED),
        lambda: pickle.loads(pickle.dumps(embedder))([image]),
    ]
    return [_in_a_fork(use) for use in uses]


def _in_a_fork(use) -> str:  # type: ignore[no-untyped-def]
    read, write = os.pipe()
    child = os.fork()
    if not child:
        try:
            use()
            says = "it went on"
        except InputError as error:
            says = "" if "spawn" in str(error) else str(error)
        except BaseException:
            says = traceback.format_exc()
        os.write(write, says.encode())
        os._exit(0)
    os.close(write)
    import select

    ready, _, _ = select.select([read], [], [], 30)
    says = os.read(read, 65536).decode() if ready else "it hangs"
    os.kill(child, 9)
    os.waitpid(child, 0)
    return says


def no_such_platform(room: Path) -> list[str]:
    """JAX_PLATFORMS of a machine that this one is not."""
    found = []
    for platform in ("cuda", "tpu", "gpuu"):
        for module, *arguments in (
            ("cl_facenet.cli", "compare", "a.png", "a.png"),
            ("cl_facenet.main", "--config=configs/nn4.py", f"--workdir={room / 'run'}"),
        ):
            face(0, 0).save(room / "a.png")
            given = [str(room / x) if x == "a.png" else x for x in arguments]
            done = subprocess.run(
                [sys.executable, "-m", module, *given],
                env=os.environ | {"JAX_PLATFORMS": platform},
                capture_output=True,
                text=True,
            )
            lines = done.stderr.strip().splitlines()
            right = len(lines) == 1 and "JAX_PLATFORMS" in lines[0]
            found.append("" if right and done.returncode == 2 else done.stderr[-300:])
    return found


def two_at_once(room: Path) -> list[str]:
    """One folder prepared by two processes at the same time, twice."""
    write_people(room / "people", photos=4)
    found = []
    for name in ("one", "two"):
        line = [sys.executable, "-m", "cl_facenet.prepare", "folder"]
        line += [f"--source={room / 'people'}", f"--out={room / name}"]
        both = [
            subprocess.Popen(line, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
            for _ in range(2)
        ]
        for process in both:
            _, err = process.communicate()
            lines = err.decode().strip().splitlines()
            right = process.returncode == 0 or len(lines) == 1
            found.append("" if right else err.decode()[-300:])
        status, _, err = shell(
            f"prepare folder --source={room}/people --out={room}/{name}"
        )
        found.append("" if status == 0 else err)
    return found


KINDS = {
    "pickled to a spawned process": pickled,
    "used in a forked child": forked,
    "JAX_PLATFORMS that is not there": no_such_platform,
    "one folder prepared by two at once": two_at_once,
}
