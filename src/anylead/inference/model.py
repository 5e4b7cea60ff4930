"""`anylead.load(...)`: a model ready to use, with its preprocessing attached.

A recording longer than the model's segment is cut into as few segments as cover it, evenly spaced,
the last one at its end (ECG-FM: into full segments from its start, the rest dropped, as its authors
do); a shorter one runs at its own length. Nothing is ever padded, so a result
depends neither on the recordings beside it nor on the order of leads.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import cached_property
from pathlib import Path
from typing import Any, Literal

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from anylead.checkpoint import Checkpoint, save_checkpoint
from anylead.errors import CheckpointError, RecipeError
from anylead.inference import inputs
from anylead.inference.about import About, read_about, told_of
from anylead.inference.answer import Answer, answer, limits, said
from anylead.inference.delineator import delineate
from anylead.inference.inputs import Recordings
from anylead.inference.opening import open_checkpoint
from anylead.inference.outcomes import OUTCOMES
from anylead.inference.running import context_of, keep, largest, mean, number_of, over_windows
from anylead.inference.weights import classifier, filled_encoder, fingerprint, preprocess_config
from anylead.inference.windows import (
    Floats,
    Windows,
    as_it_is,
    check_looked_at,
    join_frames,
    join_logits,
    make,
    refusal,
)
from anylead.interop import hub
from anylead.interop.fairseq_signals import Hints
from anylead.leads import LEADS, parse_leads
from anylead.loading.crops import TAILS
from anylead.models.frozen import freeze
from anylead.notebook import table
from anylead.records import Record
from anylead.signals import PreprocessConfig
from anylead.training.distributed import choose_device, choose_precision

Join = str | Mapping[str, str]
Precision = Literal["fp32", "bf16", "auto"]
Tail = Literal["overlap", "drop"]


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
    tail: Tail | None = None,
) -> "Model":
    """Load a model for inference: dropout and lead masking off, preprocessing attached.

    Args:
        source: a name (see `anylead.list_models`), a folder written by anylead, "hf://owner/name"
            (or "hf://owner/name/file.pt"), a checkpoint of fairseq-signals such as ECG-FM, or with
            `weights` a public encoder, such as "ecgfounder" (`docs/models.md`).
        weights: the file of that encoder, or its address on the hub; its licence is told.
        device: where it runs; None takes a GPU if there is one.
        preset: for a foreign file, what its publishers did to the signals ("ecg-fm"), or the name
            of the public encoder that it is.
        num_heads: for a foreign file that does not say, its attention heads.
        label_names: for a foreign file, the names of its outputs in order.
        pretrained: for a foreign fine-tuned file, the file it was fine-tuned from.
        preprocess: for a foreign file, the preprocessing it expects.
        precision: "fp32"; "bf16" is faster where the hardware has it, its vectors differ by about
            1 % of their length; "auto" is bf16 there, else fp32.
        tail: the end of a recording that is no multiple of the segment: "overlap", the last
            segment lies there; "drop", it is left out. None takes what the model says.

    Raises:
        CheckpointError: there is no such model, or something about it is in doubt.
    """
    foreign = Hints(
        num_heads=num_heads,
        pretrained=None if pretrained is None else Path(pretrained),
        preset=preset,
        preprocess=preprocess,
        label_names=None if label_names is None else tuple(label_names),
    )
    checkpoint, path = open_checkpoint(source, weights, foreign)
    model = Model(checkpoint, device, precision=precision, source=path)
    model.description |= {} if tail is None else {"tail": tail}
    return model


class Model:
    """An encoder, the head it was trained with, and the preprocessing both expect.

    Args:
        checkpoint: weights and description.
        device: where it runs; None takes a GPU if there is one.
        batch_size: windows that run at once.
        precision: "fp32", "bf16", or "auto": bf16 where the hardware has it.
        source: where it lies on the disk; None where what is in memory lies nowhere.
    """

    def __init__(
        self,
        checkpoint: Checkpoint,
        device: str | torch.device | None = None,
        batch_size: int = 32,
        precision: Precision = "fp32",
        source: Path | None = None,
    ):
        self.description = checkpoint.description
        self.device = choose_device(str(device or "auto"))
        self.batch_size = batch_size
        self.precision = choose_precision(precision, self.device)
        self.kind: str = self.description.get("kind", "pretraining")
        self.preprocess_config = preprocess_config(self.description)
        self.label_names: tuple[str, ...] = tuple(self.description.get("label_names") or ())
        self.encoder = filled_encoder(self.description["encoder"], checkpoint.part("encoder"))
        self.encoder.eval().requires_grad_(False).to(self.device)
        self._pool: Callable[[Tensor], Tensor] = self.encoder.pool  # type: ignore[assignment]
        self._tensors = checkpoint.tensors
        head = {name: t.to(self.device) for name, t in checkpoint.part("head").items()}
        self.outcome = OUTCOMES.get(self.kind)
        self.head = classifier(self.description, head, self.dim) if self.outcome else None
        self.source = source

    def __reduce__(self) -> tuple[Any, ...]:
        # What runs is made again from the weights: packed for the processor it cannot be copied.
        checkpoint = Checkpoint(self._tensors, self.description)
        precision = "fp32" if self.precision == torch.float32 else "bf16"
        device = "auto" if self.device.type == "cuda" else str(self.device)  # others elsewhere
        return Model, (checkpoint, device, self.batch_size, precision, self.source)

    def __repr__(self) -> str:
        told = f"{self.kind}, {len(self.label_names)} labels, dim {self.dim}"
        return f"Model({self.source or 'in memory'}, {told})"

    def _repr_html_(self) -> str:
        return table(f"Model {self.about.name}", told_of(self.about, self.kind, self.dim))

    @classmethod
    def from_pretrained(cls, source: str | Path, device: str | None = None) -> "Model":
        """The model of a name, a folder or the hub: "owner/name" stands for "hf://owner/name"."""
        return load(hub.address(source), device=device)

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
        self.source = None

    @property
    def tail(self) -> str:
        """What becomes of the end of a recording that is no multiple of the segment."""
        tail = str(self.description.get("tail", "overlap"))
        if tail not in TAILS:
            raise CheckpointError(f"tail {tail!r}: want one of {', '.join(TAILS)}")
        return tail

    @property
    def segment_samples(self) -> int:
        """Samples of a window."""
        seconds = float(self.description.get("segment_seconds", 5.0))
        return round(seconds * self.preprocess_config.sample_rate)

    def thresholds(self, leads: str | Sequence[str] | None = None) -> dict[str, float]:
        """By label, what `predict` must reach, chosen on validation data.

        Args:
            leads: that the model sees; None: all that it may see.
        """
        seen = parse_leads(leads) if leads else self.leads
        return limits(self.about, seen, self.description.get("thresholds"))

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
            x: a path, a Record, an array (lead, time), (time,) of one lead, or a list of these.
            sample_rate: Hz of arrays.
            leads: names of the rows of arrays, in any order, or a set such as "12".
            unit: of arrays: "mV", "uV", "V", "nV", or "NU" for no voltage.
            layer: 0 = what enters the first layer or stage, i = output of layer i, None = the last.
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
            if not self.encoder.frames_are_time:
                raise RecipeError("pool None: frames of this model are no times of the recording")
            frames = [join_frames(w, c) for w, c in self._contexts(windows, layer, keep)]
            return frames if is_many else frames[0]
        vectors = self.vectors(windows, layer, pool)
        return vectors if is_many else vectors[0]

    def vectors(
        self, windows: Sequence[Windows], layer: int | None = None, pool: str = "mean"
    ) -> Floats:
        """(recording, dim) of recordings that are already windows; arguments as for `embed`."""
        if pool not in ("mean", "max"):
            raise RecipeError(f"pool {pool!r}: want 'mean', 'max' or None")
        is_last = number_of(self.encoder, layer) == number_of(self.encoder, None)
        reduce = largest if pool == "max" else self._pool if is_last else mean
        pooled = [
            c.mean(axis=0) if pool == "mean" else c.max(axis=0)
            for _, c in self._contexts(windows, layer, reduce)
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
        """Probabilities by label, calibrated as in `answer`, or numbers; a list gives a list.

        Args:
            x, sample_rate, leads, unit, use_leads: as for `embed`.
            join: how the windows of a long recording become one number, for all labels or by label
                name: "mean" (of logits, as `anylead evaluate` does), "max", "mean_probability".
                None takes what the model says, else "mean".
            logits: what the head gives, in place of probabilities.

        Raises:
            CheckpointError: the model has no head to predict with.
        """
        items, is_many = inputs.as_list(x)
        records = inputs.as_records(items, sample_rate, leads, unit)
        windows = self.windows(records, use_leads)
        joined = self.logits(windows, join)
        both = zip(windows, joined, strict=True)
        rows = [said(self.about, each.leads, row, plain=logits) for each, row in both]
        return rows if is_many else rows[0]

    def answer(
        self,
        x: Recordings,
        *,
        sample_rate: float | None = None,
        leads: str | Sequence[str] | None = None,
        unit: str = "mV",
        use_leads: str | Sequence[str] | None = None,
        join: Join | None = None,
        force: bool = False,
    ) -> Answer | list[Answer]:
        """Probabilities with thresholds, signal quality and how good the model is with these leads.

        Args:
            x, sample_rate, leads, unit, use_leads, join: as for `predict`.
            force: answer for a recording that looks like noise, too.

        Raises:
            CheckpointError: the model has no head to predict with.
        """
        items, is_many = inputs.as_list(x)
        records = inputs.as_records(items, sample_rate, leads, unit)
        names = [record.record_id or f"recording {i}" for i, record in enumerate(records)]
        answers = self.answers(names, self.windows(records, use_leads), join, force)
        return answers if is_many else answers[0]

    def answers(
        self,
        names: Sequence[str],
        windows: Sequence[Windows],
        join: Join | None = None,
        force: bool = False,
    ) -> list[Answer]:
        """Answers for recordings that are already windows; arguments as for `answer`."""
        is_asked = [force or refusal(each) is None for each in windows]
        asked = [each for each, is_so in zip(windows, is_asked, strict=True) if is_so]
        logits = iter(self.logits(asked, join) if asked else ())
        rate = self.preprocess_config.sample_rate
        return [
            answer(self.about, name, each, next(logits) if is_so else None, rate)
            for name, each, is_so in zip(names, windows, is_asked, strict=True)
        ]

    delineate = delineate

    @cached_property
    def about(self) -> About:
        """Name, version, training, and what was measured with which leads."""
        name = "model in memory" if self.source is None else self.source.name.removesuffix(".pt")
        return read_about(self.description, name, self.fingerprint()[:12])

    def logits(self, windows: Sequence[Windows], join: Join | None = None) -> NDArray[np.float64]:
        """(recording, output) of the head, for recordings that are already windows."""
        head = self.head
        if self.outcome is None or head is None:
            raise CheckpointError(
                f"a model of kind {self.kind!r} has no head to predict with; use embed, or"
                " `anylead finetune` it"
            )
        how = self.outcome.ways(join or self.description.get("join", "mean"), self.label_names)

        def classify(context: Tensor) -> Tensor:
            return head(context, None, self.encoder.pool)  # type: ignore[no-any-return]

        rows = [join_logits(c, how) for _, c in self._contexts(windows, None, classify)]
        return np.stack(rows)

    def windows(
        self, records: Sequence[Record], use_leads: str | Sequence[str] | None = None
    ) -> list[Windows]:
        """Preprocess recordings and cut them.

        Raises:
            FormatError, LeadError: a recording that cannot be used.
        """
        chosen = use_leads if use_leads is not None else self.description.get("leads")
        made = make(records, self.preprocess_config, self.segment_samples, chosen, self.tail)
        check_looked_at(made, records, self.encoder.leads)  # type: ignore[arg-type]
        return made

    @cached_property
    def _frozen(self) -> nn.Module:
        return freeze(self.encoder, self.segment_samples, self.precision)

    def fingerprint(self) -> str:
        """SHA-256 of what decides the numbers: weights, preprocessing, precision."""
        encoder = sorted(self.description["encoder"].items())
        settings: list[object] = [encoder, self.preprocess_config, self.segment_samples]
        settings += [self.tail] if self.tail != "overlap" else []
        settings += [self.precision] if self.precision != torch.float32 else []
        return fingerprint(self._tensors, settings)

    def save(self, folder: str | Path) -> Path:
        """Write the model as an anylead folder, with its model card."""
        save_checkpoint(Path(folder), self._tensors, self.description)
        hub.write_card(Path(folder))
        return Path(folder)

    def push_to_hub(self, repo: str, *, private: bool = True) -> str:
        """Save the model to the Hugging Face hub as "owner/name"; returns its address."""
        return hub.push(self._tensors, self.description, repo, private=private)

    def _contexts(
        self, windows: Sequence[Windows], layer: int | None, reduce: Callable[[Tensor], Tensor]
    ) -> Iterator[tuple[Windows, Floats]]:
        """(window, ...) of each recording, in order."""

        def encode(signal: Tensor, has_lead: Tensor) -> Tensor:
            return reduce(context_of(self._frozen, signal, has_lead, layer, self.precision))

        return over_windows(encode, windows, self.batch_size, self.device)
