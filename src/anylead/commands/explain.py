"""`anylead explain FILE -o page.svg`: what a prediction rests on, over the ECG."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from anylead.commands import screen
from anylead.explanations import Explanation, deletion, explain, saliency_on
from anylead.formats import parse_rename, read
from anylead.inference.model import load
from anylead.inference.named import default
from anylead.pictures import deletion_curve, ecg_page, save
from anylead.pictures.output import picture_kind

EXAMPLES = (
    "anylead explain patient.dcm -o page.svg",
    "anylead explain patient.dcm --model runs/diagnosis -o page.svg",
    "anylead explain patient.dcm --model runs/diagnosis --label AFIB",
)


@dataclass(frozen=True)
class Recipe:
    """What `anylead explain` needs.

    Attributes:
        file: a recording in any supported format.
        model: a run of `anylead finetune`, "hf://owner/name", or any other model; null takes the
            one in the box.
        out: the picture, .svg, .pdf or .png.
        label: which answer; null is the most probable.
        method: "gradients" (integrated gradients), "occlusion" (by lead and time) or "attention"
            (roll-out; time only, the same for every label).
        leads: what the model may see; a named set or a list; null is all.
        layout: of the page, see `anylead plot`.
        seconds: length of the page; null is 10 s, or what there is.
        start: of the page, seconds into the recording.
        deletion: also draw the deletion curve into this file.
        json: print what each lead does as JSON.
        device: "cpu", "cuda"; null takes a GPU where there is one.
        rename: the lead behind a channel's name, such as "ECG=I" or "ECG 1=II,ECG 2=V5".
    """

    file: Path
    model: str | None = None
    out: Path = Path("explanation.svg")
    label: str | None = None
    method: Literal["gradients", "occlusion", "attention"] = "gradients"
    leads: str | None = None
    layout: str | None = None
    seconds: float | None = None
    start: float = 0.0
    deletion: Path | None = None
    json: bool = False
    device: str | None = None
    rename: str = ""


def run(recipe: Recipe) -> Path:
    """Draw the page; prints what each lead does to the answer. Returns where the page is.

    Raises:
        FormatError, LeadError: the recording cannot be used.
        RecipeError: an unknown method or label, or a page that does not fit.
        CheckpointError: no such model.
    """
    for path in (recipe.out, recipe.deletion):
        if path is not None:
            picture_kind(path)  # before any work
    record = read(recipe.file, parse_rename(recipe.rename))
    model = load(recipe.model or default(), device=recipe.device)
    if recipe.model is None:
        screen.say_box(screen.console(stderr=True), model.about.name, model.about.version)
    explanation = explain(model, record, recipe.method, recipe.label, recipe.leads)
    figure = ecg_page(
        record,
        layout=recipe.layout,
        saliency=saliency_on(explanation, record),
        seen=tuple(explanation.by_lead),
        header=headline(explanation),
        seconds=recipe.seconds,
        start=recipe.start,
    )
    save(figure, recipe.out)
    if recipe.deletion is not None:
        curves: dict[str, NDArray[np.floating]] = {
            "most salient first": deletion(model, record, explanation),
            "at random": deletion(model, record, explanation, seed=0),
        }
        save(deletion_curve(curves, f"probability of {explanation.label}"), recipe.deletion)
    if recipe.json:
        screen.print_json(_plain(explanation))
        return recipe.out
    print(f"{recipe.out}: {headline(explanation)}")
    score = "logit" if explanation.label is not None else "cosine"
    print(f"fall of the {score} without a lead:")
    for name, fall in sorted(explanation.by_lead.items(), key=lambda item: -(item[1] or 0.0)):
        less = explanation.without_lead.get(name)
        then = "" if less is None else f"  {less:.1%} without it"
        print(f"  {name:<4} {'only lead, not defined' if fall is None else f'{fall:+.3f}'}{then}")
    return recipe.out


def _plain(explanation: Explanation) -> dict[str, Any]:
    return {
        "label": explanation.label,
        "probability": explanation.probability,
        "method": explanation.method,
        "fall_without_lead": explanation.by_lead,
        "probability_without_lead": explanation.without_lead,
    }


def headline(explanation: Explanation) -> str:
    """One line: what is explained, and how."""
    method = {"gradients": "integrated gradients", "attention": "attention roll-out"}
    how = method.get(explanation.method, explanation.method)
    begins, ends = explanation.segments[0][0], explanation.segments[-1][1]
    seen = f"{begins:.1f} to {ends:.1f} s"
    if (number := len(explanation.segments)) > 1:
        seen += f", mean of {number} segments of {explanation.segments[0][1] - begins:g} s"
    what = explanation.label or "the recording's own vector"
    if explanation.probability is not None:
        what += f" {explanation.probability:.0%}"
    return f"{what}  ·  {how}  ·  {seen}"
