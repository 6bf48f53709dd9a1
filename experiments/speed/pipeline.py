"""Does the data keep up? The pipeline alone beside the training step alone.

python -m experiments.speed.pipeline

On LFW as `prepare lfw --align=dlib` left it: photos a second of decoding, augmenting
and batching, with nothing else at work, and of the train step on one batch over and
over. Writes pipeline.json beside this file.
"""

import json
import time
from contextlib import closing
from itertools import islice
from pathlib import Path

import jax
import numpy as np
from ml_collections import ConfigDict

from cl_facenet.build import build_batches
from cl_facenet.config import base, resolve
from cl_facenet.data.records import Records
from cl_facenet.data.splits import Split
from cl_facenet.dataset import build_data
from experiments import runs
from experiments.speed.worker import repeated_step

ROUNDS, BATCHES, STEPS = 3, 100, 8


def pipeline(config: ConfigDict, records: Records, split: Split) -> float:
    """Photos a second of the batches alone, the first few left out."""
    with closing(build_batches(config, records, split)) as batches:
        for _ in islice(batches, 5):
            pass
        started = time.perf_counter()
        for batch in islice(batches, BATCHES):
            jax.block_until_ready(batch)
        return BATCHES * config.batch_size / (time.perf_counter() - started)


def step(config: ConfigDict, records: Records, split: Split) -> float:
    """Photos a second of the train step alone: the median, compiled before."""
    with closing(build_batches(config, records, split)) as batches:
        act = repeated_step(config, len(split.train_people), next(batches))
    seconds = []
    for _ in range(STEPS):
        started = time.perf_counter()
        act()
        seconds.append(time.perf_counter() - started)
    return config.batch_size / float(np.median(seconds))


def main() -> None:
    """Both in turn, several times."""
    config = base("lfw")
    config.data.align, config.data.min_photos = "dlib", 2
    resolve(config)
    records, split = build_data(config)
    rates = [
        {name: measure(config, records, split) for name, measure in MEASURES.items()}
        for _ in range(ROUNDS)
    ]
    results = runs.setting() | {
        "batch_size": config.batch_size,
        "threads": config.data.num_threads,
        "photos_per_second": rates,
    }
    out = Path(__file__).with_suffix(".json")
    out.write_text(json.dumps(results, indent=1) + "\n")
    for name in MEASURES:
        print(f"{name}: {np.median([rate[name] for rate in rates]):.0f} photos/s")


MEASURES = {"pipeline": pipeline, "step": step}

if __name__ == "__main__":
    main()
