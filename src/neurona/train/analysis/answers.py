"""Right and wrong answers: the confusion matrix or the residuals, and the worst mistakes."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from neurona.compiler import compile as compile_function
from neurona.core.trace import no_grad
from neurona.train import checks
from neurona.train.analysis.material import (
    LeftOut,
    Material,
    as_pictures,
    picture_layout,
    to_bytes,
)
from neurona.train.analysis.samples import VALUES, row_of

Found = dict[str, Any]
Arrays = dict[str, NDArray[Any]]

MISTAKES = 16
MOST_OUTPUTS = 4
"""Of a regression, so many outputs are drawn."""
MOST_CLASSES = 1000


@dataclass(frozen=True, slots=True)
class Answers:
    """Class numbers said and true, `(sample,)`, and the probabilities `(sample, class)`."""

    said: NDArray[np.intp]
    true: NDArray[np.intp]
    probabilities: NDArray[np.float64] | None
    classes: tuple[str, ...]


# --- what kind of task it is ---


def task_of(material: Material) -> str:
    """The kind of the targets.

    "classification", "binary" (one output), "labels" (several, each yes or no), "sequence" (a class
    at every place), "tokens" (the same with the classes last), "regression" or "other".
    """
    outputs, targets = material.outputs, material.targets
    loss = material.model.loss_name or ""
    labels = targets.dtype.kind in "biu"
    if outputs.ndim == 2 and outputs.shape[1] >= 2:
        if labels and targets.ndim == 1:
            return "classification"
        if targets.shape == outputs.shape:
            if _are_codes(targets, loss):
                return "classification"
            if loss.startswith("binary"):
                return "labels"
            named = len(material.model.classes) == outputs.shape[1]
            return "classification" if named else "regression"
        return "other"
    if loss == "token_cross_entropy" and labels and targets.shape == outputs.shape[:-1]:
        return "tokens"
    if outputs.ndim > 2 and labels and targets.shape == (len(outputs), *outputs.shape[2:]):
        return "sequence"
    if targets.shape != outputs.shape:
        return "other"
    if loss.startswith("binary") or loss == "hinge":
        return "binary" if outputs[0].size == 1 else "other"
    return "regression" if outputs.ndim <= 2 else "other"


def _are_codes(targets: NDArray[Any], loss: str) -> bool:
    """Whether each row marks one class: one high value, all others the same low one."""
    high, low = targets.max(), targets.min()
    marks = (targets == high).sum(axis=1) == 1
    rest = (targets == low).sum(axis=1) == targets.shape[1] - 1
    codes = bool((marks & rest).all()) and high > low
    return codes or loss in checks.CLASS_LOSSES


def answers_of(material: Material, task: str) -> Answers:
    """The classes said and true. Raises `LeftOut` where there are none."""
    outputs, targets, model = material.outputs, material.targets, material.model
    if task == "binary":
        flat, wanted = outputs.reshape(len(outputs)), targets.reshape(len(targets))
        if model.loss_name == "hinge":
            said, true, likely = flat > 0, wanted > 0, None
        else:
            likely = _sigmoid(flat) if model.outputs else flat
            said, true = likely > 0.5, wanted > 0.5
        both = None if likely is None else np.stack([1 - likely, likely], axis=1)
        return Answers(said.astype(np.intp), true.astype(np.intp), both, _classes(material, 2))
    if task == "classification":
        true = targets if targets.ndim == 1 else targets.argmax(axis=1)
        probabilities = _probabilities(outputs, model.outputs)
        count = outputs.shape[1]
        said = outputs.argmax(axis=1)
        return Answers(said, true.astype(np.intp), probabilities, _classes(material, count))
    if task in ("sequence", "tokens"):
        axis = 1 if task == "sequence" else outputs.ndim - 1
        said = outputs.argmax(axis=axis).reshape(-1)
        count = outputs.shape[axis]
        return Answers(said, targets.reshape(-1).astype(np.intp), None, _classes(material, count))
    raise LeftOut("the targets are no classes")


def _classes(material: Material, count: int) -> tuple[str, ...]:
    given = material.model.classes
    return given if len(given) == count else tuple(str(i) for i in range(count))


def _sigmoid(z: NDArray[np.float64]) -> NDArray[np.float64]:
    result: NDArray[np.float64] = 0.5 * (1 + np.tanh(0.5 * z))
    return result


def _probabilities(outputs: NDArray[Any], kind: str | None) -> NDArray[np.float64] | None:
    if kind == "cross_entropy":
        powers = np.exp(outputs - outputs.max(axis=1, keepdims=True))
        shares: NDArray[np.float64] = powers / powers.sum(axis=1, keepdims=True)
        return shares
    if kind == "binary_cross_entropy_with_logits":
        return _sigmoid(outputs)
    sums = outputs.sum(axis=1)
    if outputs.min() >= 0 and np.allclose(sums, 1, atol=1e-3):
        return outputs.astype(np.float64)
    return None


# --- all answers ---


def summary_of_answers(material: Material, task: str) -> tuple[Found, Arrays]:
    """The confusion matrix (true, said), or how far predictions lie from the truth."""
    if task == "regression":
        return _residuals(material)
    if task == "labels":
        return _labels(material), {}
    answers = answers_of(material, task)
    count = len(answers.classes)
    if count > MOST_CLASSES:
        raise LeftOut(f"{count} classes are too many for a table; at most {MOST_CLASSES}")
    known = (answers.true >= 0) & (answers.true < count)
    places = answers.true[known] * count + answers.said[known]
    confusion = np.bincount(places, minlength=count * count).reshape(count, count)
    found = {
        "kind": "classification",
        "classes": list(answers.classes),
        "counted": int(known.sum()),
        "right": int(np.trace(confusion)),
    }
    return found, {"confusion": confusion.astype(np.int64)}


def _labels(material: Material) -> Found:
    """How often each label is said and true; a label is said from a probability of ½ on."""
    said = material.outputs > (0 if material.model.outputs else 0.5)
    true = material.targets > 0.5
    names = _classes(material, said.shape[1])
    rows = [
        [name, int(true[:, k].sum()), int(said[:, k].sum()), int((said & true)[:, k].sum())]
        for k, name in enumerate(names)
    ]
    return {
        "kind": "labels",
        "labels": rows,
        "counted": int(said.size),
        "right": int((said == true).sum()),
    }


def _residuals(material: Material) -> tuple[Found, Arrays]:
    count = len(material.outputs)
    predicted = material.predicted.reshape(count, -1)
    true = material.samples.targets.reshape(count, -1).astype(np.float64)
    rows = []
    for i in range(min(MOST_OUTPUTS, true.shape[1])):
        error = predicted[:, i] - true[:, i]
        spread = float(((true[:, i] - true[:, i].mean()) ** 2).mean())
        square = float((error**2).mean())
        rows.append(
            {
                "rmse": square**0.5,
                "mae": float(np.abs(error).mean()),
                "bias": float(error.mean()),
                "r2": 1 - square / spread if spread > 0 else None,
            }
        )
    found = {"kind": "regression", "outputs": rows, "of": true.shape[1], "counted": count}
    shown = slice(0, len(rows))
    return found, {
        "predicted": predicted[:, shown].astype(np.float32),
        "true": true[:, shown].astype(np.float32),
    }


def baseline_of(material: Material, task: str) -> Found:
    """What one gets without looking at the inputs: the best constant answer on these samples."""
    loss = material.model.loss_name
    if task in ("classification", "binary", "sequence", "tokens"):
        answers = answers_of(material, task)
        true = answers.true[(answers.true >= 0) & (answers.true < len(answers.classes))]
        if not len(true):
            raise LeftOut("no sample has a class")
        shares = np.bincount(true, minlength=len(answers.classes)) / len(true)
        entropy = float(-(shares[shares > 0] * np.log(shares[shares > 0])).sum())
        sure = loss in checks.CLASS_LOSSES or task == "binary"
        return {
            "kind": "commonest token" if task == "tokens" else "commonest class",
            "class": answers.classes[int(shares.argmax())],
            "accuracy": float(shares.max()),
            "classes": int((shares > 0).sum()),
            "loss": entropy if sure and loss != "hinge" else _constant_loss(material, loss),
        }
    if task == "regression":
        return {"kind": "mean", "loss": _constant_loss(material, loss)}
    raise LeftOut("there is no simple guess for targets of this kind")


def _constant_loss(material: Material, loss: str | None) -> float | None:
    """The loss of always answering with the mean (the median for the absolute error)."""
    targets = material.targets.astype(np.float64)
    if targets.shape != material.outputs.shape:
        return None
    if loss == "mean_squared_error":
        return float(targets.var(axis=0).mean())
    if loss == "quadratic_cost":
        return float(targets.reshape(len(targets), -1).var(axis=0).sum() / 2)
    if loss == "mean_absolute_error":
        return float(np.abs(targets - np.median(targets, axis=0)).mean())
    return None


# --- the worst ones ---


def losses_of(material: Material) -> NDArray[np.float64]:
    """The loss of each sample by itself."""
    loss = material.loss
    dtype = checks.dtype_of(material.network)
    outputs = material.outputs.astype(dtype)
    targets = material.targets
    step = compile_function(lambda output, target: loss(output, target))
    with no_grad():
        values = [step(outputs[i : i + 1], targets[i : i + 1]).item() for i in range(len(outputs))]
    return np.asarray(values, np.float64)


def worst_mistakes(material: Material, task: str) -> tuple[Found, Arrays]:
    """The samples of the largest loss, wrong answers first."""
    losses = losses_of(material)
    answers = answers_of(material, task) if task in ("classification", "binary") else None
    ranks = np.where(np.isnan(losses), -np.inf, losses)
    wrong = np.zeros(len(losses), bool)
    if answers is not None:
        known = (answers.true >= 0) & (answers.true < len(answers.classes))
        ranks = np.where(known, ranks, -np.inf)
        wrong = known & (answers.said != answers.true)
    order = np.lexsort((np.arange(len(ranks)), -ranks, ~wrong))
    order = order[np.isfinite(ranks[order]) | (ranks[order] == np.inf)][:MISTAKES]
    layout = picture_layout(material.raw.shape[1:])
    if material.raw.dtype.kind not in "buf" and layout != "HWC":
        layout = None  # whole numbers are rather codes of words than shades
    found: Found = {
        "wrong": int(wrong.sum()) if answers is not None else None,
        "samples": [_mistake(material, task, answers, int(i), losses, layout) for i in order],
        "mean_loss": float(np.nanmean(losses)) if not np.isnan(losses).all() else math.nan,
        "pictures": layout is not None,
    }
    if layout is None:
        return found, {}
    pictures = as_pictures(material.raw[order], layout)
    low, high = float(material.raw.min()), float(material.raw.max())
    return found, {"mistakes": to_bytes(pictures, min(low, 0.0), high)}


def _mistake(
    material: Material,
    task: str,
    answers: Answers | None,
    i: int,
    losses: NDArray[np.float64],
    layout: str | None,
) -> Found:
    samples = material.samples
    entry: Found = {"index": int(samples.indices[i]), "loss": float(losses[i])}
    if samples.names:
        entry["name"] = samples.names[i]
    if answers is not None:
        said, true = int(answers.said[i]), int(answers.true[i])
        entry |= {"true": answers.classes[true], "said": answers.classes[said]}
        entry["right"] = said == true
        if answers.probabilities is not None:
            row = answers.probabilities[i]
            likely = [int(k) for k in np.argsort(-row, kind="stable")[:3]]
            if true not in likely:
                likely[-1] = true
            entry["probabilities"] = [[answers.classes[k], float(row[k])] for k in likely]
    elif material.outputs[i].size <= VALUES:
        entry["true"] = [float(v) for v in np.ravel(material.samples.targets[i])]
        entry["said"] = [float(v) for v in np.ravel(material.predicted[i])]
    if task == "tokens" and material.model.classes and samples.raw.ndim == 2:
        entry["text"] = text_of(material.model.classes, samples.raw[i], samples.targets[i])
    elif layout is None:
        entry["row"], entry["row_of"] = row_of(material.model, samples, i)
    return entry


def text_of(classes: Sequence[str], tokens: NDArray[Any], targets: NDArray[Any]) -> str:
    """What was read, up to the last token that counts; words with a space between them.

    >>> text_of(("a", "b"), np.array([0, 1, 0]), np.array([1, 1, -100]))
    'ab'
    """
    counted = np.flatnonzero(targets >= 0)
    read = tokens[: counted[-1] + 1] if len(counted) else tokens
    between = "" if max(map(len, classes)) == 1 else " "
    return between.join(classes[token] for token in read)
