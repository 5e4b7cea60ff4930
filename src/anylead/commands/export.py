"""`anylead export`: a model for programs without anylead, as ONNX or `torch.export`.

The exported model takes preprocessed signals (batch, 12, time) of any batch and length (of one
length, if its encoder is made for one window) and gives the pooled embedding and, of a classifier,
the logits. How signals must be preprocessed stands in its metadata under "anylead". Every export is
run and compared with the original before it is kept.
"""

import io
import json
import logging
import signal
import tempfile
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from copy import deepcopy
from dataclasses import asdict, dataclass
from pathlib import Path
from threading import current_thread, main_thread
from typing import Any, Literal

import numpy as np
import torch
from numpy.typing import NDArray
from rich.console import Console
from torch import Tensor, nn
from torch.nn.utils import parametrize

from anylead.commands import screen
from anylead.errors import CheckpointError, RecipeError
from anylead.extras import missing
from anylead.inference.model import Model, load
from anylead.leads import LEADS, lead_mask
from anylead.models import build_encoder, load_weights
from anylead.models.heads import Head
from anylead.models.s4 import freeze_kernels
from anylead.models.weightless import nothing_drawn
from anylead.store.files import write_result

# An export of full precision that differs by more is wrong, not rounded.
LARGEST_DIFFERENCE = 2e-4  # 1.1e-4 of a large ST-MEM on a CPU without AVX-512
# Batch and length of the recordings it is tried with, besides the segment of the model.
_TRIALS = ((1, 1.0), (3, 1.0), (2, 0.6), (1, 2.0))
_SHORTEST = 64

Outputs = list[NDArray[np.float32]]

EXAMPLES = (
    "anylead export runs/diagnosis -o model.onnx",
    "anylead export runs/diagnosis --format torch",
)


@dataclass(frozen=True)
class Recipe:
    """What to export.

    Attributes:
        model: what `anylead.load` takes.
        out: file to write; by default model.onnx or model.pt2.
        format: "onnx", or "torch" for a file of `torch.export`.
        precision: "fp32"; "fp16" or "int8" make smaller ONNX files and state what they differ by.
        preset: of a foreign model file ("ecg-fm").
        leads: the exported model looks at these only; a named set or a list; null takes what the
            model itself says, else all.
    """

    model: str
    out: Path | None = None
    format: Literal["onnx", "torch"] = "onnx"
    precision: Literal["fp32", "fp16", "int8"] = "fp32"
    preset: str | None = None
    leads: str | None = None


@dataclass(frozen=True)
class Exported:
    """What was written.

    Attributes:
        path: the file.
        difference: largest difference of any output from the original, over several recordings.
        relative: that difference divided by the standard deviation of the output.
    """

    path: Path
    difference: float
    relative: float


def run(recipe: Recipe, console: Console | None = None) -> Exported:
    """Export, compare, and only then write.

    Raises:
        RecipeError: a combination that does not exist.
        CheckpointError: no such model, or the export does not give the same numbers.
        MissingPackageError: ONNX is not installed.
    """
    console = console or screen.console(stderr=True)
    if recipe.format == "torch" and recipe.precision != "fp32":
        raise RecipeError(f"precision {recipe.precision}: only --format onnx has it")
    model = load(recipe.model, preset=recipe.preset, device="cpu")
    if recipe.leads is not None:
        model.see_only(recipe.leads)
    default = Path("model.onnx" if recipe.format == "onnx" else "model.pt2")
    out = recipe.out or default
    make = {"onnx": _to_onnx, "torch": _to_torch}[recipe.format]
    with warnings.catch_warnings():
        # What torch says is about its own insides; the comparison tells what matters.
        warnings.simplefilter("ignore")
        difference, relative = make(model, out, recipe.precision)
    screen.say(
        console,
        f"{out}: {recipe.precision}, differs from the original by at most {difference:.1e}"
        f" ({relative:.1e} of the spread of an output)",
    )
    return Exported(out, difference, relative)


