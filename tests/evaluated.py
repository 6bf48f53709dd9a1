"""A run of eight devices, trained and evaluated there, as JSON.

python tests/evaluated.py WORKDIR CACHE_DIR: its results, and the shapes of what a
device holds in its evaluation that is as long as there are classes. A process of its
own, since JAX counts its devices only once.
"""

import os

if __name__ == "__main__":  # and not in the tests, which import this
    os.environ["XLA_FLAGS"] = (
        "--xla_force_host_platform_device_count=8 --xla_backend_optimization_level=0"
    )

import json
import sys
from typing import Any

import jax
from tiny import TINY, tiny_config

from cl_facenet import evaluate
from cl_facenet.models import facenet
from cl_facenet.train import train

CLASSES = 38  # of 50 people; with spare ones 40


def config_of(cache_dir: str) -> Any:
    """Its config."""
    return tiny_config(
        cache_dir,
        **{
            "data.synthetic.num_people": 50,
            "batch_size": 16,
            "num_epochs": 2,
            "parallel.model_axis": 8,
            "optimizer.average_decay": 0.5,
            "loss.name": "cosface",
        },
    )


def held() -> list[list[int]]:
    """Shapes on a device of arrays of people: of all of them, or of its part."""
    arrays = [x for x in jax.live_arrays() if {CLASSES, CLASSES + 2} & set(x.shape)]
    return sorted({tuple(x.addressable_shards[0].data.shape) for x in arrays})


def main() -> None:
    facenet.NETWORKS["tiny"] = TINY
    seen: dict[str, Any] = {"shapes": []}
    report = evaluate.write_report

    def looking(*args: Any, **settings: Any) -> None:
        seen["shapes"] = held()
        seen["centers"] = settings["embedding_map"].centers.tolist()
        report(*args, **settings)

    evaluate.write_report = looking
    workdir, cache_dir = sys.argv[1:]
    train(config_of(cache_dir), workdir)
    seen["results"] = evaluate.evaluate(config_of(cache_dir), workdir)
    print(json.dumps(seen))


if __name__ == "__main__":
    main()
