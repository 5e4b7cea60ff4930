import pytest

from anylead.augment import AUGMENTATIONS
from anylead.catalogue import Catalogue
from anylead.methods import METHODS, Method


def test_every_part_lies_where_its_table_says():
    assert all(isinstance(METHODS[name], Method) for name in METHODS)
    assert all(
        AUGMENTATIONS[name].__module__ == f"anylead.augment.{name}" for name in AUGMENTATIONS
    )


def test_names_are_known_without_a_file_being_imported():
    absent = Catalogue("anylead.methods", {"there_is_no_such_file": "X"})
    assert list(absent) == ["there_is_no_such_file"] and "there_is_no_such_file" in absent
    assert "other" not in absent and absent.keys() == {"there_is_no_such_file"}
    with pytest.raises(ModuleNotFoundError):
        absent["there_is_no_such_file"]
    with pytest.raises(KeyError):
        absent["other"]
