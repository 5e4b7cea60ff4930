import pytest

from anylead.commands import doctor
from anylead.errors import MissingPackageError

REQUIREMENTS = [
    "numpy>=1.26",
    'pydicom>=3.0; extra == "formats"',
    'edfio>=0.4.5; extra == "formats"',
    'captum>=0.7; extra == "explain"',
    'pytest>=8; extra == "dev"',
    'anylead[formats]; extra == "all"',
]


def extras(**versions):
    found = doctor.find_extras(REQUIREMENTS, versions.get)
    return {extra.name: extra for extra in found}


def test_lists_the_required_packages_and_the_extras_for_users():
    found = extras()
    assert list(found) == ["", "formats", "explain"]
    assert [package.name for package in found["formats"].packages] == ["pydicom", "edfio"]


def test_a_missing_package_comes_with_the_command_that_brings_it():
    formats = extras(pydicom="3.0.2")["formats"]
    assert [package.name for package in formats.lacking] == ["edfio"]
    assert formats.remedy.endswith("[formats]'")


@pytest.mark.parametrize(("version", "is_fine"), [("2.4.0", False), ("3.0.0", True)])
def test_a_package_that_is_too_old_lacks(version, is_fine):
    package = extras(pydicom=version)["formats"].packages[0]
    assert package.is_fine == is_fine


def test_a_missing_required_package_is_an_error(monkeypatch, capsys):
    monkeypatch.setattr(doctor, "_requirements", lambda: ["surely-not-installed>=1"])
    with pytest.raises(MissingPackageError, match="surely-not-installed"):
        doctor.run(doctor.Recipe())
    assert "missing" in capsys.readouterr().out


def test_tells_versions_cores_and_devices(capsys):
    doctor.run(doctor.Recipe())
    told = capsys.readouterr().out
    assert "anylead 0." in told and "cores" in told and "torch" in told and "numpy" in told
