"""A pre-training run so small that it can be started and killed many times."""

import os
import sys
import traceback
from dataclasses import dataclass, field, replace
from multiprocessing import get_context
from pathlib import Path

import numpy as np
import torch
import torch.distributed.fsdp  # what steps import when first taken: once here, not in every fork

from anylead.commands.parts import build_augmentation
from anylead.errors import AnyleadError
from anylead.loading.sampler import Sampler, record_seeds
from anylead.methods import METHODS, Pretraining
from anylead.models import Encoder, EncoderConfig, MaskedPredictionConfig
from anylead.objective import Batch
from anylead.training.fit import fit
from anylead.training.optimizer import OptimizerConfig
from anylead.training.run_folder import RunFolder
from anylead.training.schedule import ScheduleConfig
from anylead.training.settings import TrainConfig, find_machine

TIME = 320
QUIET = TrainConfig(batch_size=4, device="cpu", precision="fp32", is_quiet=True, save_every=1)


class GeneratedLoader:
    """Batches as `TrainingLoader` makes them, from noise instead of a store."""

    def __init__(self, batch_size: int):
        self.sampler = Sampler(10, batch_size, seed=3)

    def batch(self, step: int, part: int = 0, num_parts: int = 1) -> Batch:
        rows = np.array_split(self.sampler.rows(step), num_parts)[part]
        signal = [np.random.default_rng(int(row)).standard_normal((2, 12, TIME)) for row in rows]
        return Batch(
            signal=torch.from_numpy(np.stack(signal)).float(),
            has_lead=torch.ones(len(rows), 2, 12, dtype=torch.bool),
            num_samples=None,
            patient=torch.from_numpy(rows),
            record=torch.from_numpy(rows),
            seed=torch.from_numpy(record_seeds(3, step, rows)),
            step=torch.tensor(step),
        )


def objective(dropout: float = 0.1) -> Pretraining:
    torch.manual_seed(0)
    config = EncoderConfig(((8, 2, 2),) * 4, 16, 1, 2, 32, conv_pos_kernel=8, conv_pos_groups=2)
    config = replace(config, dropout=dropout, attention_dropout=dropout, input_dropout=dropout)
    local = MaskedPredictionConfig(
        dim=8, num_codes=6, num_negatives=5, span=3, start_prob=0.2, feature_dropout=dropout
    )
    augment = build_augmentation([{"name": "random_lead_mask"}])
    return Pretraining(Encoder(config), METHODS["wav2vec2_cmsc"], augment, local)


def run(folder: Path, config: TrainConfig, loader: GeneratedLoader | None = None) -> Pretraining:
    module = objective()
    settings = Training(config)
    fit(
        module,
        loader or GeneratedLoader(config.batch_size),
        settings,
        RunFolder(folder),
        find_machine(config),
    )
    return module


@dataclass(frozen=True)
class Training:
    """The part of a recipe that the loop needs."""

    train: TrainConfig
    optimizer: OptimizerConfig = field(default_factory=lambda: OptimizerConfig(learning_rate=1e-3))
    schedule: ScheduleConfig = field(default_factory=ScheduleConfig)


def start(call, *arguments, rank: int = 0, size: int = 1, meeting: Path | None = None):
    """Call in a process of its own, as one of `size` ranks."""
    process = get_context("fork").Process(
        target=_enter, args=(call, arguments, rank, size, meeting), daemon=True
    )
    process.start()
    return process


def _enter(call, arguments, rank, size, meeting):
    torch.set_num_threads(1)
    if size > 1:
        os.environ.update(WORLD_SIZE=str(size), RANK=str(rank), LOCAL_RANK=str(rank))
        torch.distributed.init_process_group(
            "gloo", f"file://{meeting}", rank=rank, world_size=size
        )
    status = 0
    try:
        call(*arguments)
    except AnyleadError as error:
        Path(f"{arguments[0]}.rank{rank}.error").write_text(str(error))
        status = error.exit_status
    except BaseException:
        traceback.print_exc()
        status = 1
    sys.stdout.flush()
    os._exit(status)  # nothing of the parent's, such as pytest's, is to be cleaned up here
