"""Self-supervised ECG models that work with any set of leads."""

__version__ = "0.1.0"
