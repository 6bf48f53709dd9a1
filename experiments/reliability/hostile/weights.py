"""Files of weights as nobody should trust them, and what is to come of each.

A maker fills an empty folder and returns the path that is given to the package.
"""

import io
import json
import os
import pickle
import random
import struct
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from safetensors.numpy import save

# The variables of a network of two layers.
LIKE = {
    "params": {
        "trunk": {"stem_1x1": {"conv": {"kernel": np.zeros((1, 1, 2, 3), np.float32)}}},
        "embedding": {"kernel": np.zeros((3, 4), np.float32)},
    },
    "batch_stats": {"trunk": {"stem_1x1": {"bn": {"mean": np.zeros(3, np.float32)}}}},
}
OWN = {
    "trunk/stem_1x1/conv/kernel": (1, 1, 2, 3),
    "embedding/kernel": (3, 4),
    "batch_stats/trunk/stem_1x1/bn/mean": (3,),
}
TORCH = {
    "layer6.weight": (3, 2, 1, 1),
    "layer25.weight": (4, 3),
    "layer7.running_mean": (3,),
}
CSV = {"conv2_w.csv": 6, "dense_w.csv": 12, "bn2_m.csv": 3}
ENDINGS = (".safetensors", ".pt", ".pth", ".t7", ".pkl", ".npz", ".ckpt", ".bin")


class Trap:
    """Unpickled, it leaves a file behind."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple[Any, ...]:
        return Path.touch, (self.path,)


def arrays(shapes: dict[str, tuple[int, ...]], rng: random.Random) -> dict[str, Any]:
    """Random ones."""
    generator = np.random.default_rng(rng.randrange(2**32))
    return {n: generator.normal(size=s).astype("f4") for n, s in shapes.items()}


def any_arrays(rng: random.Random) -> dict[str, Any]:
    """Of our own names, or of Torch's."""
    return arrays(rng.choice([OWN, TORCH]), rng)


def written(folder: Path, content: bytes, ending: str = ".safetensors") -> Path:
    """A file in the folder."""
    path = folder / f"weights{ending}"
    path.write_bytes(content)
    return path


def sound(folder: Path, rng: random.Random) -> Path:
    return written(folder, save(any_arrays(rng)))


def sound_csv(folder: Path, rng: random.Random) -> Path:
    for name, size in CSV.items():
        numbers = (f"{rng.uniform(-1, 1)}" for _ in range(size))
        (folder / name).write_text(",".join(numbers))
    return folder


def pickled(folder: Path, rng: random.Random) -> Path:
    content = pickle.dumps(Trap(folder / "sprung"), rng.randrange(6))
    return written(folder, content, rng.choice(ENDINGS))


def pickled_by_numpy(folder: Path, rng: random.Random) -> Path:
    trap = np.array([Trap(folder / "sprung")], object)
    file = io.BytesIO()
    if rng.random() < 0.5:
        np.save(file, trap, allow_pickle=True)
    else:
        np.savez(file, **{"layer6.weight": trap})
    return written(folder, file.getvalue(), rng.choice(ENDINGS))


def pickled_by_torch(folder: Path, rng: random.Random) -> Path:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as archive:
        archive.writestr("archive/data.pkl", pickle.dumps(Trap(folder / "sprung")))
        archive.writestr("archive/version", "3\n")
    return written(folder, file.getvalue(), rng.choice(ENDINGS))


def pickled_for_csv(folder: Path, rng: random.Random) -> Path:
    sound_csv(folder, rng)
    content = pickle.dumps(Trap(folder / "sprung"), rng.randrange(6))
    (folder / rng.choice(sorted(CSV))).write_bytes(content)
    return folder


def cut_short(folder: Path, rng: random.Random) -> Path:
    content = save(any_arrays(rng))
    return written(folder, content[: rng.randrange(len(content))])


def changed_bytes(folder: Path, rng: random.Random) -> Path:
    content = bytearray(save(any_arrays(rng)))
    for _ in range(rng.randint(1, 9)):
        content[rng.randrange(len(content))] = rng.randrange(256)
    return written(folder, bytes(content))


