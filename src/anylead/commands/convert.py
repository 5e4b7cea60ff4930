"""`anylead convert`: weights of fairseq-signals and of public encoders to our format, and back."""

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from rich.console import Console

from anylead.checkpoint import Checkpoint, load_checkpoint, save_checkpoint
from anylead.commands import screen
from anylead.errors import CheckpointError
from anylead.interop import hub
from anylead.interop.fairseq_signals import Hints, read_fairseq_signals
from anylead.interop.fairseq_writing import write_fairseq_signals
from anylead.interop.published import PUBLISHED, check_preset, licence_line, read_published
from anylead.signals import PreprocessConfig

FIRST = (
    "out",
    "to",
    "preset",
    "pretrained",
    "label_names",
)
EXAMPLES = (
    "anylead convert ecg_fm.pt -o ecg_fm/ --preset ecg-fm",
    "anylead convert runs/pre -o pre.pt --to fairseq-signals",
)


@dataclass(frozen=True)
class Recipe:
    """What to convert.

    Attributes:
        checkpoint: a file of fairseq-signals (.pt) or of a public encoder, or with
            `--to fairseq-signals` a folder of ours; "hf://owner/name" and "hf://owner/name/file.pt"
            are fetched.
        out: folder to write, or with `--to fairseq-signals` the .pt file.
        to: the format to write.
        preset: what the publishers did to their signals before training ("ecg-fm"), or the name of
            the public encoder that the file is, such as "ecgfounder" (`docs/models.md`).
        pretrained: the file that a fine-tuned one started from, where the number of heads is in
            doubt.
        num_heads: attention heads, where no file says.
        conv_strides: strides of the convolutions, where no file says.
        norm_first: whether layers normalize before their parts, where the settings in the file are
            not those of its tensors.
        label_names: names of the outputs in order, or one text file with a name per line.
        preprocess: the preprocessing that the model expects, where the file does not say.
        tail: what becomes of the end of a recording that is no multiple of the segment: "overlap"
            or "drop"; null takes that of the preset (ECG-FM drops it).
    """

    checkpoint: str
    out: Path
    to: Literal["anylead", "fairseq-signals"] = "anylead"
    preset: str | None = None
    pretrained: Path | None = None
    num_heads: int | None = None
    conv_strides: list[int] | None = None
    norm_first: bool | None = None
    label_names: list[str] | None = None
    preprocess: PreprocessConfig | None = None
    tail: Literal["overlap", "drop"] | None = None


def run(recipe: Recipe, console: Console | None = None) -> Path:
    """Convert; returns what was written.

    Raises:
        CheckpointError: a checkpoint that cannot be read or written in the other format.
    """
    console = console or screen.console(stderr=True)
    remote = hub.is_remote(recipe.checkpoint)
    source = hub.pull(recipe.checkpoint) if remote else Path(recipe.checkpoint)
    if recipe.to == "fairseq-signals":
        if recipe.out.suffix != ".pt":
            raise CheckpointError(f"{recipe.out}: name a .pt file to write")
        write_fairseq_signals(load_checkpoint(source), recipe.out)
        screen.say(console, f"{recipe.out}: written for fairseq-signals")
        return recipe.out
    checkpoint = _read(source, recipe)
    if recipe.tail is not None:
        checkpoint.description["tail"] = recipe.tail
    save_checkpoint(recipe.out, checkpoint.tensors, checkpoint.description)
    hub.write_card(recipe.out)
    count = sum(tensor.numel() for tensor in checkpoint.tensors.values())
    kind = checkpoint.description["kind"]
    screen.say(
        console, f"{recipe.out}: {kind}, {len(checkpoint.tensors)} tensors, {count:,} weights"
    )
    line = licence_line(checkpoint.description)
    if line is not None:
        screen.say(console, line)
    for text in checkpoint.description["provenance"].get("differs", []):
        screen.say(console, f"differs from the authors' way: {text}")
    for text in checkpoint.description["provenance"]["assumed"]:
        screen.say(console, f"assumed, the file does not say: {text}")
    return recipe.out


def _read(source: Path, recipe: Recipe) -> Checkpoint:
    check_preset(recipe.preset)
    if recipe.preset not in PUBLISHED:
        return read_fairseq_signals(source, _hints(recipe))
    of_fairseq = (recipe.pretrained, recipe.num_heads, recipe.conv_strides, recipe.norm_first)
    if any(given is not None for given in of_fairseq):
        raise CheckpointError(
            f"{recipe.preset}: pretrained, num_heads, conv_strides and norm_first are for files of"
            " fairseq-signals"
        )
    names = _label_names(recipe.label_names)
    return read_published(recipe.preset, source, names, recipe.preprocess)


def _hints(recipe: Recipe) -> Hints:
    return Hints(
        num_heads=recipe.num_heads,
        conv_strides=tuple(recipe.conv_strides) if recipe.conv_strides else None,
        norm_first=recipe.norm_first,
        pretrained=recipe.pretrained,
        preset=recipe.preset,
        preprocess=recipe.preprocess,
        label_names=_label_names(recipe.label_names),
    )


def _label_names(given: list[str] | None) -> tuple[str, ...] | None:
    if given is None:
        return None
    if len(given) == 1 and Path(given[0]).is_file():
        lines = Path(given[0]).read_text().splitlines()
        return tuple(line.strip() for line in lines if line.strip())
    return tuple(given)
