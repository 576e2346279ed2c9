"""What the page of a run shows, section by section, as plain values for the template."""

from __future__ import annotations

import base64
import json
import math
from collections.abc import Mapping
from typing import Any

import numpy as np

from neurona.report import charts, images
from neurona.report.charts import Line
from neurona.report.record import Record
from neurona.report.verdict import Finding, judge

Values = dict[str, Any]

MOST_CELLS = 16
"""Classes up to which a confusion matrix is a table."""
MOST_ROWS = 30
MOST_LAYERS = 60
MOST_PICTURES = 32
MOST_CURVES = 8
SHARES = {
    "accuracy", "balanced_accuracy", "binary_accuracy", "f1", "precision", "recall", "roc_auc",
    "top_5_accuracy",
}  # fmt: skip
"""Metrics between 0 and 1 that people read in per cent."""

SPELLINGS = {"r2": "R²", "f1": "F1", "roc_auc": "ROC AUC"}


def contents(record: Record) -> Values:
    """All that the template needs."""
    findings = verdict(record)
    return {
        "name": record.name,
        "run": record.run,
        "notes": [*record.notes, *_texts(record.run.get("notes"))],
        "headline": _headline(record),
        "findings": findings,
        "curves": _curves(record),
        "answers": _answers(record),
        "mistakes": _mistakes(record),
        "first_layer": _first_layer(record),
        "maps": _maps(record),
        "parameters": _parameters(record),
        "layers": _layers(record),
        "over_time": _over_time(record),
        "timing": record.analysis.get("timing"),
        "graph": _graph(record),
        "left_out": record.analysis.get("left_out", {}),
        "part": record.analysis.get("part", ""),
        "analysis": record.analysis,
        "config": record.config,
        "settings": flatten(record.run.get("parameters", {})),
        "environment": flatten(record.run.get("environment", {})),
    }


def verdict(record: Record) -> list[Finding]:
    """The findings of a run."""
    answers = record.analysis.get("answers") or {}
    parameters = record.run.get("parameters")
    return judge(
        record.epochs,
        baseline=record.analysis.get("baseline"),
        confusion=record.arrays.get("confusion"),
        classes=answers.get("classes", ()),
        alarms=record.analysis.get("alarms") or (),
        part=str(record.analysis.get("part", "")),
        status=str(record.run.get("status", "")),
        weighted=isinstance(parameters, dict) and parameters.get("weighted") is True,
        error=str(record.run.get("error", "")),
    )


def _texts(value: Any) -> list[str]:
    return [str(one) for one in value] if isinstance(value, list) else []


# --- numbers as people read them ---


def number(value: Any) -> str:
    """A number with four significant digits; whole ones in groups of three.

    >>> number(0.123456), number(1234567), number(None), number("inf")
    ('0.1235', '1,234,567', '–', 'inf')
    """
    if value is None:
        return "–"
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        return str(value)
    if not math.isfinite(value):
        return "–" if math.isnan(value) else str(value)
    if isinstance(value, int) or (value == int(value) and abs(value) < 1e15):
        return f"{int(value):,}"
    return f"{value:,.0f}" if 1e4 <= abs(value) < 1e15 else f"{value:.4g}"


def percent(value: float) -> str:
    """A share in per cent: 0.9876 → "98.8 %"."""
    return f"{100 * value:.1f} %"


def duration(seconds: float) -> str:
    """Seconds as people say them.

    >>> duration(0.000012), duration(0.25), duration(75), duration(7260)
    ('12 µs', '250 ms', '1 min 15 s', '2 h 1 min')
    """
    if seconds < 1e-3:
        return f"{seconds * 1e6:.3g} µs"
    if seconds < 1:
        return f"{seconds * 1e3:.3g} ms"
    if seconds < 60:
        return f"{seconds:.3g} s"
    minutes, rest = divmod(round(seconds), 60)
    if minutes < 60:
        return f"{minutes} min {rest} s"
    return f"{minutes // 60} h {minutes % 60} min"


def measured(name: str, value: float | None) -> str:
    """A metric as it is read: shares in per cent."""
    if value is None or math.isnan(value):
        return "–"
    share = name.removeprefix("validation_") in SHARES
    return percent(value) if share else number(value)


def words(name: str) -> str:
    """A metric's name in words: "top_5_accuracy" → "top 5 accuracy"."""
    for short, written in SPELLINGS.items():
        if name.endswith(short):
            return words(name.removesuffix(short)) + written
    return name.replace("_", " ")


