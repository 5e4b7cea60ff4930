"""anylead demo: the whole job on generated ECGs, small enough for two cores and a coffee.

Prepare; pre-train W2V+CMSC with random lead masking; fine-tune it and, for comparison, random
weights; score both for every lead set.
"""

from dataclasses import dataclass
from pathlib import Path
from time import perf_counter

from anylead.commands import evaluate, finetune, prepare, pretrain
from anylead.commands.parts import DataConfig, EncoderChoice
from anylead.models import MaskedPredictionConfig
from anylead.signals import PreprocessConfig
from anylead.tasks import LabelConfig
from anylead.training.optimizer import OptimizerConfig
from anylead.training.schedule import ScheduleConfig
from anylead.training.settings import TrainConfig

_MASK = {"name": "random_lead_mask", "prob": 0.5}

EXAMPLES = (
    "anylead demo",
    "anylead demo --num_patients 100 --out small-demo",
)


@dataclass(frozen=True)
class Recipe:
    """How large the demonstration is.

    Attributes:
        out: folder of everything it makes.
        num_patients: generated, with two recordings each.
        labelled: share of the training patients whose labels are used.
        pretrain_epochs: passes without labels.
        finetune_epochs: passes over the labelled recordings.
        seed: of weights, order, masks.
    """

    out: str = "demo"
    num_patients: int = 600
    labelled: float = 0.25
    pretrain_epochs: int = 24
    finetune_epochs: int = 40
    seed: int = 0


def run(recipe: Recipe) -> Path:
    """Do it all; returns the report."""
    started = perf_counter()
    out = Path(recipe.out)
    data = DataConfig(store=str(out / "store"))
    print("1. generated ECGs -> store")
    prepare.run(
        prepare.Recipe(
            dataset="synthetic",
            out=out / "store",
            options={"num_patients": recipe.num_patients},
            preprocess=PreprocessConfig(sample_rate=125.0),
        )
    )
    print("2. pre-training without labels: W2V+CMSC with random lead masking")
    pretrained = pretrain.run(
        pretrain.Recipe(
            out=str(out / "pretrained"),
            augment=[_MASK],
            data=data,
            encoder=_encoder(),
            local=MaskedPredictionConfig(64, num_codes=64, num_negatives=50, feature_dropout=0.0),
            optimizer=OptimizerConfig(learning_rate=2e-3, max_grad_norm=5.0),
            schedule=ScheduleConfig("cosine", warmup=0.1),
            train=_training(recipe.pretrain_epochs, recipe.seed),
        )
    )
    print(
        f"3. fine-tuning with {recipe.labelled:.0%} of the labels: pre-trained, then random weights"
    )
    for name, checkpoint in (("w2v-cmsc-rlm", str(pretrained)), ("random-init", None)):
        finetune.run(_finetune(recipe, data, str(out / name), checkpoint))
    print("4. scores for every lead set")
    evaluate.run(
        evaluate.Recipe(runs=f"{out / 'w2v-cmsc-rlm'},{out / 'random-init'}", out=str(out))
    )
    print(f"done in {perf_counter() - started:.0f} s; open {out / evaluate.REPORT}")
    return out / evaluate.REPORT


def _finetune(
    recipe: Recipe, data: DataConfig, out: str, checkpoint: str | None
) -> finetune.Recipe:
    encoder = _encoder() if checkpoint is None else EncoderChoice()
    return finetune.Recipe(
        out=out,
        augment=[_MASK],
        data=data,
        labels=LabelConfig(fraction=recipe.labelled),
        model=finetune.ModelConfig(checkpoint, encoder, "full"),
        optimizer=OptimizerConfig(learning_rate=2e-3, max_grad_norm=5.0),
        schedule=ScheduleConfig("cosine", warmup=0.1),
        train=_training(recipe.finetune_epochs, recipe.seed),
    )


def _encoder() -> EncoderChoice:
    """Frames of 64 ms from 125 Hz; no dropout in so short a training."""
    dropout = {"dropout": 0.0, "attention_dropout": 0.0, "input_dropout": 0.0}
    return EncoderChoice(
        size="tiny",
        overrides={"conv_layers": ((32, 2, 2),) * 3, "feature_grad_scale": 1.0, **dropout},
    )


def _training(epochs: int, seed: int) -> TrainConfig:
    return TrainConfig(epochs=epochs, batch_size=32, seed=seed, log_every=5, overwrite=True)
