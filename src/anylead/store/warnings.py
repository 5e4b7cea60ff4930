"""What a user should hear about a store before training on it."""

import numpy as np

from anylead.errors import StoreError
from anylead.store.reader import Store


def store_warnings(store: Store) -> list[str]:
    """Labels that cannot be learnt, and a split that shares patients, each in one line."""
    found = []
    for task, names in store.manifest.label_names.items():
        hot, is_known = store.labels(task)
        if not is_known.any():
            found.append(f"task {task}: no recording is labelled")
            continue
        positive = hot.sum(axis=0, dtype=np.int64)
        negative = is_known.sum(axis=0) - positive
        if not positive.any():
            found.append(f"task {task}: no recording has any of its {len(names)} labels")
            continue
        for what, count in (("positive", positive), ("negative", negative)):
            without = [name for name, num in zip(names, count, strict=True) if not num]
            if without:
                listed = ", ".join(without[:10]) + (", ..." if len(without) > 10 else "")
                found.append(f"task {task}: no {what} recording of {listed}")
    try:
        store.split_rows()
    except StoreError as error:
        found.append(str(error))
    return found
