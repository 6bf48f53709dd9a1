"""The Deeplearning4j tutorial's settings and ours: python -m experiments.tutorial.run

Both on the people of LFW's view 1, so that there are others to verify on, for 20
minutes of a core of an AMD EPYC: some 25,000 photos, and an evaluation. LFW must be
prepared twice, with --align=none and --align=dlib.
"""

from pathlib import Path

from matplotlib.figure import Figure

from experiments import runs

HERE = Path(__file__).parent
TRAININGS = {
    "tutorial": (
        "--config=configs/tutorial.py",
        "--config.data.lfw.protocol=view1",
        "--config.data.num_classes=4038",
        "--config.num_epochs=6",
    ),
    "nn4.py": (
        "--config=configs/nn4.py:lfw",
        "--config.data.align=dlib",
        "--config.num_epochs=4",
        "--config.optimizer.warmup_epochs=0.5",
    ),
}
CURVES = {
    "identity loss, to its start": "identity_loss",
    "accuracy on the batch": "accuracy",
    "center term's share of the gradient": "center_gradient_share",
    "within / between": "within_between_ratio",
    "center movement a step": "center_movement",
    "gradient norm": "gradient_norm",
}
COLOURS = {"tutorial": "#D55E00", "nn4.py": "#0072B2"}


def draw(results: dict[str, runs.Results]) -> Figure:
    """What the two trainings do, step after step."""
    figure = Figure((10.0, 5.6), layout="constrained")
    panels = figure.subplots(2, 3, sharex=True)
    for axes, (title, key) in zip(panels.flat, CURVES.items(), strict=True):
        for name, result in results.items():
            rows = [r for r in result["metrics"] if f"train/{key}" in r]
            values = [row[f"train/{key}"] for row in rows]
            if key == "identity_loss":
                values = [value / values[0] for value in values]
            axes.plot(
                [row["step"] for row in rows], values, color=COLOURS[name], label=name
            )
        axes.set_title(title, loc="left", fontsize="medium")
        axes.grid(color="#E6E6E6")
    panels[1, 1].set_yscale("log")
    panels[1, 2].set_yscale("log")
    panels[0, 0].legend(frameon=False)
    figure.supxlabel("step")
    return figure


def main() -> None:
    """Both trainings, then the files beside this one."""
    directory, about = runs.begin("tutorial")
    results = runs.train_all(directory, TRAININGS, at_once=2)
    rows = []
    for name, result in results.items():
        shares = [
            row["train/center_gradient_share"]
            for row in (result["metrics"][0], result["metrics"][-1])
        ]
        odds = [f"{share / (1 - share):.3g}" for share in shares]
        rows.append(
            [name, *runs.verification_cells(result), *odds, f"{result['minutes']:.1f}"]
        )
    head = ["", *runs.VERIFICATION, "center : identity, first", "last", "minutes"]
    runs.write(HERE, about, results, runs.markdown(head, rows))
    draw(results).savefig(HERE / "curves.png", dpi=120)


if __name__ == "__main__":
    main()
