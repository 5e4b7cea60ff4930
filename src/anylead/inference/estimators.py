"""Estimators of scikit-learn: vectors as a step of a pipeline, and a classifier on them.

For example, with `files` a list of paths and `labels` their classes::

    classifier = EcgClassifier("runs/base").fit(files, labels)
    classifier.predict_proba(more_files)

    pipeline = make_pipeline(EcgEmbedding("runs/base"), KNeighborsClassifier())
    pipeline.fit(files, labels)
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.base import BaseEstimator, ClassifierMixin, TransformerMixin, clone
from sklearn.linear_model import LogisticRegression
from sklearn.multiclass import OneVsRestClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.utils.validation import check_is_fitted

from anylead.errors import CheckpointError, FormatError
from anylead.inference.inputs import as_list
from anylead.inference.model import Model, load


class EcgEmbedding(TransformerMixin, BaseEstimator):  # type: ignore[misc]
    """Recordings -> vectors, by a model that is not changed: `fit` learns nothing.

    Args:
        model: a `Model`, or what `anylead.load` takes: it is loaded at the first `transform`.
        sample_rate: Hz, where the recordings are arrays.
        leads: names of the rows of arrays.
        unit: of arrays.
        layer: as for `Model.embed`.
        pool: "mean" or "max".
        use_leads: what the model may see of the leads that are there.
    """

    def __init__(
        self,
        model: Model | str | Path | None = None,
        sample_rate: float | None = None,
        leads: str | Sequence[str] | None = None,
        unit: str = "mV",
        layer: int | None = None,
        pool: str = "mean",
        use_leads: str | Sequence[str] | None = None,
    ):
        self.model = model
        self.sample_rate = sample_rate
        self.leads = leads
        self.unit = unit
        self.layer = layer
        self.pool = pool
        self.use_leads = use_leads

    def fit(self, X: Any, y: Any = None) -> "EcgEmbedding":  # noqa: N803
        """Do nothing: the model is trained already."""
        return self

    def transform(self, X: Any) -> NDArray[np.float32]:  # noqa: N803
        """(recording, dim) vectors.

        Args:
            X: a list (or array, or column of a table) of paths, Records or arrays (lead, time), a
                table with one recording in each row, or one array (recording, lead, time).
        """
        items, is_many = as_list(X)
        if not is_many:
            raise FormatError("one recording: want several, in a list, a column or an array")
        vectors = self._model().embed(
            items,
            sample_rate=self.sample_rate,
            leads=self.leads,
            unit=self.unit,
            layer=self.layer,
            pool=self.pool,
            use_leads=self.use_leads,
        )
        return np.asarray(vectors)

    def get_feature_names_out(self, input_features: Any = None) -> NDArray[np.object_]:
        """Names of the columns: ecg0, ecg1, ..."""
        return np.array([f"ecg{i}" for i in range(self._model().dim)], dtype=object)

    def __sklearn_is_fitted__(self) -> bool:
        """Say that `fit` is not needed."""
        return True

    def __sklearn_tags__(self) -> Any:
        tags = _takes_recordings(super().__sklearn_tags__())
        tags.requires_fit = False
        return tags

    def __getstate__(self) -> dict[str, Any]:
        """Without the loaded model where its source is known: workers load it themselves."""
        state: dict[str, Any] = super().__getstate__()
        return {name: value for name, value in state.items() if name != "_loaded"}

    def _model(self) -> Model:
        if isinstance(self.model, Model):
            return self.model
        if self.model is None:
            raise CheckpointError("EcgEmbedding: no model; say EcgEmbedding(model=...)")
        source, loaded = getattr(self, "_loaded", (None, None))
        if loaded is None or source != self.model:
            loaded = load(self.model)
            self._loaded = (self.model, loaded)
        return loaded


class EcgClassifier(ClassifierMixin, BaseEstimator):  # type: ignore[misc]
    """Recordings -> classes: a classifier fitted on vectors of a model that is not changed.

    Args:
        model: a `Model`, or what `anylead.load` takes.
        classifier: of scikit-learn, on vectors; None is a logistic regression on standardized ones,
            for targets (recording, label) of 0 and 1 one for each label.
        sample_rate, leads, unit, layer, pool, use_leads: as for `EcgEmbedding`.
    """

    def __init__(
        self,
        model: Model | str | Path | None = None,
        classifier: Any = None,
        sample_rate: float | None = None,
        leads: str | Sequence[str] | None = None,
        unit: str = "mV",
        layer: int | None = None,
        pool: str = "mean",
        use_leads: str | Sequence[str] | None = None,
    ):
        self.model = model
        self.classifier = classifier
        self.sample_rate = sample_rate
        self.leads = leads
        self.unit = unit
        self.layer = layer
        self.pool = pool
        self.use_leads = use_leads

    def fit(self, X: Any, y: Any) -> "EcgClassifier":  # noqa: N803
        """Fit the classifier.

        Args:
            X: recordings, as for `EcgEmbedding.transform`.
            y: (recording,) classes, or (recording, label) 0 and 1.
        """
        target = np.asarray(y)
        own: Any = LogisticRegression(max_iter=1000)
        if self.classifier is not None:
            own = clone(self.classifier)
        elif target.ndim == 2:
            own = OneVsRestClassifier(own)
        self.embedding_ = EcgEmbedding(
            self.model,
            self.sample_rate,
            self.leads,
            self.unit,
            self.layer,
            self.pool,
            self.use_leads,
        )
        scaled = make_pipeline(StandardScaler(), own) if self.classifier is None else own
        self.classifier_ = scaled.fit(self.embedding_.transform(X), target)
        self.classes_ = self.classifier_.classes_
        return self

    def predict(self, X: Any) -> NDArray[Any]:  # noqa: N803
        """(recording,) classes, or (recording, label) 0 and 1."""
        check_is_fitted(self)
        return np.asarray(self.classifier_.predict(self.embedding_.transform(X)))

    def predict_proba(self, X: Any) -> NDArray[np.float64]:  # noqa: N803
        """(recording, class) in the order of `classes_`."""
        check_is_fitted(self)
        return np.asarray(self.classifier_.predict_proba(self.embedding_.transform(X)))

    def __sklearn_tags__(self) -> Any:
        return _takes_recordings(super().__sklearn_tags__())


def _takes_recordings(tags: Any) -> Any:
    """What scikit-learn should know: no table of numbers, but recordings, checked one by one."""
    tags.no_validation = True
    tags.input_tags.one_d_array = True
    tags.input_tags.two_d_array = False
    tags.input_tags.three_d_array = True
    tags.input_tags.string = True
    tags.input_tags.allow_nan = True
    return tags
