"""What it costs to move the centers, against the number of people.

python -m experiments.speed.centers

Our rule on a donated state; the same without donating it; a gradient of all centers
by a scatter, as dense implementations have; and a one-hot product, as some others do.
Writes centers.json, centers.md and centers.png beside this file.
"""

import json
import statistics
import time
from collections.abc import Callable
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
from matplotlib.figure import Figure

from cl_facenet.center_rules import RULES
from cl_facenet.centers import pull_of
from experiments import runs

PEOPLE = (1_000, 10_000, 100_000, 1_000_000)
DIMS, BATCH_SIZE, ALPHA, TIMES, ROUNDS = 128, 64, 0.5, 7, 5

Update = Callable[[jax.Array, jax.Array, jax.Array], jax.Array]


def by_rows(centers: jax.Array, x: jax.Array, labels: jax.Array) -> jax.Array:
    """Ours: only the rows of those in the batch are touched."""
    mask = jnp.ones(len(x), bool)
    pull = pull_of(centers, x, labels, mask, jnp.zeros(()))
    return RULES["paper"].update({"centers": centers}, pull, ALPHA)["centers"]


def by_scatter(centers: jax.Array, x: jax.Array, labels: jax.Array) -> jax.Array:
    """A difference and a count for everybody, nearly all of them zero."""
    total = jnp.zeros_like(centers).at[labels].add(centers[labels] - x)
    count = jnp.zeros(len(centers)).at[labels].add(1)
    return centers - ALPHA * total / (1 + count)[:, None]


def by_one_hot(centers: jax.Array, x: jax.Array, labels: jax.Array) -> jax.Array:
    """The same sums as a product with a [B, people] matrix."""
    chosen = jax.nn.one_hot(labels, len(centers))
    count = chosen.sum(0)[:, None]
    return centers - ALPHA * (count * centers - chosen.T @ x) / (1 + count)


WAYS: dict[str, tuple[Update, bool]] = {
    "by rows, in place (ours)": (by_rows, True),
    "by rows, copied": (by_rows, False),
    "dense, by a scatter": (by_scatter, True),
    "dense, by a one-hot product": (by_one_hot, True),
}


def measure(way: str, people: int) -> tuple[Callable[[], float], int]:
    """A function that updates some times and gives seconds; and bytes of scratch."""
    update, donate = WAYS[way]
    rng = np.random.default_rng(0)
    x = jnp.asarray(rng.normal(size=(BATCH_SIZE, DIMS)), jnp.float32)
    labels = jnp.asarray(rng.integers(0, people, BATCH_SIZE), jnp.int32)
    centers = jnp.zeros((people, DIMS))
    step = jax.jit(update, donate_argnums=0 if donate else ())
    memory = step.lower(centers, x, labels).compile().memory_analysis()
    # Beside the centers: what is made on the way, and a result of its own.
    scratch = memory.temp_size_in_bytes + memory.output_size_in_bytes
    scratch -= memory.alias_size_in_bytes

    def times() -> float:
        nonlocal centers
        seconds = []
        for _ in range(TIMES):
            started = time.perf_counter()
            centers = jax.block_until_ready(step(centers, x, labels))
            seconds.append(time.perf_counter() - started)
        return statistics.median(seconds)

    times()
    return times, scratch


def agree() -> None:
    """All ways are the same rule."""
    rng = np.random.default_rng(1)
    centers, x = (jnp.asarray(rng.normal(size=(n, DIMS))) for n in (100, BATCH_SIZE))
    labels = jnp.asarray(rng.integers(0, 100, BATCH_SIZE))
    ours, *others = (update(centers, x, labels) for update, _ in WAYS.values())
    for other in others:
        np.testing.assert_allclose(ours, other, atol=1e-5)


def draw(results: dict[str, dict[str, list[float]]], path: Path) -> None:
    """Milliseconds against people, both logarithmic."""
    figure = Figure((6.0, 3.6), layout="constrained")
    axes = figure.subplots()
    for (way, own), mark in zip(results.items(), "os^D", strict=True):
        milliseconds = [1000 * seconds for seconds in own["seconds"]]
        ours = "ours" in way
        axes.plot(
            PEOPLE,
            milliseconds,
            marker=mark,
            color="#1F5A99" if ours else "#808080",
            label=way,
        )
    axes.set(xscale="log", yscale="log", xlabel="people", ylabel="ms an update")
    axes.grid(color="#E6E6E6")
    axes.legend(frameon=False)
    figure.savefig(path, dpi=120)


def main() -> None:
    """All ways in turn, for every number of people."""
    agree()
    results: dict[str, dict[str, list[float]]] = {
        way: {"seconds": [], "scratch_bytes": []} for way in WAYS
    }
    for people in PEOPLE:
        made = {way: measure(way, people) for way in WAYS}
        rounds = [
            {way: times() for way, (times, _) in made.items()} for _ in range(ROUNDS)
        ]
        for way, (_, scratch) in made.items():
            results[way]["seconds"].append(statistics.median(r[way] for r in rounds))
            results[way]["scratch_bytes"].append(scratch)
    rows = [
        [
            way,
            *(
                f"{1000 * seconds:.2f} ({scratch / 2**20:.1f})"
                for seconds, scratch in zip(*own.values(), strict=True)
            ),
        ]
        for way, own in results.items()
    ]
    head = ["ms an update (MiB beside the centers)", *(f"{n:,} people" for n in PEOPLE)]
    table = runs.markdown(head, rows)
    here = Path(__file__).parent
    content = {"about": runs.setting(), "people": PEOPLE, "results": results}
    (here / "centers.json").write_text(json.dumps(content, indent=1) + "\n")
    (here / "centers.md").write_text(table)
    draw(results, here / "centers.png")
    print(table)


if __name__ == "__main__":
    main()
