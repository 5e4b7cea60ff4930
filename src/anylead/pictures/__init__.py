"""Arrays and recordings -> figures, and figures -> files and reports.

Figures are made outside pyplot and saved under a lock, so that threads may draw side by side.
"""

from anylead.pictures.curves import (
    precision_recall_curves,
    reliability_diagram,
    roc_curves,
    training_curves,
)
from anylead.pictures.ecg_page import ecg_page, record_header
from anylead.pictures.embedding_map import embedding_map
from anylead.pictures.full_disclosure import full_disclosure
from anylead.pictures.output import Drawing, PictureKind, render, save, save_pages
from anylead.pictures.report import Report
from anylead.pictures.saliency import deletion_curve, saliency_by_lead
from anylead.pictures.scores import (
    Interval,
    confusion_by_pair,
    identification_scores,
    score_by_lead_set,
    score_by_lead_set_narrow,
)

__all__ = [
    "Drawing",
    "Interval",
    "PictureKind",
    "Report",
    "confusion_by_pair",
    "deletion_curve",
    "ecg_page",
    "embedding_map",
    "full_disclosure",
    "identification_scores",
    "precision_recall_curves",
    "record_header",
    "reliability_diagram",
    "render",
    "roc_curves",
    "saliency_by_lead",
    "save",
    "save_pages",
    "score_by_lead_set",
    "score_by_lead_set_narrow",
    "training_curves",
]
