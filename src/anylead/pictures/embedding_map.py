"""Embeddings as points on a plane, coloured by label."""

from collections import Counter
from collections.abc import Sequence
from typing import Literal

import numpy as np
from matplotlib.collections import PathCollection
from matplotlib.figure import Figure
from numpy.typing import NDArray

from anylead.errors import MissingPackageError
from anylead.pictures import style

_MAX_VECTOR_POINTS = 2000  # more are drawn as a raster, or the file grows with them


def embedding_map(
    embedding: NDArray[np.floating],
    label: Sequence[str],
    method: Literal["pca", "umap"] = "pca",
    seed: int = 0,
) -> Figure:
    """Draw one point per recording.

    Args:
        embedding: (record, dim), at least two of both.
        label: per record; the seven most frequent get a colour and a marker each.
        method: "pca", or "umap" where the package umap-learn is installed.
        seed: of the method's own draws.

    Raises:
        MissingPackageError: "umap" without the package.
    """
    if len(embedding) != len(label) or embedding.ndim != 2 or min(embedding.shape) < 2:
        raise ValueError(f"embedding {embedding.shape} for {len(label)} labels")
    points, x_name, y_name = _pca(embedding, seed) if method == "pca" else _umap(embedding, seed)
    names = np.array([style.plain(name) for name in label])
    ranked = sorted(Counter(names.tolist()).items(), key=lambda item: (-item[1], item[0]))
    shown = [name for name, _ in ranked[: len(style.SERIES)]]
    figure = style.new_figure(6.8, 4.6)
    axes = figure.add_subplot()
    size = float(np.clip(12000 / len(points), 8, 36))
    groups = [
        (name, names == name, style.SERIES[i], style.MARKERS[i]) for i, name in enumerate(shown)
    ]
    is_other = ~np.isin(names, shown)
    if is_other.any():
        groups.insert(0, (f"{len(ranked) - len(shown)} other labels", is_other, style.GREY, "."))
    for name, members, color, marker in groups:
        axes.scatter(
            points[members, 0],
            points[members, 1],
            s=size,
            color=color,
            marker=marker,
            alpha=0.65,
            linewidths=0,
            label=f"{name} ({int(members.sum()):,})",
            rasterized=len(points) > _MAX_VECTOR_POINTS,
        )
    style.finish(axes, f"Embeddings, {method.upper()}", x_name, y_name)
    for handle in style.legend_beside(figure, axes).legend_handles:
        if isinstance(handle, PathCollection):  # as large as a reader can tell shapes apart
            handle.set_sizes([40])
            handle.set_alpha(1)
    return figure


def _pca(embedding: NDArray[np.floating], seed: int) -> tuple[NDArray[np.float64], str, str]:
    from sklearn.decomposition import PCA  # slow to import

    pca = PCA(n_components=2, random_state=seed)
    points = pca.fit_transform(np.asarray(embedding, dtype=np.float64))
    shares = [
        f"component {i + 1} ({share:.0%})" for i, share in enumerate(pca.explained_variance_ratio_)
    ]
    return points, shares[0], shares[1]


def _umap(embedding: NDArray[np.floating], seed: int) -> tuple[NDArray[np.float64], str, str]:
    try:
        from umap import UMAP
    except ImportError as error:
        raise MissingPackageError(
            'a UMAP map needs the package umap-learn: pip install umap-learn, or use "pca"'
        ) from error
    neighbors = min(15, len(embedding) - 1)
    points = UMAP(n_neighbors=neighbors, random_state=seed, n_jobs=1).fit_transform(embedding)
    return np.asarray(points, dtype=np.float64), "UMAP 1", "UMAP 2"
