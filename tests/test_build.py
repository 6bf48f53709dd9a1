"""From a config to the parts of a run."""

import numpy as np
import pytest
from tiny import tiny_config

from cl_facenet import build


@pytest.fixture
def config(tiny, tmp_path):
    return tiny_config(tmp_path)


def test_learning_rates_are_those_of_the_schedule_in_epochs(config):
    config.optimizer.schedule = "step"
    config.optimizer.learning_rate = 1.0
    config.optimizer.warmup_epochs = 1.0
    config.optimizer.decay_epochs = (2.0, 3.0)
    _, rates = build.build_optimizer(config, num_photos=12, num_steps=8)  # 2 an epoch
    np.testing.assert_allclose(rates, [0, 0.5, 1, 1, 0.1, 0.1, 0.01, 0.01], rtol=1e-5)