def flatten(value: Any, place: str = "") -> list[tuple[str, str]]:
    """Nested mappings as rows of (place.in.it, text)."""
    if isinstance(value, Mapping):
        return [
            row
            for key, inside in value.items()
            for row in flatten(inside, f"{place}.{key}" if place else str(key))
        ]
    text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False, default=str)
    return [(place, text)] if place else []


def visible(name: str) -> str:
    """A class with something to see where it is a space or a line end, as characters can be.

    >>> visible(" "), visible("a b")
    ('␣', 'a b')
    """
    return name if name.strip() else name.replace("\n", "⏎").replace(" ", "␣")


# --- sections ---


def saved_epoch(record: Record) -> tuple[dict[str, float], str]:
    """The values of the epoch whose weights were saved, and which that is."""
    best = (record.run.get("best") or {}).get("epoch")
    if isinstance(best, int):
        for epoch in reversed(record.epochs):
            if epoch.get("epoch") == best:
                return epoch, f"epoch {best + 1}, the saved weights"
    return (record.epochs[-1] if record.epochs else {}), "last epoch"


def _headline(record: Record) -> list[tuple[str, str, str]]:
    """(label, value, note) of the numbers that count."""
    cards = []
    row, note = saved_epoch(record)
    for name in record.metrics:
        prefix = "validation_" if f"validation_{name}" in row else ""
        if prefix + name in row:
            part = "validation " if prefix else "training "
            cards.append((part + words(name), measured(name, row[prefix + name]), note))
    scores = record.run.get("test")
    if isinstance(scores, Mapping):
        cards += [
            (f"test {words(str(k))}", measured(str(k), v), "never seen in training")
            for k, v in scores.items()
            if isinstance(v, (int, float))
        ]
    cards = cards[:6]
    cards.append(("epochs", number(len(record.epochs)), str(record.run.get("status", ""))))
    seconds = record.run.get("seconds")
    if isinstance(seconds, (int, float)):
        rates = [r for r in record.values("samples_per_second") if math.isfinite(r)]
        middle = float(np.median(rates)) if rates else None
        rate = f"{number(round(middle))} samples/s" if middle else ""
        cards.append(("time", duration(seconds), rate))
    if record.analysis:
        learnt = record.analysis.get("learnt")
        total = record.analysis.get("parameters")
        frozen = "" if learnt == total else f"{number(learnt)} of them learnt"
        cards.append(("parameters", number(total), frozen))
    return cards


def _curves(record: Record) -> list[Values]:
    """The charts over the epochs: title, svg, legend, alternative text."""
    x = [epoch.get("epoch", i) + 1 for i, epoch in enumerate(record.epochs)]
    if not x:
        return []
    best = (record.run.get("best") or {}).get("epoch")
    mark = best + 1 if isinstance(best, int) else None
    made = []
    for name in record.metrics:
        training, validation = record.values(name), record.values(f"validation_{name}")
        lines, legend = [], []
        for label, values, colour in (("training", training, 0), ("validation", validation, 1)):
            if any(map(math.isfinite, values)):
                lines.append(Line(x, values, colour, dashed=colour == 1))
                legend.append((label, colour, measured(name, values[-1])))
        if not lines:
            continue
        finite = [v for line in lines for v in line.y if math.isfinite(v)]
        log = name == "loss" and min(finite) > 0 and max(finite) > 50 * min(finite)
        ends = ", ".join(f"{label} {value}" for label, _, value in legend)
        text = f"{words(name)} over {len(x)} epochs; at the end {ends}"
        svg = charts.curves(lines, label=text, mark=mark, log=log, share=name in SHARES)
        note = "logarithmic scale" if log else ""
        made.append({"title": words(name), "svg": svg, "legend": legend, "note": note})
    for name, title, share in (
        ("learning_rate", "learning rate", False),
        ("waiting", "time spent waiting for data", True),
    ):
        values = record.values(name)
        finite = [v for v in values if math.isfinite(v)]
        if not finite:
            continue
        last = percent(finite[-1]) if share else number(finite[-1])
        if max(finite) == min(finite):
            made.append({"title": title, "constant": last})
            continue
        log = not share and min(finite) > 0 and max(finite) > 50 * min(finite)
        text = f"{title} over {len(x)} epochs, at the end {last}"
        svg = charts.curves([Line(x, values, 2)], label=text, log=log, share=share)
        made.append({"title": title, "svg": svg, "legend": [], "note": ""})
    return made


