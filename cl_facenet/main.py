"""Trains, evaluates or summarizes: python -m cl_facenet.main --config=configs/nn4.py"""

import os
import re
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from absl import app, flags
from ml_collections import ConfigDict, config_flags

from cl_facenet.config_history import name_today
from cl_facenet.devices import import_jax, start_jax
from cl_facenet.errors import UsageError, exit_status_of, printable
from cl_facenet.huge_pages import restart_with_huge_pages
from cl_facenet.logs import without_what_is_raised
from cl_facenet.paths import local_path

_CONFIG = config_flags.DEFINE_config_file(
    "config",
    None,
    "Config file, with the data behind a colon: configs/nn4.py:DIR; default: that of "
    "the run in --workdir",
)
_WORKDIR = flags.DEFINE_string(
    "workdir", None, "Directory of the run; default runs/<config>-<data>"
)
_HOSTS = flags.DEFINE_list(
    "hosts", [], "Train in a process on each of these machines; the first: NAME[:PORT]"
)
_PROCESS_ID = flags.DEFINE_integer(
    "process_id", None, "Which of --hosts this is, from 0; default: by its name"
)
_CLUSTER = flags.DEFINE_bool(
    "cluster", False, "Train in all processes of this TPU slice, Slurm or MPI job"
)
_DEBUG = flags.DEFINE_bool(
    "debug", False, "Show the traceback of an error before the line that it is"
)
_MODE = flags.DEFINE_enum(
    "mode", "train", ["train", "evaluate", "summary"], "What to do"
)


def main(argv: Sequence[str]) -> int:
    """Runs one mode; what the user can mend is one line and an exit status."""
    without_what_is_raised()
    return exit_status_of(
        "cl_facenet",
        lambda: _run(argv),
        when_stopped="stopped; the same command goes on",
        # As it was typed: flags that cannot be parsed are errors, too.
        debug=any(
            re.fullmatch("(?i)--?debug(=(true|t|yes|y|1))?", word) for word in argv
        ),
    )


def _run(argv: Sequence[str]) -> None:
    config = _parse(argv)  # runs the config file, which imports JAX
    from cl_facenet.config import completed

    config = completed(config)
    {"train": _train, "evaluate": _evaluate, "summary": _summary}[_MODE.value](config)


def _parse(argv: Sequence[str]) -> ConfigDict:
    has_config = any(re.match("--?config(=|$)", word) for word in argv)
    own = [] if has_config else [w for w in argv if w.startswith("--config.")]
    try:
        unparsed = flags.FLAGS([word for word in argv if word not in own])[1:]
        config = _CONFIG.value
        if config is not None:
            config.lock()  # raises if the file could not be loaded
    except Exception as error:  # a config file is code: it may raise anything
        if "Traceback" in str(error) or not isinstance(error, flags.Error):
            import_jax()  # which config files import: if it cannot be, that is why
        raise UsageError(_complaint(error, argv)) from error
    if unparsed:
        raise UsageError(f"{unparsed[0]} is not a flag: see --help")
    if config is not None:
        return config
    if _WORKDIR.value:
        from cl_facenet.run_config import override, read_run_config
        from cl_facenet.workdir import is_run

        workdir = local_path(_WORKDIR.value)
        if own and not is_run(workdir):
            raise UsageError(f"{own[0]}: give --config=FILE, too")
        if is_run(workdir) or _MODE.value != "train":
            config = read_run_config(workdir)
            for word in own:
                key, _, text = word.removeprefix("--config.").partition("=")
                override(config, key, text)
            return config
    raise UsageError("name a config: --config=configs/nn4.py")


def _complaint(error: Exception, argv: Sequence[str]) -> str:
    """One line on a flag or a config file that could not be used."""
    says = str(error.args[0]) if error.args else ""
    if isinstance(error, AttributeError | KeyError):
        key = (re.findall(r"\w+", says) or [""])[0]
        given = [a for a in argv if re.match(rf"--config\.(.*\.)?{key}(\.|=|$)", a)]
        if given:
            if name := name_today(key):
                return f"{given[0]}: this key is {name} today"
            near = re.search(r'Did you mean "(\w+)"', says)
            hint = f"did you mean {near[1]}?" if near else "see cl_facenet/config.py"
            return f"{given[0]}: no such config key; {hint}"
    # Of a config file that cannot be loaded, absl may give the whole traceback.
    last_line = (str(error).strip().splitlines() or [""])[-1].strip()
    if isinstance(error, flags.Error | OSError):
        return last_line
    return f"the config cannot be loaded: {type(error).__name__}: {last_line}"


