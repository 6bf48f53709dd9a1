"""The one line that a network says about images it cannot take."""

from cl_facenet.errors import InputError


def require_size(fits: bool, height: int, width: int, takes: str) -> None:
    """Raises InputError unless images of height x width pixels fit; `takes`: which."""
    if not fits:
        raise InputError(
            f"images of {height}x{width} pixels: this network takes {takes} "
            "(data.image_size)"
        )
