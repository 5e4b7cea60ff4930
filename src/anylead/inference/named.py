"""Models by name: in the box, in the user's cache of the Hugging Face hub, known elsewhere."""

import json
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

from anylead.checkpoint import DESCRIPTION, WEIGHTS, Checkpoint, load_checkpoint
from anylead.errors import CheckpointError, known_are
from anylead.inference.about import read_about
from anylead.interop import hub
from anylead.interop.fairseq_signals import Hints, read_fairseq_signals
from anylead.interop.presets import preset_for_file
from anylead.interop.published import PUBLISHED

NO_HINTS = Hints()
FOLDER = Path(__file__).resolve().parents[1] / "box"
# What comes with the package, the one to take where none is named first.
BOX = ("ptbxl-small", "ptbxl-cpc", "synthetic-tiny")


@dataclass(frozen=True)
class NamedModel:
    """A model that `load` takes by its name.

    Attributes:
        name: of the model.
        where: "box" comes with the package, "cache" was fetched before, "hub" is fetched when used,
            "yours" wants a file of weights that you bring.
        source: folder, address on the hub, or where its authors keep the weights.
        about: one line.
        licence: of the weights, where stated.
        size: megabytes on the disk, or parameters.
        preset: what its publishers did to the signals, where the file does not say.
    """

    name: str
    where: Literal["box", "cache", "hub", "yours"]
    source: str
    about: str
    licence: str | None
    size: str
    preset: str | None = None


@dataclass(frozen=True)
class Found:
    """Where a model lies.

    Attributes:
        path: folder or file on the disk.
        name: what it is called.
        preset: of a foreign file, where the name tells.
    """

    path: Path
    name: str
    preset: str | None = None


_ECG_FM = "hf://wanglab/ecg-fm"
# Weights: MIT, McKeen et al. 2024 (arXiv:2408.05178).
ELSEWHERE: tuple[NamedModel, ...] = (
    NamedModel(
        name="ecg-fm",
        where="hub",
        source=f"{_ECG_FM}/mimic_iv_ecg_physionet_pretrained.pt",
        about="encoder pre-trained on MIMIC-IV-ECG and PhysioNet 2021 (W2V+CMSC+RLM)",
        licence="MIT",
        size="90.9 M parameters",
        preset="ecg-fm",
    ),
    NamedModel(
        name="ecg-fm-finetuned",
        where="hub",
        source=f"{_ECG_FM}/mimic_iv_ecg_finetuned.pt",
        about="the same fine-tuned on MIMIC-IV-ECG: 17 findings of the machine's reports",
        licence="MIT",
        size="90.9 M parameters",
        preset="ecg-fm",
    ),
)


def list_models() -> list[NamedModel]:
    """All models that have a name: in the box, in the cache, known elsewhere, public encoders."""
    in_box = [_described(FOLDER / name, name, "box", str(FOLDER / name)) for name in _box()]
    return [*in_box, *_in_cache(), *ELSEWHERE, *_yours()]


def default() -> str:
    """The model in the box that is taken where none is named.

    Raises:
        CheckpointError: the package came without any.
    """
    names = _box()
    if not names:
        raise CheckpointError("this installation has no model in the box; name one")
    return names[0]


def find(source: str | Path) -> Found:
    """Where the model of a name, path or address lies; fetches it where needed.

    Args:
        source: a name of `list_models`, a folder, a file, or "hf://owner/name".

    Raises:
        CheckpointError: there is no such model, or it cannot be fetched.
    """
    text = str(source)
    if hub.is_remote(text):
        return Found(hub.pull(text), text)
    path = Path(source)
    if path.exists():
        return Found(path, path.resolve().name.removesuffix(".pt"))
    if text in _box():
        return Found(FOLDER / text, text)
    for known in ELSEWHERE:
        if text == known.name:
            return Found(hub.pull(known.source), text, known.preset)
    if text in PUBLISHED:
        raise CheckpointError(
            f"{text}: bring its weights, published at {PUBLISHED[text].weights}; anylead convert"
            f" FILE -o DIR --preset {text} makes a folder that every command takes, and"
            f' anylead.load("{text}", weights=FILE) reads them'
        )
    raise CheckpointError(
        f"{text}: no such file, folder or model{known_are(text, names())}; others are"
        " hf://owner/name"
    )


def names() -> list[str]:
    """The names that `find` knows, but for those of the cache."""
    return [*_box(), *(known.name for known in ELSEWHERE), *PUBLISHED]


def open_checkpoint(source: str | Path, hints: Hints = NO_HINTS) -> tuple[Checkpoint, Path]:
    """The checkpoint of a name, path or address, and where it lies.

    Args:
        source: as for `find`.
        hints: what a foreign file does not say.

    Raises:
        CheckpointError: there is no such model, or something about it is in doubt.
    """
    found = find(source)
    path = found.path
    if path.is_dir() or path.suffix == ".safetensors":
        if hints != NO_HINTS:
            raise CheckpointError(
                f"{source}: says all about itself; preset=, num_heads=, label_names=, pretrained="
                " and preprocess= are for foreign files"
            )
        return load_checkpoint(path), path
    if hints.preset is None:
        hints = replace(hints, preset=found.preset)
    return read_fairseq_signals(path, hints), path


def is_model(source: str) -> bool:
    """Whether a text names a model, without fetching it."""
    path = Path(source)
    is_here = (path / WEIGHTS).is_file() or path.suffix in (".pt", ".safetensors")
    return hub.is_remote(source) or is_here or (source in names() and not path.exists())


def _box() -> list[str]:
    return [name for name in BOX if (FOLDER / name / WEIGHTS).is_file()]


def _in_cache() -> Iterator[NamedModel]:
    """What was fetched from the hub before, whole."""
    from huggingface_hub import scan_cache_dir
    from huggingface_hub.errors import CacheNotFound

    try:
        repositories = scan_cache_dir().repos
    except CacheNotFound:
        return
    for repository in sorted(repositories, key=lambda each: each.repo_id):
        revisions = sorted(repository.revisions, key=lambda each: -each.last_modified)
        for revision in revisions[:1]:
            folder = Path(revision.snapshot_path)
            address = f"hf://{repository.repo_id}"
            if (folder / WEIGHTS).is_file() and (folder / DESCRIPTION).is_file():
                yield _described(folder, address, "cache", address)
            for file in sorted(folder.glob("*.pt")):
                preset = preset_for_file(file.name)
                if preset is not None:
                    size = f"{file.stat().st_size / 1e6:.0f} MB"
                    name = f"{address}/{file.name}"
                    yield NamedModel(name, "cache", name, f"preset {preset}", None, size, preset)


def _yours() -> Iterator[NamedModel]:
    """Public encoders, whose weights nobody but their authors may hand on."""
    for name, known in PUBLISHED.items():
        about = f"{known.title} ({known.paper}), weights at {known.weights}"
        yield NamedModel(name, "yours", known.weights, about, known.licence, "-", name)


def _described(folder: Path, name: str, where: Literal["box", "cache"], source: str) -> NamedModel:
    try:
        described = json.loads((folder / DESCRIPTION).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        described = {}
    told = read_about(described, name, "")
    labels = f"{len(told.label_names)} labels, " if told.label_names else "encoder, "
    size = f"{(folder / WEIGHTS).stat().st_size / 1e6:.1f} MB"
    return NamedModel(name, where, source, labels + told.trained, told.licence, size)
