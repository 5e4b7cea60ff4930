"""Made by `PYTHONPATH=src:tests python -m api_stub`; a test keeps it up to date."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Literal

import pandas

from anylead import leads as leads
from anylead.commands.finetune import ModelConfig
from anylead.commands.parts import DataConfig, EncoderChoice
from anylead.inference.model import Model as Model
from anylead.inference.model import load as load
from anylead.inference.named import NamedModel
from anylead.models.latent_prediction import LatentPredictionConfig
from anylead.models.masked_prediction import MaskedPredictionConfig
from anylead.models.signal_prediction import SignalPredictionConfig
from anylead.preprocessing import PreprocessConfig
from anylead.records import Record as Record
from anylead.store import Store as Store
from anylead.tasks.linear_head import AverageConfig
from anylead.tasks.setup import IdentityConfig, LabelConfig, LossConfig
from anylead.tasks.teaching import TeacherConfig
from anylead.tasks.waves import WaveConfig
from anylead.training.optimizer import OptimizerConfig
from anylead.training.schedule import ScheduleConfig
from anylead.training.settings import TrainConfig

__version__: str

def embed(
    recordings: Any,
    model: Model | str | Path | None = ...,
    *,
    sample_rate: float | None = ...,
    channels: str | Sequence[str] | None = ...,
    unit: str = ...,
    out: str | Path | None = ...,
    dataset: str | None = ...,
    options: dict[str, Any] = ...,
    preset: str | None = ...,
    layer: int | None = ...,
    pool: str = ...,
    leads: str | None = ...,
    rename: str = ...,
    num_workers: int = ...,
    records_per_part: int = ...,
    engine: Literal["processes", "ray"] = ...,
    precision: Literal["fp32", "bf16"] = ...,
) -> pandas.DataFrame: ...
def evaluate(
    runs: Model | str | Path | Sequence[Model | str | Path],
    *,
    out: str | Path | None = ...,
    store: Store | str | Path | None = ...,
    split: str | None = ...,
    lead_sets: str = ...,
    num_resamples: int = ...,
    seed: int = ...,
    batch_size: int = ...,
    device: str = ...,
    num_draws: int = ...,
    sessions: Literal["recordings", "first_recordings", "halves"] = ...,
    level: Literal["recordings", "segments"] = ...,
    precision: Literal["auto", "bf16", "fp32"] = ...,
    json: bool = ...,
) -> pandas.DataFrame: ...
def finetune(
    store: Store | str | Path | None = ...,
    *,
    model: Model | ModelConfig | Mapping[str, Any] | str | Path | None = ...,
    out: str | Path | None = ...,
    task: str = ...,
    leads: str = ...,
    lead_sets: str | None = ...,
    threshold_sets: str | None = ...,
    keep: Literal["best", "last"] = ...,
    validate_every: int = ...,
    augment: list[dict[str, Any]] = ...,
    data: DataConfig | Mapping[str, Any] = ...,
    labels: LabelConfig | Mapping[str, Any] = ...,
    identity: IdentityConfig | Mapping[str, Any] = ...,
    loss: LossConfig | Mapping[str, Any] = ...,
    teacher: TeacherConfig | Mapping[str, Any] = ...,
    average: AverageConfig | Mapping[str, Any] = ...,
    waves: WaveConfig | Mapping[str, Any] = ...,
    optimizer: OptimizerConfig | Mapping[str, Any] = ...,
    schedule: ScheduleConfig | Mapping[str, Any] = ...,
    train: TrainConfig | Mapping[str, Any] = ...,
) -> Model: ...
def list_models() -> list[NamedModel]: ...
def predict(
    recordings: Any,
    model: Model | str | Path | None = ...,
    *,
    sample_rate: float | None = ...,
    channels: str | Sequence[str] | None = ...,
    unit: str = ...,
    out: str | Path | None = ...,
    dataset: str | None = ...,
    options: dict[str, Any] = ...,
    preset: str | None = ...,
    leads: str | None = ...,
    rename: str = ...,
    all_labels: bool = ...,
    json: bool = ...,
    windows: bool = ...,
    join: str | None = ...,
    force: bool = ...,
    num_workers: int = ...,
    records_per_part: int = ...,
    engine: Literal["processes", "ray"] = ...,
    precision: Literal["fp32", "bf16"] = ...,
) -> pandas.DataFrame: ...
def prepare(
    dataset: str | Path = ...,
    root: str | Path | None = ...,
    *,
    records: Any = ...,
    sample_rate: float | None = ...,
    channels: str | Sequence[str] | None = ...,
    unit: str = ...,
    measurements: Sequence[str] = ...,
    out: str | Path | None = ...,
    options: dict[str, Any] = ...,
    preprocess: PreprocessConfig | Mapping[str, Any] = ...,
    num_workers: int = ...,
    records_per_shard: int = ...,
    no_identifiers: bool = ...,
    drop_leads_with: tuple[str, ...] = ...,
    leads: str | None = ...,
    rename: str = ...,
    engine: Literal["processes", "ray"] = ...,
    allow_shared_patients: bool = ...,
    skip_unreadable: bool = ...,
) -> Store: ...
def pretrain(
    store: Store | str | Path | None = ...,
    *,
    out: str | Path | None = ...,
    method: str = ...,
    local_weight: float | None = ...,
    global_weight: float | None = ...,
    contrast: Literal["two_way", "nt_xent"] | None = ...,
    patient_positives: bool = ...,
    temperature: float = ...,
    leads: str = ...,
    augment: list[dict[str, Any]] | None = ...,
    local_augment: list[dict[str, Any]] | None = ...,
    checkpoint: Model | str | Path | None = ...,
    keep: Literal["last", "best"] = ...,
    data: DataConfig | Mapping[str, Any] = ...,
    encoder: EncoderChoice | Mapping[str, Any] = ...,
    local: MaskedPredictionConfig | Mapping[str, Any] = ...,
    latent: LatentPredictionConfig | Mapping[str, Any] = ...,
    signal: SignalPredictionConfig | Mapping[str, Any] = ...,
    optimizer: OptimizerConfig | Mapping[str, Any] = ...,
    schedule: ScheduleConfig | Mapping[str, Any] = ...,
    train: TrainConfig | Mapping[str, Any] = ...,
) -> Model: ...
def read(
    path: str | Path,
) -> Record: ...