class Plain(nn.Module):
    """Encoder, mean over frames and head without anything that only training needs.

    Args:
        model: the model.
    """

    def __init__(self, model: Model):
        super().__init__()
        settings = {**model.description["encoder"]}
        if "feature_grad_scale" in settings:
            settings["feature_grad_scale"] = 1.0  # a matter of gradients
        with nothing_drawn():
            self.encoder = build_encoder(settings)
        load_weights(self.encoder, model.encoder.state_dict(), "export")
        for module in self.encoder.modules():
            if parametrize.is_parametrized(module):
                parametrize.remove_parametrizations(module, "weight")
        freeze_kernels(self.encoder, by_frequency=False)
        seen = lead_mask(model.leads)
        self.sees_all = bool(seen.all())
        self.register_buffer("sees_lead", torch.from_numpy(seen))
        self.head: Head | None = None
        if model.head is not None:
            self.head = deepcopy(model.head)
        self.eval().requires_grad_(False)

    def forward(self, signal: Tensor, has_lead: Tensor | None = None) -> tuple[Tensor, ...]:
        """(batch, 12, time), (batch, 12) bool -> embedding (batch, dim)[, logits]."""
        if not self.sees_all:
            signal = signal * self.get_buffer("sees_lead")[:, None].to(signal.dtype)
            has_lead = None if has_lead is None else has_lead & self.get_buffer("sees_lead")
        context = self.encoder(signal, None, has_lead).context
        embedding = self.encoder.pool(context)  # type: ignore[operator]
        if self.head is None:
            return (embedding,)
        return embedding, self.head(context, None, self.encoder.pool)


def needs_has_lead(model: Model) -> bool:
    """Whether the encoder looks at which leads there are."""
    return bool(model.encoder.uses_has_lead)


def metadata(model: Model, precision: str, difference: float | None = None) -> dict[str, Any]:
    """What a program needs to know to feed the exported model."""
    return {
        "kind": model.kind,
        "preprocess": asdict(model.preprocess_config),
        "segment_seconds": model.description.get("segment_seconds", 5.0),
        "leads": list(LEADS),
        "sees_leads": list(model.leads),
        "label_names": list(model.label_names),
        "thresholds": model.description.get("thresholds"),
        "join": model.description.get("join", "mean"),
        "precision": precision,
        "difference": difference,
    }


@contextmanager
def _heard() -> Iterator[None]:
    """Ctrl-C is Ctrl-C, also where torch, stopped within an import, makes another error of it."""
    times: list[int] = []

    def hear(number: int, frame: object) -> None:
        times.append(number)
        raise KeyboardInterrupt

    # It warns of operators of torchvision, which nobody asked for.
    logging.getLogger("torch.onnx._internal.exporter._registration").setLevel(logging.ERROR)
    before = signal.getsignal(signal.SIGINT)
    # Whoever handles it otherwise, or calls this from a thread, is left alone.
    is_ours = before is signal.default_int_handler and current_thread() is main_thread()
    if is_ours:
        signal.signal(signal.SIGINT, hear)
    try:
        yield
    except Exception as error:
        if times:
            raise KeyboardInterrupt from error
        raise
    finally:
        if is_ours:
            signal.signal(signal.SIGINT, before)


def _to_onnx(model: Model, out: Path, precision: str) -> tuple[float, float]:
    try:
        import onnxruntime
    except ImportError:
        raise missing("onnxruntime", "onnx") from None
    plain = Plain(model)
    arguments = _trial(model, 2, 1.0)
    with _heard():
        program = torch.onnx.export(
            plain,
            arguments,
            dynamo=True,
            dynamic_shapes=_dynamic_shapes(model, arguments),
            input_names=["signal", "has_lead"][: len(arguments)],
            output_names=["embedding", "logits"][: 1 if plain.head is None else 2],
            verbose=False,
        )
    if program is None:
        raise CheckpointError(f"{out}: torch made no ONNX program of this model")
    proto = _in_precision(program.model_proto, precision)

    def call(inputs: Sequence[Tensor]) -> Outputs:
        named = {p.name: t.numpy() for p, t in zip(session.get_inputs(), inputs, strict=True)}
        outputs: Outputs = session.run(None, named)
        return outputs

    session = onnxruntime.InferenceSession(
        proto.SerializeToString(), providers=["CPUExecutionProvider"]
    )
    difference, relative = _compare(model, plain, call, precision, out)
    entry = proto.metadata_props.add()
    entry.key, entry.value = "anylead", json.dumps(metadata(model, precision, difference))
    write_result(out, proto.SerializeToString())
    return difference, relative


