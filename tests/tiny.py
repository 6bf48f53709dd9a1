"""A network and a config that train in seconds; as a program, a run of them.

python tests/tiny.py WORKDIR CACHE_DIR SECONDS_A_STEP [CHANGES [HOSTS PROCESS_ID]]
"""

import json
import sys
import time
from pathlib import Path

import flax.linen as nn
import jax
import jax.numpy as jnp

from cl_facenet.config import base, resolve
from cl_facenet.models import facenet
from cl_facenet.models.compute import Compute
from cl_facenet.models.layers import ConvBN
from cl_facenet.models.rows import Rows
from cl_facenet.processes import join_hosts
from cl_facenet.progress import Progress
from cl_facenet.train import train


class TinyTrunk(nn.Module):
    """A trunk for tests of what is around it: compiles in a second."""

    compute: Compute = Compute()

    @nn.compact
    def __call__(self, images: jax.Array, rows: Rows, *, train: bool) -> jax.Array:
        x = ConvBN(16, 7, 6, 3, name="conv1")(
            self.compute.cast(images), rows, train=train
        )
        x = ConvBN(32, 3, 4, 1, name="conv2")(x, rows, train=train)
        return jnp.reshape(x, (x.shape[0], -1))

    def check_size(self, height: int, width: int) -> None:
        """Takes any."""


TINY = {"openface": facenet.Network(TinyTrunk())}


def tiny_config(cache_dir, **changes):
    """Resolved."""
    config = unresolved_config(cache_dir, **changes)
    resolve(config)
    return config


def unresolved_config(cache_dir, **changes):
    config = base("synthetic")
    config.data.cache_dir = str(cache_dir)
    config.data.image_size = 32
    config.data.synthetic.num_people = 6
    config.data.synthetic.photos_per_person = 5
    config.model.name = "tiny"
    config.model.embedding_size = 8
    config.center.weight = 1.0
    config.batch_size = 6
    config.num_epochs = 8
    config.log_every_steps = 2
    config.checkpoint_every_steps = 5  # not where a line of metrics ends
    config.optimizer.warmup_epochs = 1.0
    config.update_from_flattened_dict(changes)
    return config


def use_data(config, name, path=""):
    """Makes a config one of other photos than those that are made up."""
    config.data.name, config.data.path = name, str(path)
    config.data.synthetic.update(base().data.synthetic)  # which nothing reads now


if __name__ == "__main__":
    facenet.NETWORKS["tiny"] = TINY
    show = Progress.show

    def slowly(self: Progress, step: int, metrics: dict[str, float]) -> None:
        time.sleep(float(sys.argv[3]))
        show(self, step, metrics)

    Progress.show = slowly
    workdir, cache_dir, _, *more = sys.argv[1:]
    changes = json.loads(more[0]) if more else {}
    if len(more) > 1:
        join_hosts(more[1].split(","), int(more[2]))
    train(tiny_config(cache_dir, **changes), Path(workdir))
