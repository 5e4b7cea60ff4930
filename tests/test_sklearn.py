import inspect
import pickle

import numpy as np
import pytest
from sklearn.base import clone
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import cross_val_score
from sklearn.pipeline import make_pipeline
from sklearn.utils import estimator_checks

import anylead
from anylead import datasets
from anylead.errors import CheckpointError
from anylead.inference.estimators import EcgEmbedding
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


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return str(small_models.folder(tmp_path_factory.mktemp("model")))


@pytest.fixture(scope="module")
def records():
    return list(datasets.records("synthetic", num_patients=6, seconds=2.0))


@pytest.mark.parametrize("name", CHECKS)
def test_passes_the_checks_of_scikit_learn_that_need_no_table(name):
    check = getattr(estimator_checks, name)
    estimator = EcgEmbedding()
    arguments = {"name": "EcgEmbedding", "estimator_orig": estimator, "estimator": estimator}
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
