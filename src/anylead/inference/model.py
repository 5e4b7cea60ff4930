"""`anylead.load(...)`: a model ready to use, with its preprocessing attached.

A recording longer than the model's segment is cut into as few segments as cover it, evenly spaced,
the last one at its end; a shorter one runs at its own length. Nothing is ever padded, so a result
depends neither on the recordings beside it nor on the order of leads.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import cached_property
from hashlib import sha256
from pathlib import Path
from typing import Any, Literal

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn.functional import linear

from anylead.checkpoint import Checkpoint, save_checkpoint
from anylead.errors import CheckpointError, FormatError, LeadError, RecipeError
from anylead.inference import inputs
from anylead.inference.inputs import Recordings
from anylead.inference.opening import open_checkpoint
from anylead.inference.windows import (
    JOINS,
    Floats,
    Windows,
    as_it_is,
    batches,
    cut,
    join_frames,
    join_logits,
    sigmoid,
)
from anylead.interop import hub
from anylead.interop.fairseq_signals import Hints
from anylead.leads import LEADS, parse_leads
from anylead.models import Encoder, build_encoder, load_weights
from anylead.models.frozen import freeze
from anylead.records import Record
from anylead.signals import PreprocessConfig, preprocess, with_frank
from anylead.training.distributed import choose_precision

Join = str | Mapping[str, str]
Precision = Literal["fp32", "bf16", "auto"]


def load(
    source: str | Path,
    *,
    weights: str | Path | None = None,
    device: str | torch.device | None = None,
    preset: str | None = None,
    num_heads: int | None = None,
    label_names: Sequence[str] | None = None,
    pretrained: str | Path | None = None,
    preprocess: PreprocessConfig | None = None,
    precision: Precision = "fp32",
) -> "Model":
    """Load a model for inference: dropout and lead masking off, preprocessing attached.

    Args:
        source: a folder written by anylead, "hf://owner/name" (or "hf://owner/name/file.pt"), a
            checkpoint of fairseq-signals such as ECG-FM ("mimic_iv_ecg_finetuned.pt"), or with
            `weights` the name of a public encoder, such as "ecgfounder" (`docs/models.md`).
        weights: the file of that encoder, or its address on the hub; its licence is printed.
        device: where it runs; None takes a GPU if there is one.
        preset: for a foreign file, what its publishers did to the signals ("ecg-fm"), or the name
            of the public encoder that it is.
        num_heads: for a foreign file that does not say, its attention heads.
        label_names: for a foreign file, the names of its outputs in order.
        pretrained: for a foreign fine-tuned file, the file it was fine-tuned from.
        preprocess: for a foreign file, the preprocessing it expects.
        precision: "fp32"; "bf16" is faster where the hardware has it, its vectors differ by about
            1 % of their length; "auto" is bf16 there, else fp32.

    Raises:
        CheckpointError: there is no such model, or something about it is in doubt.
    """
    checkpoint = open_checkpoint(
        source,
        weights,
        Hints(
            num_heads=num_heads,
            pretrained=None if pretrained is None else Path(pretrained),
            preset=preset,
            preprocess=preprocess,
            label_names=None if label_names is None else tuple(label_names),
        ),
    )
    return Model(checkpoint, device, precision=precision)


class Model:
    """An encoder, the head it was trained with, and the preprocessing both expect.

    Args:
        checkpoint: weights and description.
        device: where it runs; None takes a GPU if there is one.
        batch_size: windows that run at once.
        precision: "fp32", "bf16", or "auto": bf16 where the hardware has it.
    """

    def __init__(
        self,
        checkpoint: Checkpoint,
        device: str | torch.device | None = None,
        batch_size: int = 32,
        precision: Precision = "fp32",
    ):
        self.description = checkpoint.description
        self.device = torch.device(device or ("cuda" if torch.cuda.is_available() else "cpu"))
        self.batch_size = batch_size
        self.precision = choose_precision(precision, self.device)
        self.kind: str = self.description.get("kind", "pretraining")
        self.preprocess_config = _preprocess_config(self.description)
        self.label_names: tuple[str, ...] = tuple(self.description.get("label_names", ()))
        self.encoder = _filled_encoder(self.description["encoder"], checkpoint.part("encoder"))
        self.encoder.eval().requires_grad_(False).to(self.device)
        self._tensors = checkpoint.tensors
        self.head = {name: t.to(self.device) for name, t in checkpoint.part("head").items()}

    @property
    def dim(self) -> int:
        """Length of an embedding."""
        return int(self.encoder.dim)  # type: ignore[arg-type]

    @property
    def leads(self) -> tuple[str, ...]:
        """Leads that the model may see, of those that a recording has."""
        return parse_leads(self.description.get("leads") or LEADS)

    def see_only(self, leads: str | Sequence[str]) -> None:
        """Hide all other leads from now on, in what is saved or exported, too.

        Raises:
            LeadError: no such lead or set of leads.
        """
        self.description = {**self.description, "leads": list(parse_leads(leads))}

    @property
    def segment_samples(self) -> int:
        """Samples of a window."""
        seconds = float(self.description.get("segment_seconds", 5.0))
        return round(seconds * self.preprocess_config.sample_rate)

    def embed(
        self,
        x: Recordings,
        *,
        sample_rate: float | None = None,
        leads: str | Sequence[str] | None = None,
        unit: str = "mV",
        layer: int | None = None,
        pool: str | None = "mean",
        preprocess: bool = True,
        use_leads: str | Sequence[str] | None = None,
    ) -> Floats | list[Floats]:
        """Vectors of recordings.

        Args:
            x: a path, a Record, an array (lead, time), or a list of any of these.
            sample_rate: Hz of arrays.
            leads: names of the rows of arrays, in any order, or a set such as "12".
            unit: of arrays: "mV", "uV", "V", "nV", or "NU" for no voltage.
            layer: 0 = what enters the first layer, i = output of layer i, -1 or None = the last.
            pool: "mean" or "max" over the frames of a window, then over windows; None keeps the
                frames (those of overlapping windows once).
            preprocess: False gives arrays (12, time) to the encoder as they are, in one piece.
            use_leads: what the model may see of the leads that are there, such as "I,II".

        Returns:
            (dim,), or (frame, dim) without pooling; for a list (recording, dim), or a list of
            (frame, dim).

        Raises:
            FormatError, LeadError: a recording that cannot be used; the message says which.
        """
        items, is_many = inputs.as_list(x)
        windows = (
            self.windows(inputs.as_records(items, sample_rate, leads, unit), use_leads)
            if preprocess
            else [as_it_is(item, use_leads) for item in items]
        )
        if pool is None:
            self._check_frames()
            frames = [join_frames(w, c) for w, c in self._contexts(windows, layer, lambda c: c)]
            return frames if is_many else frames[0]
        vectors = self.vectors(windows, layer, pool)
        return vectors if is_many else vectors[0]

    def vectors(
        self, windows: Sequence[Windows], layer: int | None = None, pool: str = "mean"
    ) -> Floats:
        """(recording, dim) of recordings that are already windows; arguments as for `embed`."""
        if pool not in ("mean", "max"):
            raise RecipeError(f"pool {pool!r}: want 'mean', 'max' or None")
        pooled = [
            c.mean(axis=0) if pool == "mean" else c.max(axis=0)
            for _, c in self._contexts(windows, layer, self._pool if pool == "mean" else _max)
        ]
        return np.stack(pooled).astype(np.float32)

    def predict(
        self,
        x: Recordings,
        *,
        sample_rate: float | None = None,
        leads: str | Sequence[str] | None = None,
        unit: str = "mV",
        use_leads: str | Sequence[str] | None = None,
        join: Join | None = None,
        logits: bool = False,
    ) -> dict[str, float] | list[dict[str, float]]:
        """Probabilities by label name; a list of recordings gives a list.

        Args:
            x, sample_rate, leads, unit, use_leads: as for `embed`.
            join: how the windows of a long recording become one number, for all labels or by label
                name: "mean" (of logits, as `anylead evaluate` does), "max", "mean_probability".
                None takes what the model says, else "mean".
            logits: logits in place of probabilities.

        Raises:
            CheckpointError: the model has no classifier.
        """
        items, is_many = inputs.as_list(x)
        records = inputs.as_records(items, sample_rate, leads, unit)
        joined = self.logits(self.windows(records, use_leads), join)
        values = joined if logits else sigmoid(joined)
        rows = [dict(zip(self.label_names, row, strict=True)) for row in values.tolist()]
        return rows if is_many else rows[0]

    def logits(self, windows: Sequence[Windows], join: Join | None = None) -> NDArray[np.float64]:
        """(recording, class) logits of recordings that are already windows."""
        if self.kind != "classification":
            raise CheckpointError(
                f"a model of kind {self.kind!r} has no classifier to predict with; use embed, or"
                " `anylead finetune` it"
            )
        how = self._joins(join)

        def classify(context: Tensor) -> Tensor:
            return linear(self._pool(context), self.head["weight"], self.head["bias"])

        rows = [join_logits(c, how) for _, c in self._contexts(windows, None, classify)]
        return np.stack(rows)

    def windows(
        self, records: Sequence[Record], use_leads: str | Sequence[str] | None = None
    ) -> list[Windows]:
        """Preprocess recordings and cut them.

        Raises:
            FormatError, LeadError: a recording that cannot be used.
        """
        use_leads = use_leads if use_leads is not None else self.description.get("leads")
        prepared = []
        for record in records:
            name = record.record_id or "recording"
            if record.unit == "NU" and self.preprocess_config.normalize == "none":
                raise FormatError(
                    f"{name}: holds no voltage (unit NU) and this model wants mV; give the"
                    " recording in mV, or use a model trained on normalized signals"
                )
            seen = with_frank(record, self.preprocess_config)
            if use_leads is not None:
                seen = inputs.restrict(seen, use_leads)
            ready = preprocess(seen, self.preprocess_config)
            if not ready.has_lead.any():
                raise FormatError(f"{name}: every lead is missing or constant; nothing to look at")
            looked_at: tuple[str, ...] = self.encoder.leads  # type: ignore[assignment]
            if not ready.has_lead[[LEADS.index(lead) for lead in looked_at]].any():
                raise LeadError(
                    f"{name}: none of {', '.join(looked_at)}, all that this model looks at; with"
                    " two limb leads, preprocess complete_limb_leads computes I and II"
                )
            prepared.append(cut(ready.signal, ready.has_lead, self.segment_samples, name))
        return prepared

    def _check_frames(self) -> None:
        if not self.encoder.frames_are_time:
            raise RecipeError(
                "pool None: the frames of this model are no times of the recording; want 'mean' or"
                " 'max'"
            )

    def _pool(self, context: Tensor) -> Tensor:
        pooled: Tensor = self.encoder.pool(context)  # type: ignore[operator]
        return pooled

    @cached_property
    def _frozen(self) -> nn.Module:
        """The encoder as it runs; made when it is first needed."""
        return freeze(self.encoder, self.segment_samples, self.precision)

    def fingerprint(self) -> str:
        """SHA-256 of what decides the numbers: weights, preprocessing, precision."""
        digest = sha256(repr(sorted(self.description["encoder"].items())).encode())
        digest.update(repr(self.preprocess_config).encode())
        digest.update(repr(self.segment_samples).encode())
        if self.precision != torch.float32:
            digest.update(repr(self.precision).encode())
        for name, tensor in sorted(self._tensors.items()):
            digest.update(name.encode())
            digest.update(tensor.detach().cpu().reshape(-1).view(torch.uint8).numpy().data)
        return digest.hexdigest()

    def save(self, folder: str | Path) -> Path:
        """Write the model as an anylead folder, with its model card."""
        save_checkpoint(Path(folder), self._tensors, self.description)
        hub.write_card(Path(folder))
        return Path(folder)

    def push_to_hub(self, repo: str, *, private: bool = True) -> str:
        """Save the model to the Hugging Face hub as "owner/name"; returns its address."""
        return hub.push(self._tensors, self.description, repo, private=private)

    def _joins(self, join: Join | None) -> list[str]:
        """One way of joining for each label."""
        join = join if join is not None else self.description.get("join", "mean")
        if isinstance(join, str):
            how = [join] * len(self.label_names)
        else:
            unknown = set(join) - set(self.label_names)
            if unknown:
                raise RecipeError(f"join: {', '.join(sorted(unknown))}: no label of this model")
            how = [join.get(name, "mean") for name in self.label_names]
        wrong = set(how) - set(JOINS)
        if wrong:
            raise RecipeError(f"join {sorted(wrong)[0]!r}: want one of {', '.join(JOINS)}")
        return how

    @torch.inference_mode()
    def _contexts(
        self,
        windows: Sequence[Windows],
        layer: int | None,
        reduce: Callable[[Tensor], Tensor],
    ) -> Iterator[tuple[Windows, Floats]]:
        """(window, ...) of each recording, in order; windows of one length run together."""
        done: list[list[Floats | None]] = [[None] * len(each.start) for each in windows]
        for places in batches(windows, self.batch_size):
            signal = np.stack([windows[r].signal[w] for r, w in places])
            has_lead = np.stack([windows[r].has_lead for r, _ in places])
            context = self._encode(
                torch.from_numpy(signal).to(self.device),
                torch.from_numpy(has_lead).to(self.device),
                layer,
            )
            reduced = reduce(context.float()).cpu().numpy()
            for (r, w), value in zip(places, reduced, strict=True):
                done[r][w] = value
        for each, values in zip(windows, done, strict=True):
            yield each, np.stack([value for value in values if value is not None])

    def _encode(self, signal: Tensor, has_lead: Tensor, layer: int | None) -> Tensor:
        encoder: Any = self._frozen
        is_reduced = self.precision != torch.float32
        with torch.autocast(self.device.type, self.precision, enabled=is_reduced):
            if layer is None:
                context: Tensor = encoder(signal, None, has_lead).context
                return context
            if not isinstance(encoder, Encoder):
                raise RecipeError(
                    f"layer {layer}: only our own transformer gives what lies between its layers"
                )
            features = encoder.features(signal, None, has_lead)
            outputs = encoder.layer_outputs(encoder.feature_norm(features), has_lead=has_lead)
        if not -len(outputs) <= layer < len(outputs):
            raise RecipeError(
                f"layer {layer}: this model has 0 (before the first) to {len(outputs) - 1}"
            )
        chosen: Tensor = outputs[layer]
        return chosen


def _filled_encoder(description: Mapping[str, Any], tensors: Mapping[str, Tensor]) -> nn.Module:
    """An encoder that takes the tensors as they are: no weights are drawn to be overwritten."""
    with torch.device("meta"):
        encoder = build_encoder(description)
    buffers = dict(encoder.named_buffers()).keys() - encoder.state_dict().keys()
    if buffers:  # such as constant tables, which a checkpoint does not hold
        encoder = build_encoder(description)
    load_weights(encoder, tensors, "checkpoint", assign=not buffers)
    return encoder


def _preprocess_config(description: Mapping[str, Any]) -> PreprocessConfig:
    try:
        return PreprocessConfig(**description["preprocess"])
    except (KeyError, TypeError) as error:
        raise CheckpointError(f"no usable preprocessing in the checkpoint ({error})") from error


def _max(context: Tensor) -> Tensor:
    return context.amax(dim=1)
