"""A plain verdict on a run: sentences with the numbers that led to them and the rule behind.

The rules look at the curves of metrics.jsonl and at what `train.analysis` found. They are rules of
thumb: each threshold is a constant here, with its reason.
"""

from __future__ import annotations

import math
import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray

FEW = 4
"""Epochs below which curves say little."""
RISE = 0.10
"""Validation loss against its least: smaller rises are within what one batch more or less does."""
SHARE = 0.01
"""Of the loss of guessing: rises smaller than that change hardly any answer."""
GAP = 0.10
"""Validation minus training loss, against the loss of guessing."""
METRIC_GAP = 0.05
"""Five points of accuracy between the parts, where the loss of guessing is not known."""
LITTLE = 0.3
"""Share of the loss of guessing that is gone. Data on people often leave more than half of it for
good; below this, a network that can do more is the better guess."""
NOTHING = 0.02
SLOW = 0.3
"""A well chosen rate takes far more than this share off the loss of the first epoch."""
STILL = 0.02
"""Fall over the last fifth of the run that makes it worth going on."""
ZIGZAG, ZIGZAGS = 0.05, 0.3
"""Rises of the training loss by 5 % in three of ten epochs: steps jump over the valley."""
LEAK = 0.5
"""Validation loss against training loss; dropout and the epoch's mean explain somewhat less."""
WAITING = 0.2
UNEQUAL = 3.0
"""The commonest class against the rarest."""
CHANCE = 4.0
"""Standard deviations (√n) between the two that chance alone hardly makes."""
RECALL = 0.5

LEVELS = ("problem", "warning", "good", "note")
"""The worst first; that all is well comes before what else is worth knowing."""


@dataclass(frozen=True, slots=True)
class Finding:
    """kind: a short name. level: of LEVELS. title, text: for people. rule: what was compared."""

    kind: str
    level: str
    title: str
    text: str
    rule: str


def judge(
    epochs: Sequence[Mapping[str, float]],
    *,
    baseline: Mapping[str, Any] | None = None,
    confusion: NDArray[Any] | None = None,
    classes: Sequence[str] = (),
    alarms: Sequence[Mapping[str, str]] = (),
    part: str = "",
    status: str = "finished",
    weighted: bool = False,
    error: str = "",
) -> list[Finding]:
    """What there is to say about a run, the worst first.

    - `epochs`: one mapping an epoch with "loss" and, where there is one, "validation_loss",
      metrics and "waiting".
    - `baseline`: "loss" and "accuracy" of the best guess that does not look at the inputs.
    - `confusion`: counts (true, said) of `classes`. `alarms`: of `train.analysis`.
    - `part`: what the samples of `confusion` are called, as in "validation".
    - `weighted`: whether samples counted differently in the training loss, which then is no measure
      for the validation loss or that of guessing.
    - `status`, `error`: how the run ended, as run.json tells it.

    >>> falling = [{"loss": 1 / e, "validation_loss": 0.5 + 0.1 * e} for e in range(1, 9)]
    >>> for finding in judge(falling):
    ...     print(finding.level, finding.title)
    warning Overfitting since epoch 2
    """
    curves = Curves(epochs, baseline or {}, status, weighted)
    found = [*_of_curves(curves), *_of_guessing(curves, confusion, classes, part)]
    found += _alarms(alarms)
    if status == "failed":
        rule = "an error ended the run"
        found.append(Finding("failed", "problem", "The run failed", error or "No reason.", rule))
    waiting = [e["waiting"] for e in epochs if math.isfinite(e.get("waiting", math.nan))]
    if waiting and statistics.fmean(waiting) > WAITING:
        found.append(
            Finding(
                "waiting",
                "note",
                "Training waits for data",
                f"{_share(statistics.fmean(waiting))} of the time went into waiting for batches; "
                "more workers or a simpler transformation would make the run shorter.",
                f"waiting above {_share(WAITING)} of the time",
            )
        )
    if curves.n and not any(f.level in ("problem", "warning") for f in found):
        found.insert(0, _good(curves))
    return sorted(found, key=lambda f: LEVELS.index(f.level))