def _answers(record: Record) -> Values | None:
    answers = record.analysis.get("answers")
    if not isinstance(answers, dict):
        return None
    if "classes" in answers:
        answers = {**answers, "classes": [visible(str(one)) for one in answers["classes"]]}
    if answers.get("kind") == "regression":
        return _regression(record, answers)
    if answers.get("kind") == "labels":
        return _labels(answers)
    counts = record.arrays.get("confusion")
    classes = answers.get("classes", [])
    if counts is None or counts.shape != (len(classes), len(classes)):
        return None
    truth, said = counts.sum(axis=1), counts.sum(axis=0)
    columns = zip(classes, truth.tolist(), said.tolist(), np.diag(counts).tolist(), strict=True)
    rows = [_scores(*column) for column in columns]
    shown = rows
    if len(rows) > MOST_ROWS:
        shown = sorted((r for r in rows if r["samples"]), key=lambda r: r["f1"] or 0)[:MOST_ROWS]
    wrong = counts * ~np.eye(len(counts), dtype=bool)
    order = np.argsort(-wrong, axis=None, kind="stable")[:12]
    places = [np.unravel_index(i, wrong.shape) for i in order]
    found: Values = {
        "kind": "classification",
        "classes": classes,
        "counted": answers.get("counted"),
        "right": answers.get("right"),
        "rows": shown,
        "of": len(rows),
        "confusions": [
            (classes[i], classes[j], int(wrong[i, j]), float(wrong[i, j] / truth[i]))
            for i, j in places
            if wrong[i, j]
        ],
    }
    if len(classes) <= MOST_CELLS:
        shares = counts / np.maximum(truth[:, None], 1)
        found["cells"] = [
            (classes[i], [(int(c), float(s)) for c, s in zip(row, shares[i], strict=True)])
            for i, row in enumerate(counts)
        ]
    else:
        found["picture"] = images.data_uri(images.heat_map(counts))
    return found


def _scores(name: str, true: int, said: int, right: int) -> Values:
    """Precision, recall and F1 of a class or label; None where there is nothing to divide by."""
    return {
        "name": name,
        "samples": true,
        "precision": right / said if said else None,
        "recall": right / true if true else None,
        "f1": 2 * right / (true + said) if true + said else None,
    }


def _labels(answers: Values) -> Values:
    rows = [_scores(*row) for row in answers.get("labels", [])]
    shown = rows
    if len(rows) > MOST_ROWS:
        shown = sorted((r for r in rows if r["samples"]), key=lambda r: r["f1"] or 0)[:MOST_ROWS]
    return {**answers, "rows": shown, "of": len(rows)}


def _regression(record: Record, answers: Values) -> Values:
    predicted, true = record.arrays.get("predicted"), record.arrays.get("true")
    outputs = []
    for i, row in enumerate(answers.get("outputs", [])):
        entry = {"numbers": row}
        if predicted is not None and true is not None and np.isfinite(predicted[:, i]).all():
            which = f" of output {i + 1}" if len(answers["outputs"]) > 1 else ""
            residual = predicted[:, i].astype(np.float64) - true[:, i]
            text = f"predicted against true values{which}, {len(true)} samples"
            entry["scatter"] = charts.scatter(true[:, i], predicted[:, i], label=text)
            low, high = float(residual.min()), float(residual.max())
            if high > low:
                counts = np.histogram(residual, 40, (low, high))[0].tolist()
                text = f"histogram of predicted minus true values{which}"
                entry["residuals"] = charts.bars(
                    counts, low, high, label=text, x_label="predicted − true"
                )
        outputs.append(entry)
    return {
        "kind": "regression",
        "outputs": outputs,
        "of": answers.get("of"),
        "counted": answers.get("counted"),
    }


def _mistakes(record: Record) -> Values | None:
    found = record.analysis.get("mistakes")
    if not isinstance(found, dict):
        return None
    pictures = record.arrays.get("mistakes")
    samples = []
    for i, sample in enumerate(found.get("samples", [])[: None if found.get("pictures") else 8]):
        entry = dict(sample)
        if pictures is not None and i < len(pictures):
            entry["picture"] = images.data_uri(pictures[i])
            entry["small"] = max(pictures.shape[1:3]) < 48
        samples.append(entry)
    return {**found, "samples": samples}


