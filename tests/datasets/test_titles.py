from anylead.datasets.code15 import CLASSES as CODE15
from anylead.datasets.scp import SCP
from anylead.datasets.snomed import SNOMED
from anylead.datasets.synthetic import CLASSES as SYNTHETIC
from anylead.datasets.titles import titles


def test_every_class_of_a_known_corpus_has_a_full_name():
    groups = {group for row in SCP.values() for group in row[:2] if group is not None}
    challenge = [short for short, _ in SNOMED.values()]
    for labels in (list(SCP), sorted(groups), challenge, CODE15, SYNTHETIC):
        found = titles(list(labels))
        assert set(found) == set(labels)
        assert all(name and name.strip() == name for name in found.values())


def test_an_abbreviation_is_read_in_the_words_of_its_corpus():
    assert titles(["NORM", "MI", "STTC", "CD", "HYP"])["CD"] == "conduction disturbance"
    assert titles(["NSR", "AFL", "IAVB", "CD"])["CD"] == "cardiac dysrhythmia"
    assert titles(["my own label"]) == {}


def test_classes_of_joined_tasks_are_read_without_their_task():
    joined = ["superdiagnostic/CD", "superdiagnostic/MI", "rhythm/SR", "subdiagnostic/LAFB/LPFB"]
    assert titles(joined) == {
        "superdiagnostic/CD": "conduction disturbance",
        "superdiagnostic/MI": "myocardial infarction",
        "rhythm/SR": "sinus rhythm",
        "subdiagnostic/LAFB/LPFB": "left anterior or posterior fascicular block",
    }
    assert titles(["LAFB/LPFB", "SR"]).keys() == {"LAFB/LPFB", "SR"}
