"""What a run writes into its folder, and when."""

from __future__ import annotations

import math
import re
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

from neurona.core.errors import ArgumentError, CheckpointError
from neurona.train import checkpoint, state
from neurona.train.history import History
from neurona.train.run_folder import RunFolder
from neurona.train.run_report import watch_layers, write_report
from neurona.train.selection import learning_parameters

if TYPE_CHECKING:
    from neurona.train.loop import Training

EVERY = 60.0
"""Seconds between checkpoints within an epoch, if nothing else is said."""
SHARE = 0.05
"""The share of the time that checkpoints at the ends of short epochs may take."""
BEST = "validation_loss"

Every = float | str


class Recorder:
    """Writes a run's files: metrics after each epoch, the best model, and states to go on from.

    A state is written every so many seconds or steps, and at the end of each epoch; where epochs
    are so short that this would take more than a twentieth of the time, only after some of them.
    """

    def __init__(self, training: Training, folder: RunFolder, every: Every) -> None:
        self.training = training
        self.folder = folder
        self.every_seconds, self.every_steps = interval(every)
        self.settings = state.settings_of(training)
        self.best: dict[str, Any] | None = None
        self._model: tuple[dict[str, Any], dict[str, Any]] | None = None
        self._cost = 0.0
        self._written = time.monotonic()
        self._steps = training.model.steps_done

    # --- beginning ---

    def resume(self) -> bool:
        """Put the last state into place; whether there was one.

        Raises `CheckpointError` when the run is finished, or was one of other settings or data.
        """
        place = self.folder.path
        with checkpoint.blaming(place):
            found = self.folder.read_state()
            if found is None:
                self.folder.cut_metrics(0)
                return False
            description, arrays = found
            differs = state.difference(description.get("settings"), self.settings)
            if differs:
                raise CheckpointError(
                    f"the run cannot go on, {differs}; resume with what it was started with, or "
                    "start a new run in another folder"
                )
            self._require_unfinished(description)
            state.restore(self.training, description, arrays)
            self.best = state.decode(description["best"])
            self._steps = self.training.model.steps_done
            if self.folder.about["status"] == "stopped early":
                # By a callback within an epoch; whoever resumes wants more.
                self.training.history.stopped = False
        self.folder.cut_metrics(description["metrics_bytes"])
        return True

    def _require_unfinished(self, description: Mapping[str, Any]) -> None:
        status, epochs = self.folder.about["status"], self.training.epochs
        done = description["epochs_done"] - description["first"]
        if status == "stopped early" and description["batch"] == 0:
            raise CheckpointError(f"the run is over: it was stopped early after {done} epochs")
        if status == "finished" and done >= epochs:
            raise CheckpointError(
                f"the run is finished, with {done} epochs; ask for more epochs to go on"
            )

    def begin(self) -> None:
        """Note that the run goes on, and keep what it starts from."""
        self.folder.about.pop("error", None)  # of an earlier attempt
        self.folder.write_about(status="running", parameters=self.parameters())
        self.write()

    def parameters(self) -> dict[str, Any]:
        """What the run was asked for, for the reader."""
        training = self.training
        learnt = learning_parameters(training.model.network, training.model.frozen)
        known = {name: value for name, value in self.settings.items() if name != "network"}
        return {
            "epochs": training.last - training.first,
            "batch_size": training.training.batch_size,
            "weighted": len(training.training.peek()) > 2,
            **known,
            "learnt numbers": sum(parameter.size for _, parameter in learnt),
        }

    # --- while it goes on ---

    def after_step(self, look: Callable[[], object]) -> None:
        """Write a state if one is due. look: brings the epoch's time up to now."""
        steps = self.training.model.steps_done
        if self.every_steps is not None:
            due = steps - self._steps >= self.every_steps
        else:
            due = time.monotonic() - self._written >= max(self.every_seconds, self._cost / SHARE)
        if due:
            look()
            self.write()

    def after_epoch(self, epoch: int, values: Mapping[str, float]) -> None:
        """Add the epoch to the metrics, and keep the model if it is the best so far."""
        training, history = self.training, self.training.history
        self.folder.add_metrics(
            {
                "epoch": epoch,
                "step": training.model.steps_done,
                "seconds": training.seconds,
                "samples_per_second": history.samples_per_second[-1],
                "waiting": history.waiting[-1],
                "learning_rate": history.learning_rates[-1],
                **values,
            }
        )
        value = values.get(BEST)
        if value is None:
            self._model = None
        elif self.best is None or value < self.best["value"] or math.isnan(self.best["value"]):
            self.best = {"epoch": epoch, "name": BEST, "value": value}
            self._keep_model()

    def end_epoch(self) -> None:
        """Write a state, unless that would take too much of the time."""
        if time.monotonic() - self._written >= self._cost / SHARE:
            self.write()

    def write(self) -> None:
        """Write the model and the state of now."""
        began = time.monotonic()
        training = self.training
        if self.best is None and training.batch == 0 and not training.validation:
            self._keep_model()
        if self._model is not None:
            self.folder.write_model(*self._model)
            self._model = None
        training.count_time()
        description, arrays = state.take(training)
        mine = {"settings": self.settings, "best": state.encode(self.best)}
        self.folder.write_state({**mine, **description}, arrays)
        self.folder.write_about(best=self.best)
        self._steps = training.model.steps_done
        self._written = time.monotonic()
        self._cost = self._written - began

    def _keep_model(self) -> None:
        model = self.training.model
        self._model = model.description(), model.network.state_dict()

    # --- the end ---

    def save_before(self, error: Exception) -> None:
        """Keep what was learnt before an error leaves `fit`; the error is what is told."""
        with suppress(CheckpointError):
            self.write()
            error.add_note(f"what was learnt is kept in {self.folder.path}")

    def end(self, status: str, *, report: bool) -> None:
        """Note how the run ended, look into the model, and write the report."""
        if self.best is None:
            self._keep_model()
        if self._model is not None:
            self.folder.write_model(*self._model)
        self.folder.write_about(status=status)
        if report:
            write_report(self.training, self.folder, look=status != "interrupted")


