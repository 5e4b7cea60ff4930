"""What looks wrong with the labels of a store: a table that was read in vain says nothing."""

from collections.abc import Sequence

from anylead.store.reader import Store

_SHOWN = 6


def label_doubts(store: Store, expected: Sequence[str] = ()) -> list[str]:
    """One sentence for each label task that can teach nothing.

    Args:
        store: with at least one recording.
        expected: tasks that the dataset always has.
    """
    tasks = {**dict.fromkeys(expected, ()), **store.manifest.label_names}
    found = (_doubt(store, task) for task in tasks)
    return [f"{sentence} Was its table read rightly?" for sentence in found if sentence]


def _doubt(store: Store, task: str) -> str:
    names = store.manifest.label_names.get(task, ())
    if not names:
        return f"Labels {task}: not one of {store.num_records:,} recordings has any."
    hot, is_known = store.labels(task)
    labelled = is_known.any(axis=1)
    num = int(labelled.sum())
    if num == 0:
        return f"Labels {task}: not one of {store.num_records:,} recordings is labelled."
    chosen = hot[labelled]
    if not chosen.any():
        shown = ", ".join(names[:_SHOWN]) + (", ..." if len(names) > _SHOWN else "")
        return f"Labels {task}: not one of {num:,} recordings has one of its classes ({shown})."
    if num > 1 and (chosen == chosen[0]).all():
        same = ", ".join(name for name, has in zip(names, chosen[0], strict=True) if has)
        return f"Labels {task}: all {num:,} recordings have the same, {same}."
    return ""
