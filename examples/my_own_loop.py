"""Pre-train with a loop of your own: the parts know nothing of recipes, files or the loop.

python examples/my_own_loop.py STORE --steps 100 --out runs/own
"""

import argparse
from pathlib import Path

import torch

from anylead.augment.random_lead_mask import RandomLeadMask
from anylead.checkpoint import save_checkpoint
from anylead.commands.parts import DataConfig, describe_data
from anylead.loading import TrainingLoader
from anylead.methods import Pretraining, find_method
from anylead.models import ENCODER_SIZES, Encoder, describe_encoder
from anylead.store import Store


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("store")
    parser.add_argument("--steps", type=int, default=100)
    parser.add_argument("--batch_size", type=int, default=32)
    parser.add_argument("--size", default="tiny", choices=ENCODER_SIZES)
    parser.add_argument("--out", type=Path, default=Path("runs/own"))
    arguments = parser.parse_args()

    store = Store.open(arguments.store)
    rows = store.split_rows()["train"]
    loader = TrainingLoader(store, rows, arguments.batch_size, 5.0, "pair", seed=0)
    encoder = Encoder(ENCODER_SIZES[arguments.size])
    objective = Pretraining(encoder, find_method("wav2vec2_cmsc"), RandomLeadMask(prob=0.5))
    optimizer = torch.optim.AdamW(objective.parameters(), lr=1e-3, weight_decay=0.01)

    for number in range(arguments.steps):
        step = objective(loader.batch(number).to("cpu"))
        (step.loss / step.terms).backward()
        optimizer.step()
        optimizer.zero_grad()
        if number % 10 == 0:
            print(f"step {number}: loss {(step.loss / step.terms).item():.3f}")

    description = {
        "kind": "pretraining",
        "encoder": describe_encoder(encoder),
        **describe_data(store, DataConfig(arguments.store)),
        "provenance": {"script": Path(__file__).name, "steps": arguments.steps},
    }
    save_checkpoint(arguments.out, objective.state_dict(), description)
    print(f"{arguments.out}: ready for `anylead finetune --model.checkpoint {arguments.out}`")


if __name__ == "__main__":
    main()
