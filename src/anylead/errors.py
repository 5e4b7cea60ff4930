"""Errors a user can act on: one line, the thing, what was found, the remedy."""

from collections.abc import Iterable
from difflib import get_close_matches


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
    """A package is not installed; the message holds the pip command that brings it."""


class StoppedError(AnyleadError):
    """A run that was asked to end (SIGTERM), has kept its state, and is to be started again."""

    exit_status = 75  # EX_TEMPFAIL: try again


def did_you_mean(word: object, known: Iterable[str]) -> str:
    """The known word that a misspelt one was meant to be, as the end of an error, or ""."""
    by_lower = {each.lower(): each for each in known}
    near = get_close_matches(str(word).lower(), by_lower, n=1)
    return f"; did you mean {by_lower[near[0]]}?" if near else ""


def known_are(word: object, known: Iterable[str]) -> str:
    """What there is where a word is unknown, and which may be meant: the end of an error."""
    names = list(known)
    return f"; known are {', '.join(names)}{did_you_mean(word, names)}"
