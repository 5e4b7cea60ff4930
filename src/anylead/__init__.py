"""Self-supervised ECG models that work with any set of leads.

Functions of the names of the commands take the fields of their recipes as keywords::

    store = anylead.prepare("synthetic", out="store", preprocess={"sample_rate": 250})
    base = anylead.pretrain(store, encoder={"size": "tiny"}, train={"epochs": 3})
    model = anylead.finetune(store, model=base)
    print(model.answer("file.xml"))
"""

from importlib import import_module

__version__ = "0.1.0"

# Name -> where it lies; a part is imported when it is first used, so that `import anylead` needs
# neither torch nor time. Types stand in `__init__.pyi`.
_WHERE = {
    "Model": "anylead.inference.model",
    "Record": "anylead.records",
    "Store": "anylead.store",
    "embed": "anylead.commands.api",
    "evaluate": "anylead.commands.api",
    "finetune": "anylead.commands.api",
    "leads": "anylead.leads",
    "list_models": "anylead.commands.api",
    "load": "anylead.inference.model",
    "predict": "anylead.commands.api",
    "prepare": "anylead.commands.api",
    "pretrain": "anylead.commands.api",
    "read": "anylead.commands.api",
}
__all__ = [
    "Model",
    "Record",
    "Store",
    "__version__",
    "embed",
    "evaluate",
    "finetune",
    "leads",
    "list_models",
    "load",
    "predict",
    "prepare",
    "pretrain",
    "read",
]


def __getattr__(name: str) -> object:
    if name not in _WHERE:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    module = import_module(_WHERE[name])
    return module if _WHERE[name] == f"{__name__}.{name}" else getattr(module, name)


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
