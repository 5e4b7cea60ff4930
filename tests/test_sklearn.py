import inspect
import pickle

import numpy as np
import pandas
import pytest
from sklearn.base import clone
from sklearn.exceptions import NotFittedError
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import cross_val_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.utils import estimator_checks

import anylead
from anylead import datasets
from anylead.errors import CheckpointError
from anylead.inference.estimators import EcgClassifier, EcgEmbedding
from interop import small_models

# scikit-learn feeds tables of (sample, feature) to all its other checks; an ECG is no row of one.
# Their content (order, subsets, idempotence, read-only input) is tested below with recordings.
CHECKS = [
    "check_estimator_cloneable",
    "check_estimator_tags_renamed",
    "check_valid_tag_types",
    "check_estimator_repr",
    "check_no_attributes_set_in_init",
    "check_do_not_raise_errors_in_init_or_set_params",
    "check_parameters_default_constructible",
    "check_get_params_invariance",
    "check_set_params",
    "check_mixin_order",
    "check_n_features_in_after_fitting",
    "check_estimators_fit_returns_self",
    "check_estimators_overwrite_params",
    "check_readonly_memmap_input",
    "check_positive_only_tag_during_fit",
]
# Checks that fit on tables of numbers, which a classifier of recordings refuses.
NEEDS_NO_FIT = (
    "check_n_features_in_after_fitting",
    "check_estimators_fit_returns_self",
    "check_estimators_overwrite_params",
    "check_readonly_memmap_input",
    "check_positive_only_tag_during_fit",
)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return str(small_models.folder(tmp_path_factory.mktemp("model")))


@pytest.fixture(scope="module")
def records():
    return list(datasets.records("synthetic", num_patients=6, seconds=2.0))


@pytest.mark.parametrize(
    ("kind", "name"),
    [
        *((EcgEmbedding, name) for name in CHECKS),
        *((EcgClassifier, name) for name in CHECKS if name not in NEEDS_NO_FIT),
    ],
)
def test_passes_the_checks_of_scikit_learn_that_need_no_table(kind, name):
    check = getattr(estimator_checks, name)
    estimator = kind()
    arguments = {"name": kind.__name__, "estimator_orig": estimator, "estimator": estimator}
    wanted = [p for p in inspect.signature(check).parameters if p in arguments]
    check(**{parameter: arguments[parameter] for parameter in wanted})


def test_vectors_are_those_of_the_model(folder, records):
    found = EcgEmbedding(folder).fit(records).transform(records)
    assert np.array_equal(found, anylead.load(folder).embed(records))
    stack = np.stack([record.signal for record in records])
    stack.flags.writeable = False
    arrays = EcgEmbedding(folder, sample_rate=500, leads="12").transform(stack)
    np.testing.assert_allclose(arrays, found, atol=1e-6)


def test_order_and_subsets_do_not_matter_and_fit_changes_nothing(folder, records):
    embedding = EcgEmbedding(folder)
    before = dict(vars(embedding))
    whole = embedding.fit_transform(records)
    again = embedding.fit(records).fit(records).transform(records)
    assert np.array_equal(whole, again)
    np.testing.assert_allclose(embedding.transform(records[::-1]), whole[::-1], atol=1e-6)
    np.testing.assert_allclose(embedding.transform(records[2:3]), whole[2:3], atol=1e-6)
    assert {name: vars(embedding)[name] for name in before} == before


def test_a_clone_and_a_pickle_give_the_same(folder, records):
    embedding = EcgEmbedding(folder, use_leads="I,II", pool="max")
    expected = embedding.transform(records[:2])
    assert np.array_equal(clone(embedding).transform(records[:2]), expected)
    data = pickle.dumps(embedding)
    assert len(data) < 2000  # the path, not the weights
    assert np.array_equal(pickle.loads(data).transform(records[:2]), expected)


def test_works_in_a_cross_validated_pipeline(folder, records):
    labels = [i // 2 % 2 for i in range(len(records))]
    pipeline = make_pipeline(EcgEmbedding(folder), LogisticRegression())
    scores = cross_val_score(pipeline, records, labels, cv=2)
    assert ((scores >= 0) & (scores <= 1)).all()


def test_columns_have_names(folder, records):
    embedding = EcgEmbedding(folder)
    names = embedding.get_feature_names_out()
    assert len(names) == embedding.transform(records[:1]).shape[1]
    assert names[3] == "ecg3"


def test_without_a_model_it_says_so(records):
    with pytest.raises(CheckpointError, match="say EcgEmbedding"):
        EcgEmbedding().transform(records)


def test_a_classifier_gives_what_its_parts_give(folder, records):
    labels = np.array(["a", "b"] * (len(records) // 2))
    classifier = EcgClassifier(folder).fit(records, labels)
    parts = make_pipeline(EcgEmbedding(folder), StandardScaler(), LogisticRegression(max_iter=1000))
    parts.fit(records, labels)
    assert np.array_equal(classifier.predict(records), parts.predict(records))
    np.testing.assert_allclose(classifier.predict_proba(records), parts.predict_proba(records))
    assert classifier.classes_.tolist() == ["a", "b"]
    copy = pickle.loads(pickle.dumps(classifier))
    assert np.array_equal(copy.predict(records), classifier.predict(records))
    scores = cross_val_score(EcgClassifier(folder, classifier=LogisticRegression()), records,
                             labels, cv=2)  # fmt: skip
    assert ((scores >= 0) & (scores <= 1)).all()


def test_a_classifier_takes_several_labels_at_once(folder, records):
    labels = np.array([[i % 2, i // 2 % 2, i % 3 == 0] for i in range(len(records))]).astype(int)
    probability = EcgClassifier(folder).fit(records, labels).predict_proba(records)
    assert probability.shape == labels.shape
    with pytest.raises(NotFittedError):
        EcgClassifier(folder).predict(records)


def test_a_column_of_a_table_is_read_also_as_a_table_of_one_column(folder, records, tmp_path):
    files = []
    for number, record in enumerate(records[:3]):
        files.append(str(tmp_path / f"{number}.npz"))
        named = {"leads": list(record.leads), "sample_rate": record.sample_rate, "unit": "mV"}
        np.savez(files[-1], signal=record.signal, **named)
    frame = pandas.DataFrame({"ecg_file": files})
    expected = EcgEmbedding(folder).transform(files)
    for given in (frame, frame["ecg_file"], frame[["ecg_file"]].to_numpy().ravel()):
        np.testing.assert_allclose(EcgEmbedding(folder).transform(given), expected, atol=1e-6)
