"""KED against the numbers of the authors' code."""

import pytest
import torch

from anylead.interop import ked
from parity.stand_in import assert_golden, encoder_of, facts, shapes, state, watched


@pytest.fixture(scope="module")
def case(golden_encoders):
    told, z = facts(golden_encoders, "ked")
    theirs = {}
    for part, entries in told["state_dict"].items():
        names = {f"{part}.{key}": shape for key, shape in shapes(entries).items()}
        drawn = state(names, told["gains"])
        theirs[part] = {key.removeprefix(f"{part}."): value for key, value in drawn.items()}
    for part, alias, original in told["aliases"]["replace"]:
        for key in theirs[part]:
            if alias in key or key.startswith(alias):
                theirs[part][key] = theirs[part][key.replace(alias, original)]
    return theirs, z


@torch.no_grad()
def test_every_intermediate_is_the_original_one(case):
    theirs, z = case
    encoder = encoder_of(ked.read(theirs, "file"))
    stages = {f"stage{i}": encoder.stages[i] for i in range(3)}
    with watched(stem=encoder.stem, **stages) as seen:
        context = encoder(z["input"]).context
    for name, value in seen.items():
        assert_golden(value[:1, :8], z[f"{name}_b0_c0to7"], name)
    pooled_stem = torch.nn.functional.max_pool1d(seen["stem"], 3, 2, padding=1)
    assert_golden(pooled_stem[:1, :8], z["maxpool_b0_c0to7"])
    assert_golden(context.transpose(1, 2), z["features"])
    assert_golden(encoder.pool(context), z["pooled"])
    as_given = encoder_of(ked.read(theirs, "file"), window_samples=None)
    part = as_given.pool(as_given(z["input"][:, :, :777]).context)
    assert_golden(part, z["features_of_samples_0to777_mean"], "odd lengths")


@torch.no_grad()
def test_label_queries(case):
    theirs, z = case
    queries = ked.read_label_queries(theirs, "file")
    assert_golden(queries.text(z["text_pooled"]), z["text_features"])
    context = z["features"].transpose(1, 2)
    with watched(last=queries.layers[-1].norm2) as seen:
        assert_golden(queries(context, z["text_pooled"]), z["query_logits"])
    assert_golden(queries.probability(context, z["text_pooled"]), z["query_probability"])
    frames = queries.norm(context)
    attention = queries.layers[-1].multihead_attn
    _, weights = attention(seen["last"], frames, frames, need_weights=True)
    assert_golden(weights, z["last_attention"])
