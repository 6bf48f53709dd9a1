"""The training step of one number of people, in this process; as a line of JSON.

python -m experiments.scale.step PEOPLE BATCH_SIZE STEPS [CHANGES [HOSTS PROCESS_ID]]

CHANGES are config keys, as JSON. With hosts it is one of several processes, each of
which has its share of the batch. The photos are noise; people and rows of the batch are
drawn anew for each of a few batches, which are used in turn.
"""

import json
import resource
import statistics
import sys
import time
from itertools import cycle
from typing import Any

import numpy as np


def batches(people: int, batch_size: int, room: int, size: int, rows: range) -> Any:
    """A few batches of noise, of which this process has some rows."""
    for seed in range(4):
        rng = np.random.default_rng(seed)
        batch = {
            "image": rng.integers(0, 256, (room, size, size, 3), np.uint8),
            "label": rng.integers(0, people, room).astype(np.int32),
            "mask": np.arange(room) < batch_size,
        }
        yield {name: x[rows.start : rows.stop] for name, x in batch.items()}


def measure(people: int, batch_size: int, steps: int, changes: Any) -> dict[str, Any]:
    """Seconds a step, memory, and what was estimated of it."""
    import jax

    from cl_facenet.build import (
        build_layout,
        build_model,
        build_optimizer,
        build_start,
    )
    from cl_facenet.compiling import release_memory
    from cl_facenet.memory import state_bytes
    from cl_facenet.sharding import own_rows, put_batch, room_for
    from configs.nn4 import get_config

    config = get_config("synthetic")
    config.update_from_flattened_dict({"batch_size": batch_size, **changes})
    from cl_facenet.config import resolve

    resolve(config)
    began = time.perf_counter()
    layout = build_layout(config)
    model = build_model(config, people, layout)
    tx, _ = build_optimizer(config, num_photos=100 * batch_size, num_steps=100)
    state, step, memory = build_start(config, model, tx, layout)
    sizes = state_bytes(state)
    room = room_for(layout, batch_size, config.micro_batches)
    size, rows = config.data.image_size, own_rows(layout, room)
    given = batches(people, batch_size, room, size, rows)
    placed = cycle([put_batch(layout, batch, room) for batch in given])
    seconds = []
    for number in range(steps + 2):
        before = time.perf_counter()
        state, metrics = step(state, next(placed))
        jax.block_until_ready((state, metrics))
        if number == 0:
            release_memory()
            first = time.perf_counter() - began
        seconds.append(time.perf_counter() - before)
    analysis = step.memory_analysis()
    return {
        "people": people,
        "batch_size": batch_size,
        "seconds": statistics.median(seconds[2:]),
        "first_step_after": first,
        "state_bytes": sum(sizes.values()),
        "step_bytes": analysis.temp_size_in_bytes,
        "peak_bytes": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024,
        "says": memory,
        "loss": float(metrics["loss"]),
    }


def main() -> None:
    """Measures what the command line says."""
    people, batch_size, steps, *more = sys.argv[1:]
    changes = json.loads(more[0]) if more else {}
    if len(more) > 1:
        from cl_facenet.processes import join_hosts

        join_hosts(more[1].split(","), int(more[2]))
    print(json.dumps(measure(int(people), int(batch_size), int(steps), changes)))


if __name__ == "__main__":
    main()
