"""Folders of made-up faces."""

from pathlib import Path

from cl_facenet.data.synthetic import draw_photo


def folder_of_faces(path: Path, people: int = 4, photos: int = 3) -> Path:
    """A sub-folder a person, `person 0` and so on, with photos 0.jpg and so on."""
    for person in range(people):
        (path / f"person {person}").mkdir(parents=True)
        for photo in range(photos):
            draw_photo(0, person, photo).save(path / f"person {person}/{photo}.jpg")
    return path