def _first_layer(record: Record) -> Values | None:
    found = record.analysis.get("first_layer")
    if not isinstance(found, dict):
        return None
    if found.get("show") == "pictures":
        weights = record.arrays.get("first_layer")
        if weights is None:
            return None
        pictures = [images.data_uri(images.weight_picture(one)) for one in weights[:MOST_PICTURES]]
        shown = list(zip(found["units"], pictures, strict=False))
        return {**found, "pictures": shown, "colour": weights.ndim == 4}
    rows = found.get("features", [])
    largest = max((row[2] for row in rows), default=0) or 1
    return {
        **found,
        "rows": [(name, norm, effect, effect / largest) for name, norm, effect in rows],
    }


def _maps(record: Record) -> Values | None:
    """The samples as pictures, and for each layer a sheet of maps for each of them."""
    found, pictures = record.analysis.get("maps"), record.arrays.get("maps")
    if not isinstance(found, dict) or pictures is None:
        return None
    rows = []
    for number, layer in enumerate(found["layers"]):
        levels = record.arrays[f"maps.{number}"]
        sheets = [images.data_uri(images.map_sheet(one)) for one in levels]
        rows.append({**layer, "sheets": sheets})
    samples = zip(found["samples"], map(images.data_uri, pictures), strict=True)
    return {"rows": rows, "samples": list(samples), "small": max(pictures.shape[1:3]) < 48}


def _parameters(record: Record) -> Values | None:
    found = record.analysis.get("weights")
    if not isinstance(found, dict):
        return None
    entries = found.get("parameters", [])
    rows = [
        {
            **entry,
            "weights_path": charts.sparkline(entry["weights"]["counts"]),
            "gradients_path": charts.sparkline(entry.get("gradients", {}).get("counts", [])),
        }
        for entry in entries[:MOST_LAYERS]
    ]
    return {"rows": rows, "of": len(entries), "batch": found.get("gradients_of", {})}


def _layers(record: Record) -> Values | None:
    entries = record.analysis.get("layers")
    if not entries:
        return None
    times = [e.get("seconds") or 0 for e in entries]
    total = sum(times) or 1
    rows = [
        {
            **entry,
            "share": (entry.get("seconds") or 0) / total,
            "path_": charts.sparkline(entry.get("activations", {}).get("counts", [])),
        }
        for entry in entries[:MOST_LAYERS]
    ]
    whole = (record.analysis.get("timing") or {}).get("seconds")
    return {"rows": rows, "of": len(entries), "sum": sum(times), "whole": whole}


def _over_time(record: Record) -> list[Values]:
    """Weights, gradients, updates and dead units of the layers over the epochs."""
    if len(record.layers) < 2:
        return []
    x = [line.get("epoch", i) + 1 for i, line in enumerate(record.layers)]
    made = []
    for key, title, log in (
        ("weights", "norm of the weights", False),
        ("gradients", "norm of the gradient", True),
        ("updates", "size of a step against the weights", True),
        ("dead", "share of dead units", False),
    ):
        names = dict.fromkeys(name for line in record.layers for name in line.get(key, {}))
        chosen = _spread(list(names), MOST_CURVES)
        lines, legend = [], []
        for i, name in enumerate(chosen):
            y = [_finite(line.get(key, {}).get(name)) for line in record.layers]
            if log:
                y = [v if v > 0 else math.nan for v in y]
            if any(map(math.isfinite, y)):
                lines.append(Line(x, y, i))
                legend.append((name, i, number(y[-1])))
        if lines and any(v for line in lines for v in line.y):
            text = f"{title} of {len(lines)} layers over {len(x)} epochs"
            svg = charts.curves(lines, label=text, log=log, share=key == "dead")
            note = f"{len(chosen)} of {len(names)}" if len(names) > len(chosen) else ""
            made.append({"title": title, "svg": svg, "legend": legend, "note": note})
    return made


def _finite(value: Any) -> float:
    return float(value) if isinstance(value, (int, float)) else math.nan


def _spread(names: list[str], most: int) -> list[str]:
    """At most so many of the names, the first and the last among them."""
    if len(names) <= most:
        return names
    return [names[round(i * (len(names) - 1) / (most - 1))] for i in range(most)]


def _graph(record: Record) -> Values | None:
    found = record.analysis.get("graph")
    if not isinstance(found, dict) or not isinstance(found.get("svg"), str):
        return None
    # As an image of its own: whatever stands in the file, no script of it can run.
    content = base64.b64encode(found["svg"].encode()).decode()
    return {**found, "uri": f"data:image/svg+xml;base64,{content}"}
