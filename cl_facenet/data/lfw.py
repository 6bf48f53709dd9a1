"""Labeled Faces in the Wild, by its own files: photographs, people and pairs.

13,233 photos of 5,749 people, named NAME/NAME_0001.jpg and so on, 250 x 250 pixels, and
six text files that say who is trained on and which pairs are to be told apart (Huang,
Ramesh, Berg and Learned-Miller, University of Massachusetts 07-49, 2007). Some of its
labels are known to be wrong; all who report on it leave them as they are, and so do we.
"""

import hashlib
import re
from collections import Counter
from collections.abc import Iterable, Mapping
from pathlib import Path

from cl_facenet.data.download import RemoteFile, download
from cl_facenet.data.photos import Source
from cl_facenet.errors import InputError

NUM_PHOTOS, NUM_PEOPLE = 13_233, 5_749


def _published(name: str, sha256: str, figshare: int | None = None) -> RemoteFile:
    """A file of the original site; scikit-learn put copies of some on figshare."""
    copies = [f"https://ndownloader.figshare.com/files/{figshare}"] if figshare else []
    return RemoteFile(
        name, sha256, (*copies, f"http://vis-www.cs.umass.edu/lfw/{name}")
    )


# Those without a copy first: if they cannot be had, the others are not asked for.
PROTOCOL_FILES = {
    file.name: file
    for file in (
        _published(
            "people.txt",
            "bc8fa2b7f25c895cf7efb6de4f4fc27ca8b8d1cfa63350ad8b96eae2b198d365",
        ),
        _published(
            "peopleDevTrain.txt",
            "2e58df13ba4cc143189336e001cc2c195f1dfa5b29a6475c02857be353c2a2fa",
        ),
        _published(
            "peopleDevTest.txt",
            "c3ed1f90499473401542101a56c14c1d82396bb8218c67a356d7460601047555",
        ),
        _published(
            "pairs.txt",
            "ea42330c62c92989f9d7c03237ed5d591365e89b3e649747777b70e692dc1592",
            figshare=5976006,
        ),
        _published(
            "pairsDevTrain.txt",
            "1d454dada7dfeca0e7eab6f65dc4e97a6312d44cf142207be28d688be92aabfa",
            figshare=5976012,
        ),
        _published(
            "pairsDevTest.txt",
            "7cb06600ea8b2814ac26e946201cdb304296262aad67d046a16a7ec85d0ff87c",
            figshare=5976009,
        ),
    )
}

# Its checksum is also the one that TFDS downloads it by.
RAW_ARCHIVE = _published(
    "lfw.tgz",
    "055f7d9c632d7370e6fb4afc7468d40f970c34a80d4c6f50ffec63f5a8d536c0",
    figshare=5976018,
)

# How the photos of an archive are aligned, by its sha256, or by the md5 where the
# original site published no other sum.
ALIGNED = {
    RAW_ARCHIVE.sha256: "raw",
    "b47c8422c8cded889dc5a13418c4bc2abbda121092b3533a83306f90d900100a": "funneled",
    "68331da3eb755a505a502b5aacb3c201": "deep-funneled",
    # Packed anew; the same photos.
    "f7e7e726eb68a86066bea7300d36d2cd84d070f9cae1f7ffdf58a6d80dec77c9": "deep-funneled",
}

_ARCHIVE = re.compile(r".*\.(tgz|tar|tar\.gz|zip)", re.IGNORECASE)


def read_protocol_files(folder: Path) -> dict[str, bytes]:
    """The six protocol files in a folder.

    Raises:
        InputError: one is missing, or not as published.
    """
    paths = {name: folder / name for name in PROTOCOL_FILES}
    files = {name: path.read_bytes() for name, path in paths.items() if path.is_file()}
    try:
        check_protocol_files(files)
    except InputError as error:
        raise InputError(f"{folder}: {error}") from error
    return files


