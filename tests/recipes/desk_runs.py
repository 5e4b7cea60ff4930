"""The commands in the headers of the recipes, run as they stand but for sizes and steps."""

import re
import shlex
from pathlib import Path

import yaml

from anylead.commands.cli import main

FOLDER = Path(__file__).resolve().parents[2] / "recipes"
SHORT = [
    "--train.steps=2",
    "--train.batch_size=8",
    "--train.is_quiet=true",
    "--train.overwrite=true",
]
# Recipe -> the one whose run it goes on from: RUN in its header, or a path.
AFTER = {
    "finetune_diagnosis.yaml": "pretrain_w2v_cmsc_rlm.yaml",
    "finetune_identification.yaml": "pretrain_w2v_cmsc_rlm.yaml",
    "finetune_ptbxl_small.yaml": "pretrain_ptbxl_small.yaml",
    "pack_ptbxl_cpc.yaml": "pretrain_ptbxl_cpc.yaml",
    "pack_ptbxl_small.yaml": "finetune_ptbxl_small.yaml",
    "pack_synthetic_tiny.yaml": "finetune_synthetic_tiny.yaml",
}
# STORE of the headers that name none.
STORES = {"finetune_identification.yaml": "stores/ptbxl", "finetune_resnet.yaml": "stores/ptbxl100"}


def made(name: str) -> Path:
    """The folder that a recipe makes in the working directory; run once, behind what it needs."""
    folder = Path(yaml.safe_load((FOLDER / name).read_text())["out"])
    if not (folder / "model.safetensors").is_file():
        run = made(AFTER[name]) if name in AFTER else None
        assert main([*command(name, run), *small(name)]) == 0
    return folder


def small(name: str) -> list[str]:
    """What makes a recipe small; but for their ResNet, those of the box are that already."""
    if name.startswith("pack_"):
        return [] if name == "pack_ptbxl_cpc.yaml" else ["--num_resamples=20"]
    if "resnet" in name:
        return [*SHORT, "--model.encoder.size=tiny"]
    is_base = name.startswith("pretrain_") and not name.startswith("pretrain_ptbxl_")
    return [*SHORT, *(["--encoder.size=tiny"] if is_base else [])]


def command(name: str, run: Path | None) -> list[str]:
    """The words of the command in its header."""
    text = (FOLDER / name).read_text()
    found = re.search(rf"anylead (\w+) recipes/{name}((?:\s#?\s*--[\w.]+ \S+)*)", text)
    words = shlex.split(found[2], comments=False)
    stands_for = {"STORE": STORES.get(name, "stores/physionet2021"), "RUN": str(run)}
    options = [stands_for.get(word, word) for word in words if word != "#"]
    if name == "finetune_ptbxl_small.yaml":  # told in words there
        options += ["--model.checkpoint", str(run)]
    return [found[1], str(FOLDER / name), *options]
