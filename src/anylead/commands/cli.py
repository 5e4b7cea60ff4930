"""Command line: `anylead VERB [recipe.yaml] [--option value ...]`.

Options are the fields of each verb's `Recipe`, and a verb is imported only when it runs, so that
`anylead --help` is instant.
"""

import errno
import os
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import Any

from anylead import __version__
from anylead.errors import AnyleadError, did_you_mean

PRINT_RECIPE = ("--print_config", "--print-config")


@dataclass(frozen=True)
class Verb:
    """A command.

    Attributes:
        module: in `anylead.commands`, with a `Recipe` and a `run`; `FIRST` names the options that
            `--help` shows first, `EXAMPLES` are command lines.
        help: one line.
        positional: fields of the recipe that may be given without `--name`, in order; one that
            ends with "..." takes several values, joined by commas.
    """

    module: str
    help: str
    positional: tuple[str, ...] = ()


VERBS: dict[str, Verb] = {
    "download": Verb("download", "a public corpus, checked and resumable", ("name",)),
    "prepare": Verb(
        "prepare", "recordings of a corpus or a folder -> a store", ("dataset", "root")
    ),
    "verify": Verb("verify", "whether a store is whole, byte by byte", ("store",)),
    "inspect": Verb("inspect", "what is in a folder of ECGs", ("root",)),
    "pretrain": Verb("pretrain", "learn an encoder without labels"),
    "finetune": Verb("finetune", "train an encoder for a task with labels"),
    "evaluate": Verb("evaluate", "scores of runs, for every lead set, with a report", ("runs...",)),
    "pack": Verb("pack", "a run -> a model that knows its scores with any leads", ("model",)),
    "embed": Verb("embed", "one vector per recording", ("source", "model")),
    "predict": Verb("predict", "what a model says, and how far to trust it", ("source...",)),
    "delineate": Verb(
        "delineate", "where P, QRS and T begin and end; PR, QRS, QT and QTc", ("source...",)
    ),
    "models": Verb("models", "the models that have a name"),
    "export": Verb(
        "export", "a model for programs without anylead: ONNX, torch.export", ("model",)
    ),
    "enroll": Verb("enroll", "add recordings of known persons to a gallery", ("files...",)),
    "identify": Verb("identify", "who is this? the nearest persons of a gallery", ("files...",)),
    "benchmark": Verb("benchmark", "one recipe -> a table of methods, lead sets and tasks"),
    "convert-ecg": Verb(
        "convert_ecg", "an ECG file -> WFDB, CSV, EDF or DICOM", ("input", "output")
    ),
    "convert": Verb("convert", "weights of fairseq-signals (ECG-FM) <-> ours", ("checkpoint",)),
    "plot": Verb("plot", "a recording as printed in a clinic", ("file",)),
    "explain": Verb("explain", "what a prediction rests on, drawn over the ECG", ("file",)),
    "serve": Verb("serve", "HTTP API and web page of a model", ("model",)),
    "demo": Verb("demo", "the whole job on generated ECGs"),
    "doctor": Verb("doctor", "what is installed, what is missing and what brings it"),
    "completion": Verb("completion", "Tab completion for bash, zsh or fish", ("shell",)),
}


# What the machine lacks where no file is named: the disk behind stdout, descriptors.
_OF_MACHINE = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EIO, errno.EMFILE, errno.ENFILE)


def main(argv: list[str] | None = None) -> int:
    """Run one command.

    Returns:
        0; 2 with one line on stderr for a user's mistake; 130 after Ctrl-C.
    """
    arguments = sys.argv[1:] if argv is None else list(argv)
    _open_closed_streams()
    try:
        Path.cwd()
    except FileNotFoundError:  # within torch it ends the process with words of another library
        return _complain("", "the current folder has been deleted; change to another", 2)
    if arguments[:1] == ["help"]:
        arguments = [*arguments[1:2], "--help", *arguments[2:]]
    if not arguments or arguments[0] in ("-h", "--help"):
        return _told(usage)
    if arguments[0] in ("-V", "--version"):
        return _told(lambda: f"anylead {__version__}")
    name, rest = arguments[0], arguments[1:]
    if name not in VERBS:
        name = name.replace("_", "-")
    if name not in VERBS:
        hint = did_you_mean(name, VERBS) or f"; known are {', '.join(VERBS)}"
        print(f"anylead: no command {name!r}{hint}", file=sys.stderr)
        return 2
    try:
        run_verb(name, rest, is_own_process=argv is None)
    except AnyleadError as error:
        return _complain(name, str(error), error.exit_status)
    except KeyboardInterrupt:
        return _complain(name, "stopped by Ctrl-C", 130)
    except BrokenPipeError:
        return _broken_pipe()
    except OSError as error:
        if error.strerror is None or (error.filename is None and error.errno not in _OF_MACHINE):
            raise
        if error.filename is None:
            _leave_stdout()
        return _complain(name, f"{error.filename or 'this machine'}: {error.strerror}", 2)
    return 0