def _workdir(config: ConfigDict) -> Path:
    if _WORKDIR.value:
        return local_path(_WORKDIR.value, "--workdir")
    name = Path(config_flags.get_config_filename(flags.FLAGS["config"])).stem
    path, data = config.data.path, config.data.name
    if path:  # not Path.resolve(), which raises where links lead in circles
        data = os.path.basename(os.path.realpath(path))
    return Path("runs") / f"{name}-{data}"


# The modes import what they need themselves: neither bad flags nor the process that
# begins again shall wait for it.


def _train(config: ConfigDict) -> None:
    from cl_facenet.processes import join_cluster, join_hosts
    from cl_facenet.train import train

    if _CLUSTER.value:
        join_cluster()
    elif _HOSTS.value:
        join_hosts(_HOSTS.value, _PROCESS_ID.value)
    results = train(config, _workdir(config), as_is=True)
    if results is not None:
        _show(results, _workdir(config))


def _evaluate(config: ConfigDict) -> None:
    from cl_facenet.evaluate import evaluate

    results = evaluate(config, _workdir(config))
    _show(results, _workdir(config))


def _summary(config: ConfigDict) -> None:
    from rich.console import Console

    from cl_facenet.build import build_model
    from cl_facenet.dataset import build_data
    from cl_facenet.summary import summarize

    start_jax()
    num_classes = config.data.num_classes
    if num_classes is None:
        num_classes = build_data(config)[1].num_classes
    else:
        num_classes += config.data.composites.people
    Console().print(summarize(build_model(config, num_classes), config.data.image_size))


def _show(results: dict[str, Any], workdir: Path) -> None:
    """The short table that a run ends with."""
    from rich.console import Console
    from rich.markup import escape
    from rich.table import Table

    from cl_facenet.evaluation.roc import in_words

    title = escape(printable(f"{workdir} at step {results['step']}"))
    table = Table("", "result", title=title)
    classification, verification = results["classification"], results["verification"]
    identification = results["identification"]
    if classification:
        images, people = classification["num_images"], classification["num_classes"]
        table.add_row(f"[bold]{images} held-out photos of {people} people trained on")
        for name in ("accuracy", "precision", "recall", "f1"):
            table.add_row(name, f"{classification[name]:.4f}")
        table.add_section()
    if verification:
        pairs, people = verification["num_pairs"], verification["num_people"]
        table.add_row(f"[bold]{pairs} pairs of {people} people never trained on")
        for name, key in (
            ("accuracy, 10 folds", "accuracy_mean"),
            ("area under the ROC", "auc"),
            ("equal error rate", "eer"),
        ):
            low, high = verification["intervals"][key]
            value = f"{verification[key]:.4f} ({low:.4f} to {high:.4f})"
            table.add_row(name, value)
        for rate, share in verification["tar_at_far"].items():
            value = in_words(share, float(rate), "pairs of different people")
            table.add_row(f"true accepts at false accepts {rate}", value)
        table.add_section()
    if identification:
        enrolled = identification["num_people"]
        table.add_row(f"[bold]{enrolled} people never trained on, one photo enrolled")
        table.add_row("found first", f"{identification['rank_1']:.4f}")
        for rate, share in identification["dir_at_far"].items():
            value = in_words(share, float(rate), "photos of strangers")
            table.add_row(f"found, at false alarms {rate}", value)
    Console().print(table)
    if faceless := results.get("data", {}).get("num_faceless_photos"):
        print(f"no face found in {faceless:,} photos, which are cut at the middle")
    print(printable(f"report: {workdir / 'report' / 'index.html'}"))


if __name__ == "__main__":
    restart_with_huge_pages()
    app.define_help_flags()
    sys.exit(main(sys.argv))
