"""Public encoders by name: how their files are read and what their signals went through.

Each reader has a file of its own; this is the table of them. No weights are shipped: the user
brings a file or names an address on the hub, and is shown the licence.
"""

from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field
from importlib.resources import files
from pathlib import Path
from typing import Any

from safetensors import SafetensorError
from safetensors.torch import load_file

from anylead.checkpoint import WEIGHTS, Checkpoint
from anylead.errors import CheckpointError, known_are
from anylead.interop import ecg_cpc, ecg_jepa, ecgfounder, hubert_ecg, ked, merl, st_mem
from anylead.interop.presets import PRESETS
from anylead.interop.renaming import Found
from anylead.interop.unpickling import read_torch_file
from anylead.models import build_encoder
from anylead.models.building import check_shapes
from anylead.models.weightless import weightless
from anylead.signals import PreprocessConfig


@dataclass(frozen=True)
class Published:
    """A public encoder.

    Attributes:
        read: (top level of the file, its name for messages) -> what it holds.
        title: how its authors call it.
        paper: where it is described.
        weights: where the files are.
        licence: of the weights, as far as stated; without a statement, nobody gave a right.
        preprocess: what its training data went through, up to what the encoder does itself.
        segment_seconds: its window.
        label_file: names of the outputs of a fine-tuned file, in order, one a line.
        join: how the windows of a long recording become one number.
        differs: where we leave the authors' way, for the user to know.
    """

    read: Callable[[Mapping[str, Any], str], Found]
    title: str
    paper: str
    weights: str
    licence: str
    preprocess: PreprocessConfig
    segment_seconds: float
    label_file: str | None = None
    join: str = "mean"
    differs: tuple[str, ...] = field(default_factory=tuple)


_FOUNDER = Published(
    read=ecgfounder.read,
    title="ECGFounder",
    paper="arXiv:2410.04133",
    weights="hf://PKUDigitalHealth/ECGFounder/12_lead_ECGFounder.pth",
    licence="code MIT; weights as its hub page states",
    preprocess=PreprocessConfig(500.0, published_filter="ecgfounder"),
    segment_seconds=10.0,
    label_file="ecgfounder_labels.txt",
    differs=(
        "other rates than 500 Hz are resampled; the authors' program leaves them as they are",
    ),
)
_MERL = Published(
    read=merl.read_resnet18,
    title="MERL ResNet18",
    paper="arXiv:2403.06659",
    weights="the folder in the README of github.com/cheliu-computation/MERL-ICML2024",
    licence="code MIT; none stated for the weights",
    preprocess=PreprocessConfig(500.0),
    segment_seconds=10.0,
    differs=("a missing lead lies where 0 mV lies",),
)

PUBLISHED: dict[str, Published] = {
    "ecgfounder": _FOUNDER,
    "ecgfounder_1lead": Published(
        read=ecgfounder.read,
        title="ECGFounder, lead I",
        paper=_FOUNDER.paper,
        weights="hf://PKUDigitalHealth/ECGFounder/1_lead_ECGFounder.pth",
        licence=_FOUNDER.licence,
        preprocess=_FOUNDER.preprocess,
        segment_seconds=10.0,
        label_file=_FOUNDER.label_file,
        differs=_FOUNDER.differs,
    ),
    "ecg_jepa": Published(
        read=ecg_jepa.read,
        title="ECG-JEPA",
        paper="arXiv:2410.08559",
        weights="the links in the README of github.com/sehunfromdaegu/ECG_JEPA",
        licence="code MIT; none stated for the weights",
        preprocess=PreprocessConfig(250.0, resampler="fourier"),
        segment_seconds=10.0,
    ),
    "st_mem": Published(
        read=st_mem.read,
        title="ST-MEM",
        paper="arXiv:2402.09450",
        weights="the links in the README of github.com/bakqui/ST-MEM",
        licence="CC BY-NC 4.0, non-commercial; VUNO Inc., all rights reserved beside it",
        preprocess=PreprocessConfig(250.0, resampler="fourier"),
        segment_seconds=9.0,
        join="mean_probability",
        differs=(
            "a recording of 10 s is two windows of 9 s, at its begin and its end; the authors take"
            " three",
            "a lead has the embedding of its name, also where leads are missing",
        ),
    ),
    "hubert_ecg": Published(
        read=hubert_ecg.read,
        title="HuBERT-ECG",
        paper="medRxiv 2024.11.14.24317328",
        weights="hf://Edoardo-BS/hubert-ecg-base/model.safetensors (-small, -large)",
        licence="CC BY-NC 4.0, non-commercial",
        preprocess=PreprocessConfig(
            500.0, normalize="lead_range", resampler="fourier", published_filter="hubert_ecg"
        ),
        segment_seconds=5.0,
        label_file="hubert_ecg_labels.txt",
        join="mean_probability",
        differs=(
            "all windows of a recording count; the authors' evaluation takes the first",
            "standard order of leads; the authors state none",
        ),
    ),
    "merl_resnet18": _MERL,
    "merl_vit_tiny": Published(
        read=merl.read_vit_tiny,
        title="MERL ViT-tiny",
        paper=_MERL.paper,
        weights=_MERL.weights,
        licence=_MERL.licence,
        preprocess=_MERL.preprocess,
        segment_seconds=10.0,
        differs=_MERL.differs,
    ),
    "ked": Published(
        read=ked.read,
        title="KED",
        paper="doi:10.1016/j.xcrm.2024.101875",
        weights="zenodo.org/records/14881564",
        licence="none stated with the code; weights as its Zenodo page states",
        preprocess=PreprocessConfig(100.0, resampler="fourier"),
        segment_seconds=10.0,
        differs=(
            "leads in standard order, as in the authors' tests; their training had aVF first",
        ),
    ),
    "ecg_cpc": Published(
        read=ecg_cpc.read,
        title="ECG-CPC",
        paper="arXiv:2509.25095",
        weights="figshare.com, article 30192604",
        licence="none stated with the code; weights as their figshare page states",
        preprocess=PreprocessConfig(240.0, resampler="windowed_sinc", clip_mv=3.0),
        segment_seconds=10.0,
        differs=("windows of 10 s as in pre-training; the authors' evaluation takes 2.5 s",),
    ),
}


