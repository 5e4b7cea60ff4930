"""Command line: `anylead VERB [recipe.yaml] [--option value ...]`.

Options are the fields of each verb's `Recipe`, and a verb is imported only when it runs, so that
`anylead --help` is instant.
"""

import sys
from dataclasses import dataclass
from importlib import import_module
from typing import Any, NoReturn

from anylead import __version__
from anylead.errors import AnyleadError


@dataclass(frozen=True)
class Verb:
    """A command.

    Attributes:
        module: in `anylead.commands`, with a `Recipe` and a `run`.
        help: one line.
        positional: fields of the recipe that may be given without `--name`, in order.
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
    "evaluate": Verb("evaluate", "scores of runs, for every lead set, with a report", ("runs",)),
    "pack": Verb("pack", "a run -> a model that knows its scores with any leads", ("model",)),
    "embed": Verb("embed", "one vector per recording, as a Parquet file", ("source", "model")),
    "export": Verb(
        "export", "a model for programs without anylead: ONNX, torch.export", ("model",)
    ),
    "enroll": Verb("enroll", "add recordings of known persons to a gallery", ("files",)),
    "identify": Verb("identify", "who is this? the nearest persons of a gallery", ("files",)),
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
    "completion": Verb("completion", "Tab completion for bash or zsh", ("shell",)),
}

# Short spellings of fields, the same for every verb.
SHORT = {"-o": "--out"}


def main(argv: list[str] | None = None) -> int:
    """Run one command; exit status 0, or 2 with one line on stderr for a user's mistake."""
    arguments = sys.argv[1:] if argv is None else argv
    if not arguments or arguments[0] in ("-h", "--help"):
        print(usage())
        return 0
    if arguments[0] in ("-V", "--version"):
        print(f"anylead {__version__}")
        return 0
    name, rest = arguments[0], arguments[1:]
    if name not in VERBS:
        print(f"anylead: no command {name!r}; known are {', '.join(VERBS)}", file=sys.stderr)
        return 2
    try:
        run_verb(name, rest)
    except AnyleadError as error:
        print(f"anylead {name}: {error}", file=sys.stderr)
        return error.exit_status
    except KeyboardInterrupt:
        print(f"anylead {name}: stopped", file=sys.stderr)
        return 130
    return 0


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
            "anylead VERB --help lists the options of a verb; --print_config writes its recipe.",
        ]
    )


def run_verb(name: str, arguments: list[str]) -> None:
    """Parse the options of a verb and run it."""
    verb = VERBS[name]
    module = import_module(f"anylead.commands.{verb.module}")
    module.run(parse(name, module.Recipe, arguments))


def parse(name: str, recipe_type: type[Any], arguments: list[str]) -> Any:
    """The recipe from YAML files, positional values and options, later ones winning.

    Raises:
        AnyleadError: an unknown option or a value of the wrong type.
    """
    parser = build_parser(name, recipe_type)
    options = parser.parse_args(spell_out(VERBS[name], arguments))
    options.pop("config", None)
    return recipe_type(**vars(parser.instantiate(options)))


def build_parser(name: str, recipe_type: type[Any]) -> Any:
    """The jsonargparse parser of a verb: an option for every field of its recipe."""
    from jsonargparse import ArgumentParser, set_parsing_settings

    set_parsing_settings(docstring_parse_attribute_docstrings=True)

    class Parser(ArgumentParser):
        def error(self, message: str, ex: Exception | None = None) -> NoReturn:
            raise AnyleadError(f"{_one_line(message)}; see `anylead {name} --help`")

    parser = Parser(
        prog=f"anylead {name}", description=(recipe_type.__doc__ or name).splitlines()[0]
    )
    parser.add_argument("--config", action="config", help="a recipe; several may follow each other")
    parser.add_class_arguments(recipe_type, as_group=False)
    return parser


def spell_out(verb: Verb, arguments: list[str]) -> list[str]:
    """Positional values and short options as full options."""
    spelled: list[str] = []
    wanted = list(verb.positional)
    previous = ""
    for argument in arguments:
        is_value = previous.startswith("--") and "=" not in previous
        if argument in SHORT:
            argument = SHORT[argument]
        elif not argument.startswith("-") and not is_value:
            if argument.endswith((".yaml", ".yml")):
                spelled.append("--config")
            elif wanted:
                spelled.append(f"--{wanted.pop(0)}")
        spelled.append(argument)
        previous = argument
    return spelled


def _one_line(message: str) -> str:
    lines = [line.strip() for line in str(message).splitlines() if line.strip()]
    return " ".join(lines)
