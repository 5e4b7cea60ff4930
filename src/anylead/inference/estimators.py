"""Embeddings as a step of a scikit-learn pipeline.

For example, with `files` a list of paths and `labels` their classes::

    pipeline = make_pipeline(EcgEmbedding("runs/base"), LogisticRegression())
    pipeline.fit(files, labels)
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.base import BaseEstimator, TransformerMixin

from anylead.errors import CheckpointError
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
            X: a list (or array, or column of a table) of paths, Records or arrays (lead, time), or
                one array (recording, lead, time).
        """
        vectors = self._model().embed(
            list(X),
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
        tags = super().__sklearn_tags__()
        tags.requires_fit = False
        tags.no_validation = True  # recordings differ in shape; they are checked one by one
        tags.input_tags.one_d_array = True
        tags.input_tags.two_d_array = False
        tags.input_tags.three_d_array = True
        tags.input_tags.string = True
        tags.input_tags.allow_nan = True
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
