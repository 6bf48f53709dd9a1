"""What of a training grows with the people, by a formula; and so for many devices.

python -m experiments.scale.paper
"""

from experiments import runs

DIMS = 128  # numbers of an embedding
BYTES = 4  # of a float32
GIB = 2**30
# Arrays of people x dims: classifier, gradient, the two moments of Adam, centers.
COPIES = 5
# Arrays of rows x people: the logits, their exponentials, the gradient to them.
LOGITS = 3
# Arrays of dims x people of a step, where they are a share of all: columns, gradient.
SHARED = 2
PHOTOS = 64  # a device


def people_bytes(
    people: int, batch_size: int, devices: int = 1, class_share: float = 1.0
) -> float:
    """Of one device, with all devices along `model`: what its part of people takes.

    The columns of a share are on every device; all else is split.
    """
    state = COPIES * DIMS * people / devices
    logits = LOGITS * batch_size * class_share * people / devices
    columns = SHARED * DIMS * class_share * people if class_share < 1 else 0
    return BYTES * (state + logits + columns)


def main() -> None:
    """Prints the table."""
    counts = (1, 8, 64, 256)
    rows = [
        [f"{people // 10**6} M", f"{share:g}"]
        + [f"{people_bytes(people, PHOTOS * n, n, share) / GIB:,.1f}" for n in counts]
        for people in (10**6, 10**7, 10**8)
        for share in (1, 0.1, 0.01)
    ]
    head = ["people", "share of them a step", *(f"of {n} devices" for n in counts)]
    print(runs.markdown(head, rows))


if __name__ == "__main__":
    main()
