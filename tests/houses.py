"""A small regression on large numbers, as a table and a configuration."""

from __future__ import annotations

from pathlib import Path

import numpy as np

HOUSES = """
[data]
file = "houses.csv"
target = "price"

[network]
layers = [
    { layer = "Linear", out_features = 32 },
    { layer = "ReLU" },
    { layer = "Linear" },
]

[training]
epochs = 40
batch_size = 16
metrics = ["r2", "mean_absolute_error"]
"""


def write_houses(folder: Path, rows: int = 600) -> None:
    """Prices of 250,000 ± 80,000 by a formula, with noise of 20,000."""
    rng = np.random.default_rng(0)
    area, age = rng.uniform(40, 160, rows), rng.uniform(0, 60, rows)
    town = rng.choice(["Ampel", "Birk", "Cronau"], rows)
    worth = np.select([town == "Ampel", town == "Birk"], [1.0, 1.3], 0.8)
    price = 2_300 * area * worth * (1 - age / 200) + 50_000 + rng.normal(0, 20_000, rows)
    lines = ["area,age,town,price"]
    rows_of = zip(area, age, town, price, strict=True)
    lines += [f"{a:.0f},{b:.0f},{c},{p:.0f}" for a, b, c, p in rows_of]
    (folder / "houses.csv").write_text("\n".join(lines) + "\n", encoding="utf-8")
    (folder / "houses.toml").write_text(HOUSES, encoding="utf-8")