def odd_header(folder: Path, rng: random.Random) -> Path:
    entry = {"dtype": "F32", "shape": [3], "data_offsets": [0, 12]}
    odd = rng.choice(
        [
            {"dtype": "F8_E4M3"},
            {"dtype": "F4"},
            {"dtype": "C64"},
            {"dtype": "object"},
            {"shape": [2**62, 8]},
            {"shape": [-3]},
            {"data_offsets": [0, 2**63]},
            {"data_offsets": [12, 0]},
        ]
    )
    name = rng.choice(["embedding/kernel", "layer25.weight", "trunk/\n\x1b[2J"])
    header = json.dumps({name: entry | odd}).encode()
    header = rng.choice([header, header, b"[" * 50_000, b"{}", b"[]", b"null"])
    length = rng.choice([len(header), len(header), 2**63, 10**8 + 1, 0])
    return written(folder, struct.pack("<Q", length) + header + bytes(12))


def names_in_names(folder: Path, rng: random.Random) -> Path:
    """An array where others have a folder."""
    own = arrays(OWN, rng)
    name = rng.choice(
        ["trunk", "trunk/stem_1x1", "embedding/kernel/more", "batch_stats/"]
    )
    more = {name: np.zeros(1, np.float32)}
    return written(folder, save(own | more if rng.random() < 0.5 else more | own))


def other_arrays(folder: Path, rng: random.Random) -> Path:
    given = any_arrays(rng)
    name = rng.choice(sorted(given))
    odd = rng.choice([np.nan, np.inf, -np.inf])
    given[name] = rng.choice(
        [
            np.zeros((7, 7), np.float32),
            np.zeros((2**40, 0), np.float32),
            np.zeros(0, np.float32),
            np.full_like(given[name], odd),
            np.full(given[name].shape, 1e300),
            given[name].astype(np.complex64),
        ]
    )
    return written(folder, save(given))


def other_csv(folder: Path, rng: random.Random) -> Path:
    sound_csv(folder, rng)
    odd = [b"", b"1,2", b"a,b", b"\xff\xfe1", b"nan," * 12, b"0x10," * 6, b"\0" * 9]
    (folder / rng.choice(sorted(CSV))).write_bytes(rng.choice(odd))
    return folder


def no_file(folder: Path, rng: random.Random) -> Path:
    """A pipe, a folder, a loop; none of them is opened."""
    path = folder / "weights.safetensors"
    what = rng.randrange(5)
    if what == 0:
        os.mkfifo(path)
    elif what == 1:
        path.symlink_to(path)
    elif what == 2:
        path.mkdir()
    elif what == 3:
        path.symlink_to("/dev/zero")
    return path


def no_csv(folder: Path, rng: random.Random) -> Path:
    sound_csv(folder, rng)
    path = folder / rng.choice(sorted(CSV))
    path.unlink()
    what = rng.randrange(4)
    if what == 0:
        os.mkfifo(path)
    elif what == 1:
        path.symlink_to(path)
    elif what == 2:
        path.mkdir()
    return folder


Maker = Callable[[Path, random.Random], Path]

# By kind: the maker, and what may come of it.
KINDS: dict[str, tuple[Maker, str]] = {
    "sound safetensors": (sound, "read"),
    "sound CSV": (sound_csv, "read"),
    "pickle": (pickled, "refused"),
    "pickle by NumPy": (pickled_by_numpy, "refused"),
    "pickle by Torch": (pickled_by_torch, "refused"),
    "pickle for CSV": (pickled_for_csv, "refused"),
    "truncated safetensors": (cut_short, "refused"),
    "changed bytes in safetensors": (changed_bytes, "read or refused"),
    "odd safetensors header": (odd_header, "refused"),
    "names in names": (names_in_names, "refused"),
    "other arrays": (other_arrays, "refused"),
    "other numbers in CSV": (other_csv, "refused"),
    "no file": (no_file, "refused"),
    "no CSV": (no_csv, "refused"),
}
