"""Fine-tuned runs -> scores by lead set. To add a kind of model: a file and a line here."""

from anylead.evaluation.classification_report import CLASSIFICATION, MULTICLASS
from anylead.evaluation.identification import IDENTIFICATION
from anylead.evaluation.regression import REGRESSION
from anylead.evaluation.scores import Evaluation, Evidence, LeadSetScores, Settings
from anylead.evaluation.survival import SURVIVAL
from anylead.evaluation.waves import WAVES

# kind of checkpoint -> how it is scored
EVALUATIONS: dict[str, Evaluation] = {
    "classification": CLASSIFICATION,
    "multiclass": MULTICLASS,
    "regression": REGRESSION,
    "survival": SURVIVAL,
    "identification": IDENTIFICATION,
    "waves": WAVES,
}

__all__ = ["EVALUATIONS", "Evaluation", "Evidence", "LeadSetScores", "Settings"]
