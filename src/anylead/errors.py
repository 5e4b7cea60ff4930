"""Errors a user can act on: one line, the thing, what was found, the remedy."""


class AnyleadError(Exception):
    """A user's mistake or a bad input; the command line prints it as one line and exits with 2."""

    exit_status = 2


class LeadError(AnyleadError):
    """A lead name, or a set of leads, that cannot be used."""


class FormatError(AnyleadError):
    """A file that cannot be read as an ECG; the message starts with its path."""


class SourceError(AnyleadError):
    """A file that could not be read just now: disk, network or machine failed, not the file."""


class DatasetError(AnyleadError):
    """A folder that is not the corpus it should be, or a label table that does not fit."""


class StoreError(AnyleadError):
    """A store that is missing, of another version, damaged, or in use."""


class RecipeError(AnyleadError):
    """A recipe with an unknown key or a value out of range."""


class CheckpointError(AnyleadError):
    """A checkpoint that is missing, damaged, or of another architecture."""


class TrainingError(AnyleadError):
    """A run that cannot go on, such as a loss that is not finite."""


class MissingPackageError(AnyleadError):
    """An optional package is not installed; the message holds the pip command."""


class StoppedError(AnyleadError):
    """A run that was asked to end (SIGTERM), has kept its state, and is to be started again."""

    exit_status = 75  # EX_TEMPFAIL: try again
