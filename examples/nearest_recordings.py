"""Which recordings of a folder are most like this one, as a model sees them?

python examples/nearest_recordings.py runs/pretrained recording.dcm FOLDER --leads I,II
"""

import argparse
from pathlib import Path

import numpy as np

import anylead
from anylead import datasets


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("model")
    parser.add_argument("recording", type=Path)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--leads", help="what the model may see; all by default")
    parser.add_argument("--top", type=int, default=5)
    arguments = parser.parse_args()

    model = anylead.load(arguments.model)
    records = list(datasets.records("folder", arguments.folder))
    gallery = unit(model.embed(records, use_leads=arguments.leads))
    probe = unit(model.embed(arguments.recording, use_leads=arguments.leads))
    cosine = gallery @ probe
    for row in np.argsort(-cosine)[: arguments.top]:
        print(f"{cosine[row]:.3f}  {records[row].record_id}")


def unit(vectors: np.ndarray) -> np.ndarray:
    """Vectors of length 1."""
    return vectors / np.linalg.norm(vectors, axis=-1, keepdims=True)


if __name__ == "__main__":
    main()