def _in_precision(proto: Any, precision: str) -> Any:
    """The ONNX model with smaller numbers."""
    if precision == "fp32":
        return proto
    if precision == "fp16":
        from onnxruntime.transformers.float16 import convert_float_to_float16

        return convert_float_to_float16(proto, keep_io_types=True)
    import onnx
    from onnxruntime.quantization import quantize_dynamic
    from onnxruntime.quantization.shape_inference import quant_pre_process

    with tempfile.TemporaryDirectory() as folder:
        first, second = Path(folder) / "first.onnx", Path(folder) / "second.onnx"
        onnx.save(proto, first)
        quant_pre_process(first, second, skip_symbolic_shape=True)
        quantize_dynamic(second, first, op_types_to_quantize=["MatMul", "Gemm"], per_channel=True)
        return onnx.load(first)


def _to_torch(model: Model, out: Path, precision: str) -> tuple[float, float]:
    plain = Plain(model)
    arguments = _trial(model, 2, 1.0)
    program = torch.export.export(
        plain, arguments, dynamic_shapes=_dynamic_shapes(model, arguments), strict=False
    )
    module = program.module()

    def call(inputs: Sequence[Tensor]) -> Outputs:
        return [output.numpy() for output in module(*inputs)]

    difference, relative = _compare(model, plain, call, precision, out)
    extra = {"anylead.json": json.dumps(metadata(model, precision, difference))}
    made = io.BytesIO()
    torch.export.save(program, made, extra_files=extra)
    write_result(out, made.getvalue())
    return difference, relative


def _trial(model: Model, batch: int, segments: float) -> tuple[Tensor, ...]:
    """Noise of an ECG's size, with leads missing in some rows."""
    generator = torch.Generator().manual_seed(batch)
    if model.encoder.window_samples:
        segments = 1.0
    time = max(_SHORTEST, round(segments * model.segment_samples))
    signal = torch.randn(batch, 12, time, generator=generator).cumsum(dim=2) * 0.02
    has_lead = torch.rand(batch, 12, generator=generator) < 0.7
    has_lead[:, 0] = True
    signal = signal * has_lead[:, :, None]
    return (signal, has_lead) if needs_has_lead(model) else (signal,)


def _dynamic_shapes(model: Model, arguments: Sequence[Tensor]) -> tuple[Mapping[int, Any], ...]:
    batch, time = torch.export.Dim("batch", min=1), torch.export.Dim("time", min=_SHORTEST)
    of_signal = {0: batch} if model.encoder.window_samples else {0: batch, 2: time}
    shapes: tuple[Mapping[int, Any], ...] = (of_signal, {0: batch})
    return shapes[: len(arguments)]


@torch.no_grad()
def _compare(
    model: Model,
    plain: Plain,
    call: Callable[[Sequence[Tensor]], Outputs],
    precision: str,
    out: Path,
) -> tuple[float, float]:
    """Largest difference over several recordings, and that relative to the spread.

    Raises:
        CheckpointError: it is not finite, or too large for full precision.
    """
    largest = relative = 0.0
    for batch, segments in _TRIALS:
        inputs = _trial(model, batch, segments)
        for found, expected in zip(call(inputs), plain(*inputs), strict=True):
            difference = float(np.abs(found - expected.numpy()).max())
            if not np.isfinite(difference):
                raise CheckpointError(f"{out}: {precision} gives numbers that are not finite")
            largest = max(largest, difference)
            relative = max(relative, difference / max(float(expected.std()), 1e-12))
    if precision == "fp32" and largest > LARGEST_DIFFERENCE:
        raise CheckpointError(
            f"{out}: the export differs by {largest:.1e} from the original, more than"
            f" {LARGEST_DIFFERENCE:.0e}; nothing was written"
        )
    return largest, relative
