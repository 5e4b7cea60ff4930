"""What is said of a package that cannot be imported."""

import pytest

from anylead.extras import missing


def told(error, cause=None):
    try:
        raise error from cause
    except ImportError:
        return str(missing("somelib", "onnx"))


def test_a_package_that_is_not_there_is_told_with_the_command_that_brings_it():
    found = told(ModuleNotFoundError("No module named 'somelib'"))
    assert found.startswith("somelib is not installed, a part of anylead[onnx]; run: ")


def test_a_package_that_is_there_but_broken_is_not_told_to_be_missing():
    found = told(ImportError("libcuda.so.1: cannot open shared object file\nmore"))
    assert found.startswith(
        "somelib is there and cannot be imported (libcuda.so.1: cannot open shared object file);"
    )
    assert "not installed" not in found and "more" not in found


def test_ctrl_c_during_an_import_is_ctrl_c():
    with pytest.raises(KeyboardInterrupt):
        told(ImportError("numpy failed to import"), KeyboardInterrupt())