def _alarms(alarms: Sequence[Mapping[str, str]]) -> list[Finding]:
    """One finding for all alarms of a kind."""
    kinds = dict.fromkeys(str(alarm.get("kind")) for alarm in alarms)
    found = []
    for kind in kinds:
        same = [alarm for alarm in alarms if str(alarm.get("kind")) == kind]
        text = " ".join(str(alarm.get("text")) for alarm in same[:2])
        if len(same) > 2:
            names = [str(alarm.get("layer")) for alarm in same[2:]]
            more = f", … ({len(names)} in all)" if len(names) > 6 else ""
            text += f" The same holds for {', '.join(names[:6])}{more}."
        title = _ALARMS.get(kind, "Alarm")
        found.append(Finding(kind, "warning", title, text, str(same[0].get("rule"))))
    return found


_ALARMS = {
    "vanishing": "Vanishing gradient",
    "exploding": "Exploding gradient",
    "dead": "Dead units",
    "saturated": "Saturated units",
}


class Curves:
    """The losses of a run, with what is asked of them again and again.

    training, validation: a number an epoch; validation is empty where nothing is validated.
    guessing: the loss of the best constant answer, or None.
    """

    def __init__(
        self,
        epochs: Sequence[Mapping[str, float]],
        baseline: Mapping[str, Any],
        status: str,
        weighted: bool = False,
    ) -> None:
        self.epochs = epochs
        self.n = len(epochs)
        self.training = [e.get("loss", math.nan) for e in epochs]
        validation = [e.get("validation_loss", math.nan) for e in epochs]
        self.validation = validation if any(map(math.isfinite, validation)) else []
        guess = baseline.get("loss")
        known = isinstance(guess, (int, float)) and math.isfinite(guess) and guess > 0
        known = known and (bool(self.validation) or not weighted)
        self.guessing: float | None = float(guess) if known and guess is not None else None
        self.baseline = baseline
        self.status = status
        self.weighted = weighted

    @property
    def judged(self) -> list[float]:
        """The loss that counts: of the validation part if there is one."""
        return self.validation or self.training

    @property
    def best(self) -> int:
        """The epoch of the least validation loss, or training loss."""
        losses = [v if math.isfinite(v) else math.inf for v in self.judged]
        return losses.index(min(losses))

    def last(self, losses: Sequence[float]) -> float:
        """The loss at the end: the median of up to three epochs, so that one outlier is none."""
        return statistics.median(losses[-min(3, max(1, self.n // FEW)) :])

    @property
    def finite(self) -> bool:
        """Whether every loss is a number."""
        return all(map(math.isfinite, [*self.training, *self.validation]))

    @property
    def learnt(self) -> float | None:
        """The share of the loss of guessing that is gone, on the better of the comparable parts."""
        if self.guessing is None:
            return None
        comparable = (self.validation,) if self.weighted else (self.training, self.validation)
        parts = [self.last(part) for part in comparable if part]
        return 1 - min(parts) / self.guessing

    def metric(self, name: str, part: str = "") -> float | None:
        """The last value of a metric, or None."""
        value = self.epochs[-1].get(f"{part}{name}", math.nan) if self.n else math.nan
        return value if math.isfinite(value) else None


def _of_curves(c: Curves) -> list[Finding]:
    if not c.n:
        text = f"No epoch was finished (the run is noted as {c.status}), so there are no curves."
        return [Finding("empty", "problem", "Nothing was learnt", text, "at least one epoch")]
    if not c.finite or _diverged(c):
        return [_divergence(c)]
    found = []
    if c.n < FEW:
        text = f"The run has {c.n} epochs; trends show from {FEW} on."
        found.append(Finding("short", "note", "Too few epochs to judge the curves", text,
                             f"at least {FEW} epochs"))  # fmt: skip
    if not c.validation:
        text = "Without a validation part nobody can see whether the network learns by heart."
        found.append(Finding("unvalidated", "note", "Overfitting cannot be judged", text,
                             "a validation loss is needed"))  # fmt: skip
    rules = (_unstable, _overfitting, _leaking, _underfitting, _slow, _improving)
    return found + [finding for rule in rules if (finding := rule(c)) is not None]


def _diverged(c: Curves) -> bool:
    last, first = c.last(c.training), c.training[0]
    return c.n >= 2 and last > first and last > 1.5 * min(c.training)


def _divergence(c: Curves) -> Finding:
    lost = next((i for i, v in enumerate(c.training) if not math.isfinite(v)), None)
    if lost is not None:
        text = f"The loss of epoch {lost + 1} is {c.training[lost]}."
    elif not c.finite:
        text = "The validation loss is not finite."
    else:
        text = (
            f"The training loss went from {_number(c.training[0])} in the first epoch to "
            f"{_number(c.last(c.training))}; its least was {_number(min(c.training))}."
        )
    return Finding(
        "diverged",
        "problem",
        "Training diverged",
        f"{text} The learning rate is too large: try a tenth of it, or clip the gradients.",
        "a loss that is not finite, or ends above its first and 1.5 times its least value",
    )


def _unstable(c: Curves) -> Finding | None:
    rises = [b > a * (1 + ZIGZAG) for a, b in pairwise(c.training)]
    if c.n < 6 or sum(rises) < ZIGZAGS * len(rises):
        return None
    return Finding(
        "unstable",
        "warning",
        "Training is unstable",
        f"The training loss rose by more than {_share(ZIGZAG)} in {sum(rises)} of {len(rises)} "
        "epochs. A smaller learning rate, a larger batch or clipped gradients calm it.",
        f"rises above {_share(ZIGZAG)} in {_share(ZIGZAGS)} of the epochs",
    )


def _overfitting(c: Curves) -> Finding | None:
    if not c.validation or c.n < 2:
        return None
    best, end = c.best, c.last(c.validation)
    least, train_end = c.validation[best], c.last(c.training)
    rise, scale = end - least, c.guessing or 0.0
    late = c.n - 1 - best >= max(2, c.n // 10)
    if late and rise > max(RISE * abs(least), SHARE * scale) and train_end < c.training[best]:
        return Finding(
            "overfitting",
            "warning",
            f"Overfitting since epoch {best + 2}",
            f"The validation loss was least in epoch {best + 1} ({_number(least)}) and rose to "
            f"{_number(end)} by epoch {c.n}, while the training loss fell from "
            f"{_number(c.training[best])} to {_number(train_end)}{_metric_gap(c)}. The network "
            "learns its training samples by heart. More data, augmentation, dropout, weight "
            "decay or early stopping help.",
            f"validation loss more than {_share(RISE)} above its least, at least two epochs later, "
            "while the training loss falls",
        )
    gap = end - train_end
    accuracies = c.metric("accuracy"), c.metric("accuracy", "validation_")
    if c.guessing is not None and not c.weighted:
        wide, rule = gap > GAP * c.guessing, f"gap above {_share(GAP)} of the loss of guessing"
    elif None not in accuracies:
        wide = (accuracies[0] or 0) - (accuracies[1] or 0) > METRIC_GAP
        rule = f"accuracy of training more than {_share(METRIC_GAP)} above that of validation"
    else:
        wide, rule = (
            end > 2 * train_end > 0 and not c.weighted,
            "validation loss above twice the training loss",
        )
    little = c.learnt is not None and c.learnt < LITTLE
    if not wide or little or c.n < FEW:
        return None
    return Finding(
        "gap",
        "warning",
        "Better on the training part than on new data",
        f"At the end the training loss is {_number(train_end)}, the validation loss {_number(end)}"
        f"{_metric_gap(c)}: mild overfitting, since the validation loss does not rise. More data "
        "or regularisation would narrow the gap.",
        rule,
    )


def _metric_gap(c: Curves) -> str:
    training, validation = c.metric("accuracy"), c.metric("accuracy", "validation_")
    if training is None or validation is None:
        return ""
    return f" (accuracy {_percent(training)} and {_percent(validation)})"


def _leaking(c: Curves) -> Finding | None:
    if not c.validation or c.n < FEW or c.weighted:
        return None
    training, validation = c.last(c.training), c.last(c.validation)
    if not 0 < validation < LEAK * training or training < SHARE * (c.guessing or 0):
        return None
    return Finding(
        "leakage",
        "warning",
        "Validation is suspiciously better than training",
        f"The validation loss ({_number(validation)}) is below half of the training loss "
        f"({_number(training)}). Strong dropout or augmentation may be why. If there is none, look "
        "for leakage: the same samples in both parts, or a column that gives the answer away.",
        f"validation loss below {_share(LEAK)} of the training loss",
    )


def _underfitting(c: Curves) -> Finding | None:
    learnt = c.learnt
    if c.n < FEW:
        return None
    if learnt is not None and c.guessing is not None:
        if learnt >= LITTLE:
            return None
        reached = c.guessing * (1 - learnt)
        facts = (
            f"Guessing without looking at the inputs gives a loss of {_number(c.guessing)}; the "
            f"network reached {_number(reached)}, so {_share(max(learnt, 0))} of it is gone"
        )
        rule = f"less than {_share(LITTLE)} of the loss of guessing is gone, on either part"
    else:
        accuracy, guess = c.metric("accuracy"), c.baseline.get("accuracy")
        if accuracy is None or guess is None or accuracy >= guess + LITTLE * (1 - guess):
            return None
        learnt = (accuracy - guess) / max(1 - guess, 1e-9)
        facts = f"The training accuracy is {_percent(accuracy)}, that of guessing {_percent(guess)}"
        rule = f"training accuracy less than {_share(LITTLE)} of the way from guessing to 100 %"
    nothing = learnt < NOTHING
    advice = (
        "Check that inputs and targets belong together and are scaled; try other learning rates."
        if nothing
        else "A larger network, more epochs, another learning rate or better inputs may help; or "
        "the inputs do not tell more."
    )
    return Finding(
        "underfitting",
        "problem" if nothing else "warning",
        "The network has learnt next to nothing" if nothing else "Underfitting",
        f"{facts}, on the training part too. {advice}",
        rule,
    )


def _slow(c: Curves) -> Finding | None:
    losses = c.training
    if c.n < FEW + 1 or not losses[0] > 0 or (c.learnt is not None and c.learnt >= LITTLE):
        return None
    falls = [a - b for a, b in pairwise(losses)]
    half = len(falls) // 2
    steady = sum(f > 0 for f in falls) >= 0.8 * len(falls)
    straight = sum(falls[half:]) / (len(falls) - half) > 0.5 * sum(falls[:half]) / half
    fall = (losses[0] - losses[-1]) / losses[0]
    if not steady or not straight or not 0 < fall < SLOW:
        return None
    return Finding(
        "slow",
        "warning",
        "The learning rate looks too small",
        f"The training loss falls steadily, almost on a straight line, but only by "
        f"{_percent(fall)} in {c.n} epochs ({_number(losses[0])} to {_number(losses[-1])}). Try a "
        "rate 3 to 10 times as large.",
        f"falls in 8 of 10 epochs, no slower in the second half, by less than {_share(SLOW)}",
    )


def _improving(c: Curves) -> Finding | None:
    losses = c.judged
    if c.n < FEW or c.best < c.n - 1 - c.n // 20:
        return None
    back = max(2, c.n // 5)
    before, now = losses[-1 - back], losses[-1]
    fall = (before - now) / abs(before) if before else 0.0
    # What is left to gain counts too: a loss near 0 falls by shares for ever.
    if fall < STILL or (c.guessing is not None and before - now < SHARE / 2 * c.guessing):
        return None
    part = "validation" if c.validation else "training"
    return Finding(
        "improving",
        "note",
        "Still improving: train longer",
        f"The {part} loss fell by {_percent(fall)} in the last {back} epochs, to {_number(now)}, "
        "and was never lower than at the end. More epochs are likely to make the network better.",
        f"least {part} loss at the end, {_share(STILL)} or more below that a fifth of the run ago",
    )


def _good(c: Curves) -> Finding:
    text = f"The training loss fell from {_number(c.training[0])} to {_number(c.training[-1])}"
    if c.validation:
        text += f", the validation loss ends at {_number(c.validation[-1])}{_metric_gap(c)}"
    if c.learnt is not None:
        text += f"; {_share(c.learnt)} of the loss of guessing is gone"
    return Finding(
        "good",
        "good",
        "A good fit" if c.validation and c.n >= FEW else "Nothing suspicious",
        f"{text}. No sign of underfitting, overfitting or instability.",
        "none of the other rules holds",
    )


def _of_guessing(
    c: Curves, confusion: NDArray[Any] | None, classes: Sequence[str], part: str
) -> list[Finding]:
    """The score against an answer that does not look at the inputs, and rare classes."""
    found = []
    guess = c.baseline.get("accuracy")
    if confusion is not None and confusion.sum() and guess is not None:
        count, right = int(confusion.sum()), int(np.trace(confusion))
        accuracy, spread = right / count, 2 * math.sqrt(guess * (1 - guess) / count)
        always = f"always answering {c.baseline.get('class')!r}"
        where = f" on the {part} part" if part else ""
        text = f"{_percent(accuracy)} of {count:,} answers{where} are right; "
        text += f"{always} gives {_percent(guess)}."
        if accuracy <= guess + spread:
            rule = "accuracy within two standard errors of that of the commonest class"
            found.append(Finding("guessing", "problem", "No better than guessing", text, rule))
        else:
            rule = "accuracy more than two standard errors above that of the commonest class"
            found.append(Finding("guessing", "note", "Better than guessing", text, rule))
        if c.baseline.get("kind") != "commonest token":
            found += _imbalance(confusion, classes)
    elif c.guessing is not None and c.n and c.finite:
        end = c.last(c.judged)
        if end >= (1 - NOTHING) * c.guessing:
            text = f"The loss is {_number(end)}; always answering the mean gives "
            text += f"{_number(c.guessing)}."
            found.append(Finding("guessing", "problem", "No better than guessing", text,
                                 f"loss within {_share(NOTHING)} of that of the mean"))  # fmt: skip
    return found


def _imbalance(confusion: NDArray[Any], classes: Sequence[str]) -> list[Finding]:
    counts = confusion.sum(axis=1)
    present = np.flatnonzero(counts)
    if len(present) < 2:
        return []
    least, largest = int(counts[present].min()), int(counts.max())
    if largest < UNEQUAL * least or largest - least < CHANCE * math.sqrt(largest):
        return []
    recall = np.diag(confusion)[present] / counts[present]
    missed = present[recall < RECALL]
    text = (
        f"{_name(classes, int(counts.argmax()))} has {largest:,} samples, "
        f"{_name(classes, int(present[counts[present].argmin()]))} only "
        f"{least:,}, so accuracy says little about the rare ones."
    )
    rule = f"the commonest class has {UNEQUAL:g} times the samples of the rarest, or more"
    if not len(missed):
        text += f" All classes are found in {_share(RECALL)} of the cases or more."
        return [Finding("imbalance", "note", "Classes of unequal size", text, rule)]
    worst = sorted(missed, key=lambda k: confusion[k, k] / counts[k])[:3]
    named = ", ".join(
        f"{_name(classes, int(k))} ({_share(confusion[k, k] / counts[k])})" for k in worst
    )
    text += f" Fewer than half are found of {len(missed)} classes: {named}. Class weights help."
    rule += f"; classes found in less than {_share(RECALL)} of the cases"
    return [Finding("imbalance", "warning", "Rare classes are missed", text, rule)]


def _name(classes: Sequence[str], k: int) -> str:
    return repr(classes[k]) if k < len(classes) else f"class {k}"


def _percent(share: float) -> str:
    return f"{100 * share:.1f} %"


def _share(share: float) -> str:
    return f"{100 * share:.0f} %"


def _number(value: float) -> str:
    return f"{value:.4g}"