def check_preset(name: str | None) -> None:
    """Refuse a name that is neither a preset nor a public encoder.

    Raises:
        CheckpointError: with those that are known.
    """
    known = (*PRESETS, *PUBLISHED)
    if name is not None and name not in known:
        raise CheckpointError(f"no preset {name!r}{known_are(name, known)}")


def read_published(
    name: str,
    path: Path,
    label_names: tuple[str, ...] | None = None,
    preprocess: PreprocessConfig | None = None,
) -> Checkpoint:
    """A published file as a checkpoint of ours; every tensor is accounted for.

    Args:
        name: in `PUBLISHED`.
        path: the file, or a folder with `model.safetensors`.
        label_names: of the outputs in order, where they are not the published ones.
        preprocess: overrules the published one.

    Raises:
        CheckpointError: no such file, or one of another layout.
    """
    known = PUBLISHED[name]
    path = path / WEIGHTS if path.is_dir() else path
    content = _content(path)
    try:
        found = _checked(name, content, str(path))
    except CheckpointError:
        for other in PUBLISHED:
            if _fits(other, content):
                raise CheckpointError(
                    f"{path}: laid out as weights of {other}, not of {name}; name {other}"
                ) from None
        raise
    outputs = found.tensors.get("head.weight")
    preprocess = preprocess or known.preprocess
    description: dict[str, Any] = {
        "kind": "pretraining" if outputs is None else "classification",
        "encoder": dict(found.encoder),
        "preprocess": asdict(preprocess),
        "segment_seconds": known.segment_seconds,
        "unit": "mV" if preprocess.normalize == "none" else "NU",
        "licence": known.licence,
        "weights_from": {"title": known.title, "licence": known.licence, "paper": known.paper},
        "provenance": {
            "source": path.name,
            "method": known.title,
            "unused_tensors": found.num_unused,
            "differs": list(known.differs),
            "assumed": [],
        },
    }
    if outputs is not None:
        names = label_names or _published_labels(known, len(outputs))
        if len(names) != len(outputs) or len(set(names)) != len(names):
            raise CheckpointError(
                f"{path}: {len(outputs)} outputs and {len(set(names))} different label names; want"
                " one name for each output, in order"
            )
        description |= {"task": name, "label_names": list(names), "join": known.join}
    # Off the mapped file, which somebody may overwrite.
    return Checkpoint({key: t.clone() for key, t in found.tensors.items()}, description)


def licence_line(description: Mapping[str, Any]) -> str | None:
    """What a user is told about a model's licence, if it came from somebody else."""
    origin = description.get("weights_from")
    return None if origin is None else f"weights of {origin['title']}: {origin['licence']}"


def _content(path: Path) -> Mapping[str, Any]:
    if path.suffix != ".safetensors":
        return read_torch_file(path)
    try:
        return load_file(path)
    except (SafetensorError, OSError) as error:
        raise CheckpointError(f"{path}: missing, damaged or no safetensors ({error})") from error


def _fits(name: str, content: Mapping[str, Any]) -> bool:
    try:
        _checked(name, content, "")
    except CheckpointError:
        return False
    return True


def _checked(name: str, content: Mapping[str, Any], source: str) -> Found:
    """What is read; raises where a tensor is missing, extra or of another shape."""
    found = PUBLISHED[name].read(content, source)
    with weightless():
        encoder = build_encoder(found.encoder)
    own = {
        name.removeprefix("encoder."): tensor
        for name, tensor in found.tensors.items()
        if name.startswith("encoder.")
    }
    check_shapes(encoder, own, source)
    head = {name for name in found.tensors if name.startswith("head.")}
    if head and head != {"head.weight", "head.bias"}:
        raise CheckpointError(f"{source}: half a classifier: {', '.join(sorted(head))}")
    if head:
        shape = tuple(found.tensors["head.weight"].shape)
        if (
            len(shape) != 2
            or shape[1] != encoder.dim
            or len(found.tensors["head.bias"]) != shape[0]
        ):
            raise CheckpointError(
                f"{source}: classifier of shape {shape} on {encoder.dim} channels"
            )
    return found


def _published_labels(known: Published, num_outputs: int) -> tuple[str, ...]:
    if known.label_file is not None:
        text = files("anylead.interop").joinpath(known.label_file).read_text(encoding="utf-8")
        names = tuple(text.splitlines())
        if len(names) == num_outputs:
            return names
    # Numbers say that nobody told; a guess would be dangerous.
    return tuple(f"output {i}" for i in range(num_outputs))
