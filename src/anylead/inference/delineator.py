"""An encoder with a decoder of waves at work: `Model.delineate`.

The decoder of waves is the head of a model that was trained for it, or lies in the folder `waves`
beside the weights of another one, made for exactly its encoder.
"""

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Protocol
from weakref import WeakKeyDictionary

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn.functional import softmax

from anylead.checkpoint import WEIGHTS, Checkpoint, load_checkpoint, save_checkpoint
from anylead.errors import AnyleadError, CheckpointError
from anylead.inference import inputs
from anylead.inference.delineation import Delineation, measured
from anylead.inference.inputs import Recordings
from anylead.inference.weights import fingerprint
from anylead.inference.windows import Floats, Windows
from anylead.leads import LEADS, NUM_LEADS
from anylead.models import load_weights
from anylead.models.frozen import freeze
from anylead.models.frozen_decoder import FrozenDecoder
from anylead.models.wave_decoder import WaveDecoder
from anylead.records import Mark, Record
from anylead.signals import PreprocessConfig
from anylead.signals.beat_rules import CLASSES as BEATS
from anylead.signals.beat_rules import beats_of
from anylead.signals.wave_rules import waves_of
from anylead.tasks.waves import WaveConfig, new_decoder, wave_logits

FOLDER = "waves"
SECONDS = 10.0  # seen at once, as in the training
_MARGIN = 1.0  # seconds at the inner edges of a window that another one answers for
_BLOCK = 60.0  # seconds of a long recording whose waves are put in order at once
_FLAT_SECONDS, _FLAT_MV = 0.3, 1e-3
_AT_ONCE = 16  # recordings


class Delineates(Protocol):
    """What `delineate` needs of a model."""

    kind: str
    description: dict[str, Any]
    encoder: nn.Module
    device: torch.device
    precision: torch.dtype
    source: Path | None
    _tensors: dict[str, Tensor]
    preprocess_config: PreprocessConfig

    def windows(
        self, records: Sequence[Record], use_leads: str | Sequence[str] | None = None
    ) -> list[Windows]:
        """Preprocess recordings and cut them."""
        ...


def delineate(
    self: Delineates,
    x: Recordings,
    *,
    sample_rate: float | None = None,
    leads: str | Sequence[str] | None = None,
    unit: str = "mV",
    use_leads: str | Sequence[str] | None = None,
) -> Delineation | list[Delineation]:
    """Where P, QRS and T begin and end in each lead, and the intervals between them.

    Args:
        x, sample_rate, leads, unit, use_leads: as for `embed`.

    Returns:
        One for each recording of a list.

    Raises:
        CheckpointError: the model has no decoder of waves, or one of another encoder.
    """
    items, is_many = inputs.as_list(x)
    records = inputs.as_records(items, sample_rate, leads, unit)
    names = [record.record_id or f"recording {i}" for i, record in enumerate(records)]
    found = list(delineator_of(self).over(names, self.windows(records, use_leads)))
    return found if is_many else found[0]


