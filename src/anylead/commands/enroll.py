"""anylead enroll: add recordings of known persons to a gallery."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from anylead.errors import FormatError, RecipeError
from anylead.formats import parse_rename, read
from anylead.formats.search import divided
from anylead.inference.gallery import (
    FILE,
    UNKNOWN,
    Entry,
    Gallery,
    change_gallery,
    check_model,
    ecg_files,
    load_gallery,
    model_of,
    weights_hash,
)
from anylead.inference.inputs import restrict
from anylead.inference.model import load
from anylead.signals import with_frank

EXAMPLES = (
    "anylead enroll patients/ --model runs/persons --gallery gallery/",
    "anylead enroll visit.dcm --person 4711",
)


@dataclass(frozen=True)
class Recipe:
    """Who is enrolled, with which model.

    Attributes:
        files: ECG files, folders, or patterns, separated by commas.
        gallery: folder of the gallery; made if it is not there.
        model: a run of `anylead finetune --task identification`, or any other model; null takes
            that of the gallery.
        person: whose recordings these are; null takes the patient a file names, else the name of
            the folder that holds the file.
        leads: what the model may see of the leads that are there; a named set or a list; null
            is all.
        device: "cpu", "cuda"; null takes a GPU where there is one.
        rename: the lead behind a channel's name, such as "ECG=I" or "ECG 1=II,ECG 2=V5".
    """

    files: str
    gallery: str = "gallery"
    model: str | None = None
    person: str | None = None
    leads: str | None = None
    device: str | None = None
    rename: str = ""


def run(recipe: Recipe) -> Gallery:
    """Enrol recordings; those of the same file are replaced. Returns the gallery.

    Raises:
        RecipeError: no model is named for a new gallery.
        FormatError: a file that cannot be used, or whose person is not known.
        CheckpointError: another model than that of the gallery.
    """
    folder = Path(recipe.gallery)
    name = recipe.model
    if name is None:
        if not (folder / FILE).is_file():
            raise RecipeError(f"{folder} is new: name the model with --model")
        known = load_gallery(folder)
        name, model = known.model, model_of(known, folder, recipe.device)
    else:
        model = load(name, device=recipe.device)
    model_hash = weights_hash(model)
    rename = parse_rename(recipe.rename)
    records = [(path, read(path, rename)) for path in ecg_files(divided(recipe.files))]
    if recipe.leads is not None:
        config, wanted = model.preprocess_config, recipe.leads
        records = [(path, restrict(with_frank(r, config), wanted)) for path, r in records]
    entries = []
    for path, record in records:
        person = recipe.person or record.patient_id or path.resolve().parent.name
        if not person:
            raise FormatError(f"{path}: does not say whose it is; give --person")
        if person == UNKNOWN:
            raise FormatError(
                f"{path}: person {UNKNOWN!r} is the answer for who is not in the gallery; give"
                " another --person"
            )
        labels = tuple(label for task in record.labels.values() for label in task)
        entries.append(Entry(person, str(path.resolve()), record.leads, labels))
    vectors = np.asarray(model.embed([record for _, record in records]), dtype=np.float32)
    vectors = vectors / np.linalg.norm(vectors, axis=1, keepdims=True)

    def add(gallery: Gallery | None) -> Gallery:
        if gallery is None:
            return Gallery(str(name), model_hash, tuple(entries), vectors)
        check_model(gallery, model_hash, str(name))
        return gallery.with_entries(entries, vectors)

    changed = change_gallery(folder, add)
    print(
        f"{folder}: {len(entries)} recordings enrolled; it holds {len(changed.entries)} of"
        f" {len(changed.persons)} persons"
    )
    return changed
