"""When a center runs away: python -m experiments.center_rules.stability

A person has n photos, all the same, in every batch of 90 (Sandberg's), and 90 - n
others have one each. How far is the center from the photos, step after step?
"""

from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
from matplotlib.figure import Figure

from cl_facenet.center_rules import RULES
from cl_facenet.centers import pull_of

HERE = Path(__file__).parent
BATCH = 90
STEPS = 60
PHOTOS = (1, 10, 30, 39, 41, 60)


def distances(name: str, photos: int) -> np.ndarray:
    """From a person's center to their photo after each step, by the rule's own alpha.

    The photo is at a distance of 1 from 0, where all rules start here; a velocity
    starts at 0, and without a classifier the zoo's step is 1 long.
    """
    rule = RULES[name]
    labels = np.concatenate([np.zeros(photos, int), np.arange(1, BATCH - photos + 1)])
    x = jnp.full((BATCH, 1), 1.0)
    state = rule.init(jax.random.key(0), BATCH, 1) | {"centers": jnp.zeros((BATCH, 1))}

    @jax.jit
    def step(state):
        mask = jnp.ones(BATCH, bool)
        pull = pull_of(state["centers"], x, labels, mask, jnp.zeros(()))
        return rule.update(state, pull, rule.alpha)

    lengths = [1.0]
    for _ in range(STEPS):
        state = step(state)
        lengths.append(abs(float(state["centers"][0, 0]) - 1))
    return np.array(lengths)


def main() -> None:
    """One picture, a panel a rule."""
    figure = Figure((9.0, 5.2), layout="constrained")
    panels = figure.subplots(2, 3, sharex=True, sharey=True)
    for axes, (name, rule) in zip(panels.flat, RULES.items(), strict=True):
        for place, photos in enumerate(PHOTOS):
            shade = str(0.75 - 0.75 * place / (len(PHOTOS) - 1))
            lengths = np.maximum(distances(name, photos), 1e-9)
            axes.plot(lengths, color=shade, label=f"{photos}")
        axes.set_title(f"{name}, alpha = {rule.alpha:g}", loc="left")
        axes.set_yscale("log")
        axes.set_ylim(1e-8, 1e8)
        axes.grid(color="#E6E6E6")
    panels[1, 1].legend(title="photos of the person", frameon=False, ncols=2)
    figure.supxlabel("step")
    figure.supylabel("distance of the center")
    figure.savefig(HERE / "stability.png", dpi=120)


if __name__ == "__main__":
    main()
