"""What comes next in a series: tomorrow's demand, hour by hour, and tomorrow's price.

`demand` makes three years of a town's demand for electricity: hours of the day and of the week,
heating in the cold and cooling in the heat, weather that lasts some days, and noise. An LSTM reads
three days, knows the hour of the day and of the week, and foretells the next day at once. Beside it
stand the values of a week ago, and linear regression on a whole week and the hour of the week.

`prices` are real: Google's from 2004 to 2008, which come with Matplotlib. Nothing here foretells
them better than "as today".

python examples/forecasting.py [PICTURE.png]
"""

from __future__ import annotations

import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

import neurona as ne
from neurona import data, models, optim, train

Floats = NDArray[np.float64]
DAY, WEEK = 24, 168


@dataclass(frozen=True, kw_only=True)
class Config:
    """stride: hours between the weeks to learn from. memory: the hours of a week that the LSTM
    reads. test: the share of the series, its end.

    The stride has no factor in common with 24, so that weeks begin at all hours of the day.
    """

    hours: int = 3 * 365 * DAY
    stride: int = 5
    memory: int = 3 * DAY
    test: float = 0.25
    hidden_size: int = 64
    batch_size: int = 32
    epochs: int = 25
    learning_rate: float = 0.005
    seeds: tuple[int, ...] = (0, 1, 2)


# --- the series ---


def demand(hours: int, generator: np.random.Generator) -> tuple[Floats, Floats]:
    """The demand of each hour in megawatts and the temperature in °C, `(hour,)` both.

    demand = level · profile(hour of the day, day of the week) · (1 + noise)
             + 1.5 · max(0, 15 − T) + 3 · max(0, T − 22)

    A year has its seasons in T, a day its afternoon; what is left of T and the noise of the demand
    are autoregressive, with half-lives of 35 and 3.1 hours.
    """
    hour = np.arange(hours)
    of_day, day = hour % DAY, hour // DAY
    weather = _lasting(3.0, 0.98, hours, generator)
    year = 12 - 10 * np.cos(2 * np.pi * hour / (365 * DAY))
    temperature = year + 4 * np.sin(2 * np.pi * (of_day - 9) / DAY) + weather
    weekend = day % 7 >= 5
    morning = np.exp(-(((of_day - 8.5) / 2) ** 2)) * np.where(weekend, 0.3, 1.0)
    evening = np.exp(-(((of_day - 20) / 3) ** 2))
    profile = 0.6 + 0.35 * morning + 0.45 * evening - 0.1 * weekend
    heating, cooling = np.maximum(0, 15 - temperature), np.maximum(0, temperature - 22)
    noise = _lasting(0.03, 0.8, hours, generator)
    return 100 * profile * (1 + noise) + 1.5 * heating + 3 * cooling, temperature


def _lasting(deviation: float, kept: float, hours: int, generator: np.random.Generator) -> Floats:
    """x_t = kept · x_{t-1} + ε_t, with a standard deviation of `deviation` in the long run."""
    shocks = generator.normal(0, deviation * np.sqrt(1 - kept**2), hours)
    values = np.zeros(hours)
    for t in range(1, hours):
        values[t] = kept * values[t - 1] + shocks[t]
    return values


def prices() -> Floats:
    """Google's price at the close of each of 1,047 days, adjusted, `(day,)`."""
    from matplotlib.cbook import get_sample_data

    table: Any = get_sample_data("goog.npz")["price_data"]  # type: ignore[no-untyped-call]
    return np.asarray(table["adj_close"], np.float64)


# --- samples: what is known, and what follows ---


def windows(
    features: Floats, series: Floats, length: int, horizon: int, stride: int = 1
) -> tuple[Floats, Floats]:
    """The steps known (sample, length, features), and the values that follow (sample, horizon)."""
    starts = np.arange(0, len(series) - length - horizon + 1, stride)
    known = features[starts[:, None] + np.arange(length)]
    return known, series[starts[:, None] + length + np.arange(horizon)]


def regression(x: Floats, y: Floats, test: Floats, ridge: float = 1.0) -> Floats:
    """Linear regression of y on x by least squares, and what it says of `test`."""
    mean, scale = x.mean(axis=0), x.std(axis=0) + 1e-9
    z = np.column_stack([(x - mean) / scale, np.ones(len(x))])
    weights = np.linalg.solve(z.T @ z + ridge * np.eye(z.shape[1]), z.T @ y)
    return np.asarray(np.column_stack([(test - mean) / scale, np.ones(len(test))]) @ weights)