def recorded_run(
    training: Training, path: Path, every: Every, *, resume: bool, report: bool
) -> History:
    """Train and keep the run in a folder; see `Model.fit`."""
    interval(every)
    if resume:
        folder = RunFolder.open(path)
    else:
        training.model.description()  # a network that cannot be described cannot be kept
        part = training.training
        folder = RunFolder.create(path, seed=part.loader.seed, samples=part.samples)
    try:
        recorder = training.recorder = Recorder(training, folder, every)
        if resume:
            recorder.resume()
        if report:
            watch_layers(training, path)
        history = _noted(training, folder, report=report)
        ended = "interrupted" if history.interrupted else "finished"
        recorder.end("stopped early" if history.stopped else ended, report=report)
        return history
    finally:
        folder.close()


def _noted(training: Training, folder: RunFolder, *, report: bool) -> History:
    """Train; an error is noted in the folder before it leaves."""
    try:
        return training.run()
    except KeyboardInterrupt:
        folder.note(status="interrupted")
        raise
    except Exception as error:
        folder.note(status="failed", error=str(error))
        if report:
            write_report(training, folder, look=False)
        raise


def interval(every: Every) -> tuple[float, int | None]:
    """Seconds, and steps if these count. Raises `ArgumentError` for anything else.

    >>> interval("500 steps"), interval("30 seconds"), interval(10)
    ((inf, 500), (30.0, None), (10.0, None))
    """
    if isinstance(every, str):
        found = re.fullmatch(r"(\d+(?:\.\d+)?) *(steps?|seconds?)", every.strip())
        if found and found[2].startswith("second"):
            return float(found[1]), None
        if found and found[1].isdigit() and int(found[1]) > 0:
            return math.inf, int(found[1])
    elif isinstance(every, (int, float)) and not isinstance(every, bool) and every >= 0:
        return float(every), None
    raise ArgumentError(
        f'fit: checkpoint_every is a number of seconds, or text as "500 steps", not {every!r}'
    )
