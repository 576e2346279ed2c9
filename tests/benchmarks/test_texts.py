"""Generation and steps in time: every framework answers what float64 says."""

import numpy as np
import pytest

from benchmarks import generation
from benchmarks.check import MismatchError, compare_values
from benchmarks.networks.gpt import Sizes
from benchmarks.networks.stepping import stepping

SMALL = Sizes(layers=1, heads=2, features=16, context=24)
FRAMEWORKS = {"neurona": "neurona", "torch": "torch", "onnxruntime": "onnx"}


@pytest.mark.parametrize("build", ["neurona", "torch"])
def test_frameworks_generate_what_is_most_probable(build: str) -> None:
    pytest.importorskip(build)
    operation = generation.generation_of(SMALL)
    inputs = operation.inputs(0)
    expected = operation.expect(inputs)
    assert expected[0].value.shape == (operation.tokens,) == (24 - generation.PROMPT,)
    call = operation.builds[build](inputs, {"threads": 1})
    with call.scope():
        results = [call.run(i) for i in range(operation.checked_calls)]
    assert compare_values(call.arrays(results[1]), expected) == 0
    with pytest.raises(MismatchError):
        compare_values(call.arrays(results[0]), expected)  # another prompt's


def test_no_two_symbols_of_the_generation_are_close_to_each_other() -> None:
    """So that roundings in float32 do not change which is the most probable."""
    (operation,) = generation.SOURCE.operations
    inputs = operation.inputs(0)
    prompts, weights = generation.split(inputs, generation.SIZES)
    weights = {name: value.astype(np.float64) for name, value in weights.items()}
    symbols = [*prompts[1], *operation.expect(inputs)[0].value]
    assert len(set(symbols)) > 10
    for end in range(generation.PROMPT, len(symbols), 9):
        scores = generation.scores_of(generation.SIZES, weights, np.array(symbols[:end]))
        second, first = np.sort(scores)[-2:]
        assert scores.argmax() == symbols[end]
        assert first - second > 1e-4 * np.abs(scores).max()


@pytest.mark.parametrize("build", FRAMEWORKS)
def test_frameworks_keep_the_state_of_a_step(build: str) -> None:
    if build == "onnxruntime":
        pytest.importorskip("onnxruntime")
    pytest.importorskip(FRAMEWORKS[build])
    operation = stepping("any", features=12, layers=2).at_batch(2)
    inputs = operation.inputs(0)
    expected = operation.expect(inputs)
    rough = [array.astype(np.float16).astype(np.float32) for array in inputs]
    variants = [variant.options for variant in operation.variants.get(build, ())] or [{}]
    for options in variants:
        for given in (inputs, rough) if build == "torch" else (inputs,):
            call = operation.builds[build](given, {"threads": 1, **options})
            with call.scope():
                for i in range(operation.checked_calls):
                    result = call.run(i)
            if given is inputs:
                assert compare_values([result], expected) <= 1
            else:
                with pytest.raises(MismatchError, match="times as far"):
                    compare_values([result], expected)