def check_protocol_files(files: Mapping[str, bytes]) -> None:
    """Refuses protocol files that are not all there, as published.

    Raises:
        InputError: so it is; it names what is missing, or the first that was changed.
    """
    missing = [name for name in PROTOCOL_FILES if name not in files]
    if missing:
        raise InputError(
            f"{', '.join(missing)} of LFW's {len(PROTOCOL_FILES)} protocol files are "
            "not there: add them, as published"
        )
    for name, file in PROTOCOL_FILES.items():
        found = _sha256(files[name])
        if found != file.sha256:
            unix = files[name].replace(b"\r\n", b"\n")
            line_ends = "its line ends were changed, " * (_sha256(unix) == file.sha256)
            raise InputError(
                f"{name} is not as published ({line_ends}sha256 {found}, not "
                f"{file.sha256}): put the original there"
            )


def check_photos(photos: Source) -> None:
    """Refuses photos that are not as many as LFW's, of as many people.

    Raises:
        InputError: so it is; it says what was found.
    """
    counts = Counter(photo.person for photo in photos.photos)
    if (counts.total(), len(counts)) != (NUM_PHOTOS, NUM_PEOPLE):
        raise InputError(
            f"{counts.total():,} photos of {len(counts):,} people, where LFW has "
            f"{NUM_PHOTOS:,} of {NUM_PEOPLE:,}: a part of the archive (lfw-a.tgz?), or "
            "a damaged download; for other photos take prepare folder"
        )


def find_photos(source: Path) -> Path:
    """The archive of photos, or the folder of people, that `source` is or holds.

    Raises:
        InputError: there is none, or more than one.
    """
    if not source.is_dir():
        if source.is_file():
            if not _is_archive(source):
                raise InputError(
                    f"{source}: no archive of LFW's photos; give lfw.tgz or alike, or "
                    "the folder of people"
                )
            return source
        raise InputError(f"{source}: no such archive or folder")
    if _holds_people(source):
        return source
    entries = sorted(source.iterdir())
    found = [entry for entry in entries if _is_archive(entry) or _holds_people(entry)]
    if len(found) == 1:
        return found[0]
    if found:
        names = ", ".join(entry.name for entry in found)
        raise InputError(f"{source}: {names} are all there; give one as the source")
    raise InputError(
        f"{source}: no archive of LFW's photos (lfw.tgz or alike) in it, and no "
        "PERSON/PERSON_0001.jpg"
    )


def find_alignment(archive: Path) -> str:
    """How the photos of an archive are aligned, by its checksum, or "unknown"."""
    with archive.open("rb") as file:
        sha256 = hashlib.file_digest(file, "sha256").hexdigest()
        file.seek(0)
        md5 = hashlib.file_digest(file, "md5").hexdigest()
    return ALIGNED.get(sha256) or ALIGNED.get(md5) or "unknown"


def download_archive(directory: Path) -> Path:
    """The archive of the raw photos, 181 MB, downloaded to `directory` if need be.

    Raises:
        InputError: it cannot be had.
    """
    return download(
        RAW_ARCHIVE, directory, instead="give your own copy by --source=PATH"
    )


def download_protocol_files(directory: Path) -> dict[str, bytes]:
    """The six protocol files, downloaded to `directory` if need be.

    Raises:
        InputError: one cannot be had.
    """
    instead = "give the folder of LFW's six protocol files by --protocol=DIR"
    return {
        name: download(file, directory, instead=instead).read_bytes()
        for name, file in PROTOCOL_FILES.items()
    }


def names_with_a(people: Iterable[str]) -> list[str]:
    """The people of LFW-A (lfw-a.tgz), 1,054 photos of 432 whose names begin with A.

    Deeplearning4j's LFWLoader offers them as its subset.
    """
    return [person for person in people if person.startswith("A")]


def _is_archive(path: Path) -> bool:
    return path.is_file() and _ARCHIVE.fullmatch(path.name) is not None


def _holds_people(folder: Path) -> bool:
    firsts = folder.glob("*/*_0001.jpg")  # none if it is a file
    return any(photo.name == f"{photo.parent.name}_0001.jpg" for photo in firsts)


def _sha256(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()