def learn(x: Floats, y: Floats, seed: int, config: Config) -> train.Model:
    """An LSTM that has learnt to continue x (sample, time, features) with y (sample, horizon)."""
    ne.random.seed(seed)
    network = models.Forecaster(x.shape[2], y.shape[1], hidden_size=config.hidden_size)
    model = train.Model(
        network,
        preprocessing=data.Standardizer.fit(x, axis=(0, 1)),
        target_scaling=data.Standardizer.fit(y, axis=(0, 1)),
    )
    model.compile(
        optim.Adam(network.parameters(), config.learning_rate),
        "mean_squared_error",
        schedule=optim.schedules.OneCycle(epochs=config.epochs),
        clip_norm=1.0,
    )
    model.fit(x, y, epochs=config.epochs, batch_size=config.batch_size, seed=seed, verbose=False)
    return model


def error(foretold: Floats, y: Floats) -> float:
    """The mean absolute error."""
    return float(np.abs(foretold - y).mean())


def clock(hours: int) -> Floats:
    """Where each hour lies in the day and in the week, (hour, 4): a place on two circles."""
    angles = 2 * np.pi * np.arange(hours)[:, None] / np.array([DAY, WEEK])
    return np.concatenate([np.sin(angles), np.cos(angles)], axis=1)


def foretell_demand(picture: str | None, config: Config) -> dict[str, list[float]]:
    """The mean absolute errors of a day's forecasts in megawatts, by method."""
    series, temperature = demand(config.hours, np.random.default_rng(0))
    features = np.column_stack([series, temperature, clock(len(series))])
    end = int(len(series) * (1 - config.test))
    learnt, test = slice(0, end), slice(end - WEEK, None)
    x, y = windows(features[test], series[test], WEEK, DAY)
    found = {"a week ago": [error(x[:, :DAY, 0], y)]}

    def flat(known: Floats, first: int) -> Floats:
        """The week's values, a day's temperatures, and the hour of the week as one-hot vectors."""
        now = (first + np.arange(len(known))) % WEEK
        return np.concatenate([known[:, :, 0], known[:, -DAY:, 1], np.eye(WEEK)[now]], axis=1)

    known, following = windows(features[learnt], series[learnt], WEEK, DAY)
    line = regression(flat(known, 0), following, flat(x, end - WEEK))
    found["linear regression"] = [error(line, y)]
    few = slice(None, None, config.stride)
    for seed in config.seeds:
        start = time.perf_counter()
        model = learn(known[few, -config.memory :], following[few], seed, config)
        foretold = np.asarray(model.predict(x[:, -config.memory :]), np.float64)
        print(f"LSTM, seed {seed}: {time.perf_counter() - start:.0f} s", flush=True)
        found.setdefault("LSTM", []).append(error(foretold, y))
        if picture is not None and seed == config.seeds[0]:
            draw(y, {"linear regression": line, "LSTM": foretold}, Path(picture))
    return found


def foretell_prices(config: Config) -> dict[str, list[float]]:
    """The mean absolute errors of the next day's return in per cent, by method."""
    returns = 100 * np.diff(np.log(prices()))
    length, end = 20, int(len(returns) * (1 - config.test))
    known, following = windows(returns[:end, None], returns[:end], length, 1)
    x, y = windows(returns[end - length :, None], returns[end - length :], length, 1)
    found = {"as today": [error(np.zeros_like(y), y)]}
    found["linear regression"] = [error(regression(known[:, :, 0], following, x[:, :, 0]), y)]
    for seed in config.seeds:
        model = learn(known, following, seed, config)
        foretold = np.asarray(model.predict(x), np.float64)
        found.setdefault("LSTM", []).append(error(foretold, y))
    return found


def draw(y: Floats, foretold: dict[str, Floats], picture: Path) -> None:
    """Ten days, each foretold when it begins."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(9, 3), layout="constrained")
    axes = figure.subplots()
    begins = np.arange(0, 10 * DAY, DAY)
    hours = np.arange(10 * DAY) / DAY
    axes.plot(hours, y[begins].ravel(), "black", linewidth=1.5, label="demand")
    for name, values in foretold.items():
        axes.plot(hours, values[begins].ravel(), linewidth=1, label=name)
    axes.set(xlabel="days", ylabel="megawatts")
    axes.legend(ncols=3, loc="upper right", fontsize=8)
    figure.savefig(picture, dpi=80)


def main(
    picture: str | None = None, config: Config | None = None
) -> tuple[dict[str, list[float]], dict[str, list[float]]]:
    """Print the errors of both series; returns them."""
    config = config or Config()
    of_demand, of_prices = foretell_demand(picture, config), foretell_prices(config)
    for what, unit, found in (("demand", "MW", of_demand), ("prices", "%", of_prices)):
        for name, errors in found.items():
            spread = f" ± {np.std(errors):.2f}" if len(errors) > 1 else ""
            print(f"{what:8} {name:18} {np.mean(errors):6.2f}{spread} {unit}")
    return of_demand, of_prices


if __name__ == "__main__":
    main(*sys.argv[1:2])