def _open_closed_streams() -> None:
    """Let what is printed vanish where the caller has closed a stream (`2>&-`)."""
    sys.stdout = sys.stdout or open(os.devnull, "w")  # noqa: SIM115
    sys.stderr = sys.stderr or open(os.devnull, "w")  # noqa: SIM115


def _complain(name: str, text: str, status: int) -> int:
    print(f"anylead {name}".rstrip() + f": {' '.join(text.split())}", file=sys.stderr)
    return status


def _told(text: Callable[[], str]) -> int:
    print(text())
    return 0


def _broken_pipe() -> int:
    """Who reads what we print has gone, as `head` does: no fault of anyone."""
    _leave_stdout()
    return 0


def _leave_stdout() -> None:
    """What is still to be written goes nowhere, so that leaving Python does not fail again."""
    stdout = sys.__stdout__
    if stdout is not None and stdout is sys.stdout:
        os.dup2(os.open(os.devnull, os.O_WRONLY), stdout.fileno())


def usage() -> str:
    """What `anylead --help` prints."""
    lines = [f"  {name:<12} {verb.help}" for name, verb in VERBS.items()]
    return "\n".join(
        [
            "usage: anylead VERB [recipe.yaml] [--option value ...]",
            "",
            "Self-supervised ECG models that work with any set of leads.",
            "",
            *lines,
            "",
            "anylead VERB --help shows what a person needs, with examples; --help all the rest.",
            "--threads N goes with every command: all that it computes with, worker processes too.",
        ]
    )


def run_verb(name: str, arguments: Sequence[str], is_own_process: bool = False) -> None:
    """Parse the options of a verb and run it, or print its help.

    Args:
        name: of the verb.
        arguments: the words after it.
        is_own_process: whether nothing else runs in this process, now or later.

    Raises:
        AnyleadError: a mistake on the command line, or whatever the verb finds.
    """
    wanted = asks_for_help(arguments)
    if wanted is None and sys.stderr.isatty():
        print(f"anylead {name}: starting\r", end="", file=sys.stderr, flush=True)  # torch is slow
    if wanted is None:
        from anylead.engines import threads

        arguments, number = threads.take_option(arguments)
        if is_own_process:  # before the libraries are loaded that ask for it
            threads.prepare(os.environ, number)
        elif number is not None:
            with threads.within(number):
                run_verb(name, arguments)
            return
    module = import_module(f"anylead.commands.{VERBS[name].module}")
    if wanted is not None:
        from anylead.commands.help import command_help

        print(command_help(name, module, VERBS[name].positional, wanted == "all"))
        return
    rest = [word for word in arguments if word not in PRINT_RECIPE]
    recipe = parse(name, module.Recipe, rest)
    if len(rest) < len(arguments):
        from anylead.commands.recipe_files import to_yaml

        print(to_yaml(recipe), end="")
        return
    from anylead.commands.choices import check_values
    from anylead.commands.screen import shown

    check_values(name, recipe)
    with shown():
        module.run(recipe)


def asks_for_help(arguments: Sequence[str]) -> str | None:
    """What of the help the words ask for, "" or "all"; None where they do not."""
    for number, word in enumerate(arguments):
        if word in ("-h", "--help", "--help=all", "--help-all", "--help_all"):
            more = arguments[number + 1 : number + 2]
            return "all" if word.endswith("all") or more == ["all"] else ""
    return None


def parse(name: str, recipe_type: type[Any], arguments: Sequence[str]) -> Any:
    """The recipe from YAML files, positional values and options, later ones winning.

    Raises:
        AnyleadError: an unknown option or a value of the wrong type.
    """
    from anylead.commands.arguments import read_arguments
    from anylead.commands.recipes import build

    given = read_arguments(recipe_type, VERBS[name].positional, arguments)
    placed = [each.removesuffix("...") for each in VERBS[name].positional]
    told = {each: each.upper() for each in placed} | given.told
    return build(recipe_type, given.values, told, where="--")