class Delineator:
    """An encoder with a decoder of waves.

    Args:
        encoder: of the model.
        decoder: made for it.
        config: of the decoder.
        sample_rate: Hz of the signals.
        device: where it runs.
        precision: of the networks.
    """

    def __init__(
        self,
        encoder: nn.Module,
        decoder: WaveDecoder,
        config: WaveConfig,
        sample_rate: float,
        device: torch.device,
        precision: torch.dtype,
    ):
        self.sample_rate, self.device, self.precision = sample_rate, device, precision
        self.length, self.classes = round(SECONDS * sample_rate), config.names
        self.encoder = freeze(encoder, self.length, precision) if config.uses_encoder else None
        self.decoder = FrozenDecoder(decoder).to(device)

    def over(
        self, names: Sequence[str], windows: Sequence[Windows], alone: bool = False
    ) -> Iterator[Delineation]:
        """Waves and intervals of recordings that were preprocessed and cut.

        Args:
            names: of the recordings.
            windows: of each.
            alone: the model sees one lead at a time.

        Raises:
            CheckpointError: the decoder tells beats, not waves.
        """
        if self.classes == BEATS:
            raise CheckpointError(
                "this model tells beats by class, no waves; use `anylead delineate --rows beats`"
            )
        find = self.marks_alone if alone else self.marks
        for first in range(0, len(windows), _AT_ONCE):
            some = windows[first : first + _AT_ONCE]
            signals = [whole(each) for each in some]
            found = find(signals, [each.has_lead for each in some])
            for name, each, signal, marks in zip(
                names[first : first + _AT_ONCE], some, signals, found, strict=True
            ):
                yield measured(name, signal, each, marks, self.sample_rate)

    def marks(
        self, signals: Sequence[Floats], has_lead: Sequence[NDArray[np.bool_]]
    ) -> list[list[Mark]]:
        """Waves of recordings (12, time); those of one length are put in order together."""
        found: list[list[Mark]] = [[] for _ in signals]
        same: dict[int, list[int]] = {}
        for n, signal in enumerate(signals):
            same.setdefault(signal.shape[1], []).append(n)
        for length, numbers in same.items():
            probability = self.probabilities(
                np.stack([signals[n] for n in numbers]), np.stack([has_lead[n] for n in numbers])
            )
            rows = probability.reshape(-1, length, probability.shape[-1])
            for row, marks in enumerate(self._in_order(rows)):
                found[numbers[row // NUM_LEADS]] += marks
        return found

    def marks_alone(
        self, signals: Sequence[Floats], has_lead: Sequence[NDArray[np.bool_]]
    ) -> list[list[Mark]]:
        """The same, but each lead is all that is seen while its waves are found."""
        found: list[list[Mark]] = [[] for _ in signals]
        for lead in range(NUM_LEADS):
            numbers = [n for n, present in enumerate(has_lead) if present[lead]]
            is_seen = np.arange(NUM_LEADS) == lead
            single = [np.where(is_seen[:, None], signals[n], np.float32(0)) for n in numbers]
            for n, marks in zip(numbers, self.marks(single, [is_seen] * len(single)), strict=True):
                found[n] += marks
        return found

    def beats(self, signal: Floats, has_lead: NDArray[np.bool_]) -> list[Mark]:
        """Beats and their classes in a recording (12, time)."""
        found = self.probabilities(signal[None], has_lead[None])[0]
        return beats_of(found, self.classes, self.sample_rate)

    @torch.inference_mode()
    def probabilities(self, signal: Floats, has_lead: NDArray[np.bool_]) -> Floats:
        """(recording, lead, time, class), none first; NaN for leads that are not there."""
        num, _, length = signal.shape
        size = len(self.classes) + 1
        made = np.full((num, NUM_LEADS, length, size), np.nan, dtype=np.float32)
        margin = round(_MARGIN * self.sample_rate)
        starts = _starts(length, self.length, margin)
        window = min(self.length, length)
        # Windows of a long recording are looked at together, like recordings.
        pieces = [(record, start) for start in starts for record in range(num)]
        for first in range(0, len(pieces), _AT_ONCE):
            some = pieces[first : first + _AT_ONCE]
            answer = self._softmax(
                np.stack([signal[record, :, start : start + window] for record, start in some]),
                has_lead[[record for record, _ in some]],
            )
            begin = 0
            for record, start in some:
                rows = has_lead[record].nonzero()[0]
                low = 0 if start == 0 else margin
                of_piece = answer[begin : begin + len(rows), low:]
                made[record, rows, start + low : start + window] = of_piece
                begin += len(rows)
        return _without_flat(made, signal, self.sample_rate)

    def _softmax(self, signal: Floats, has_lead: NDArray[np.bool_]) -> Floats:
        """(leads that are there, of all rows in order, time, class) of (row, 12, time)."""
        piece = torch.from_numpy(signal).to(self.device)
        present = torch.from_numpy(has_lead).to(self.device)
        with torch.autocast(
            self.device.type, self.precision, enabled=self.precision != torch.float32
        ):
            logits = wave_logits(self.encoder, self.decoder, piece, present)
        made: Floats = softmax(logits.float(), dim=1).transpose(1, 2).cpu().numpy()
        return made

    def _in_order(self, probability: Floats) -> list[list[Mark]]:
        """Waves of each row (recording and lead, time, class), block by block with margins."""
        rate, length = self.sample_rate, probability.shape[1]
        block, margin = round(_BLOCK * rate), round(4 * _MARGIN * rate)
        found: list[list[Mark]] = [[] for _ in probability]
        leads = LEADS * (len(probability) // NUM_LEADS)
        for begin in range(0, length, block):
            low, high = max(0, begin - margin), min(length, begin + block + margin)
            first = begin / rate if begin else -np.inf
            last = (begin + block) / rate if begin + block < length else np.inf
            for own, marks in zip(
                found, waves_of(probability[:, low:high], leads, rate, low / rate), strict=True
            ):
                own += [mark for mark in marks if first <= (mark.onset + mark.offset) / 2 < last]
        return found


def delineator_of(model: Delineates) -> Delineator:
    """That of a model; made when it is first needed.

    Raises:
        CheckpointError: it has no decoder of waves, or one of another encoder.
    """
    if model not in _MADE:
        tensors, description = _head_of(model)
        try:
            config = WaveConfig(**description["decoder"])
            decoder = new_decoder(model.encoder, config)
            load_weights(decoder, tensors, "checkpoint")
        except (AnyleadError, KeyError, TypeError) as error:
            raise CheckpointError(f"the decoder of waves does not fit: {error}") from error
        _MADE[model] = Delineator(
            model.encoder,
            decoder,
            config,
            model.preprocess_config.sample_rate,
            model.device,
            model.precision,
        )
    return _MADE[model]


def has_decoder(model: Delineates) -> bool:
    """Whether a model finds waves."""
    try:
        delineator_of(model)
    except CheckpointError:
        return False
    return True


_MADE: "WeakKeyDictionary[Delineates, Delineator]" = WeakKeyDictionary()


def save_head(run: Checkpoint, folder: Path, about: Mapping[str, str] | None = None) -> Path:
    """Write the decoder of a run of the task "waves" as the folder `waves` of a model.

    Args:
        run: what `anylead finetune --task waves` wrote.
        folder: of the model whose encoder it was trained with.
        about: data, licence, and what else a user must know.

    Raises:
        CheckpointError: it was trained with another encoder.
    """
    beside = load_checkpoint(folder)
    if _encoder_hash(beside.part("encoder")) != _encoder_hash(run.part("encoder")):
        raise CheckpointError(
            f"{folder}: has another encoder than the decoder of waves was trained with; train with"
            " --model.checkpoint of it and --model.train linear_probe"
        )
    head = {name: tensor for name, tensor in run.tensors.items() if name.startswith("head.")}
    known = ("encoder", "decoder", "preprocess", "segment_seconds", "data")
    description = {name: run.description[name] for name in known if name in run.description}
    # Of the recipe what decides the weights, without the folders of a machine.
    recipe = run.description.get("provenance", {}).get("recipe", {})
    told = {name: recipe.get(name) for name in ("augment", "optimizer", "schedule")}
    told["steps"] = run.description.get("provenance", {}).get("steps")
    made = {
        "kind": "wave_decoder",
        "encoder_sha256": _encoder_hash(run.part("encoder")),
        "about": dict(about or {}),
        "training": told,
    }
    return save_checkpoint(folder / FOLDER, head, description | made)


def whole(windows: Windows) -> Floats:
    """(12, time): the recording whose pieces these are."""
    length = windows.signal.shape[2]
    if len(windows.start) == 1:
        only: Floats = windows.signal[0]
        return only
    signal = np.empty((NUM_LEADS, int(windows.start[-1]) + length), dtype=np.float32)
    for start, piece in zip(windows.start.tolist(), windows.signal, strict=True):
        signal[:, start : start + length] = piece
    return signal


def _head_of(model: Delineates) -> tuple[dict[str, Tensor], dict[str, Any]]:
    if model.kind == "waves":
        whole_run = Checkpoint(model._tensors, model.description)
        return whole_run.part("head"), model.description
    folder = None if model.source is None else model.source / FOLDER
    if folder is None or not (folder / WEIGHTS).is_file():
        raise CheckpointError(
            "this model has no decoder of waves; take ptbxl-small, or a run of"
            " `anylead finetune --task waves`"
        )
    beside = load_checkpoint(folder)
    weights = {name: t.cpu() for name, t in model.encoder.state_dict().items()}
    if beside.description.get("encoder_sha256") != _encoder_hash(weights):
        raise CheckpointError(
            f"{folder}: was trained with other weights of the encoder; make it again"
            " (docs/intervals.md, last section)"
        )
    return beside.part("head"), beside.description


def _encoder_hash(tensors: dict[str, Tensor]) -> str:
    return fingerprint(tensors, ())


def _starts(length: int, window: int, margin: int) -> list[int]:
    """First samples of windows, each of which answers from its margin on (the first from 0)."""
    if length <= window:
        return [0]
    starts = list(range(0, length - window, window - 2 * margin))
    return [*starts, length - window]


def _without_flat(probability: Floats, signal: Floats, sample_rate: float) -> Floats:
    """Nothing is found where a lead is flat."""
    least = round(_FLAT_SECONDS * sample_rate)
    moves = np.abs(np.diff(signal, axis=2)) > _FLAT_MV  # (recording, lead, time - 1)
    for record, lead in np.argwhere((~moves).sum(axis=2) >= least):
        edges = np.flatnonzero(np.diff(np.r_[True, moves[record, lead], True].astype(np.int8)))
        for begin, end in zip(edges[::2], edges[1::2], strict=True):
            if end - begin >= least and np.isfinite(probability[record, lead, 0, 0]):
                probability[record, lead, begin : end + 1] = 0
                probability[record, lead, begin : end + 1, 0] = 1
    return probability
