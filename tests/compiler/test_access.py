"""Compiled functions from several threads, across a fork, and under interrupts."""

from __future__ import annotations

import os
import signal
import threading
import time
from collections.abc import Callable, Iterator
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

import neurona as ne
from neurona import nn, optim
from neurona.compiler.run.pool import POOL, Pool
from neurona.compiler.run.sharing import ASLEEP, FUNCTION, IDLE
from tests.compiler.programs import order_in_python, program_of

LARGE = 1 << 18


def at_once(*functions: Callable[[], None]) -> None:
    """Run the functions in threads of their own that start together; errors come out."""
    start = threading.Barrier(len(functions))
    errors: list[BaseException] = []

    def guarded(function: Callable[[], None]) -> None:
        try:
            start.wait()
            function()
        except BaseException as error:
            errors.append(error)

    threads = [threading.Thread(target=guarded, args=(f,)) for f in functions]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
        assert not thread.is_alive()
    if errors:
        raise errors[0]


# --- threads ---


def test_a_function_without_state_from_several_threads() -> None:
    """Large enough for the pool, whose owner may be any of them, and with Python in between."""
    rng = np.random.default_rng(0)
    w = rng.normal(size=(64, 64)).astype(np.float32)

    @ne.compile
    def work(x: Any) -> Any:
        y = ne.softmax(x @ w, axis=1)
        return y, ne.sum(ne.exp(x), axis=0), order_in_python(y)[0]

    inputs = [rng.normal(size=(1500, 64)).astype(np.float32) for _ in range(4)]
    expected = [[r.numpy() for r in work(x)] for x in inputs]

    def caller(k: int) -> Callable[[], None]:
        def call() -> None:
            for i in range(25):
                place = (i + k) % len(inputs)
                for one, other in zip(work(inputs[place]), expected[place], strict=True):
                    # The same bits, with the pool or without it.
                    np.testing.assert_array_equal(one.numpy(), other)

        return call

    at_once(*[caller(k) for k in range(4)])


def test_a_first_call_from_several_threads() -> None:
    recorded = []

    @ne.compile
    def double(x: Any) -> Any:
        recorded.append(1)
        return x * 2

    def caller(k: int) -> Callable[[], None]:
        def call() -> None:
            for n in range(1, 6):
                x = np.full(n, k, np.float32)
                np.testing.assert_array_equal(double(x).numpy(), x * 2)

        return call

    at_once(*[caller(k) for k in range(4)])
    assert len(recorded) <= 20


def test_no_update_is_lost() -> None:
    """Not by calls of one program, nor of two programs of a function, nor of two functions."""
    total = ne.Variable(np.zeros(LARGE, np.float32))
    add = ne.compile(lambda x: total.assign(total + ne.sum(x)))
    more = ne.compile(lambda: total.assign(total + 1))
    one, two = np.ones(1, np.float32), np.full(2, 0.5, np.float32)
    calls = (lambda: add(one), lambda: add(two), more)

    def many(call: Callable[[], Any]) -> Callable[[], None]:
        return lambda: [call() for _ in range(40)] and None

    at_once(*[many(call) for call in calls])
    np.testing.assert_array_equal(total.numpy(), np.full(LARGE, 120))
    assert total.version == 120


def test_nobody_sees_a_value_half_written() -> None:
    total = ne.Variable(np.zeros(LARGE, np.float32))
    step = ne.compile(lambda: total.assign(total + 1))
    spread = ne.compile(lambda: ne.max(total * 1) - ne.min(total * 1))
    done = threading.Event()
    wrong: list[float] = []

    def write() -> None:
        for _ in range(150):
            step()
        done.set()

    def read() -> None:
        while not done.is_set():
            eager, copied = (total * 1).numpy(), total.numpy()
            found = (spread().item(), np.ptp(eager), np.ptp(copied))
            wrong.extend(float(v) for v in found if v)

    at_once(write, read, read)
    assert not wrong
    np.testing.assert_array_equal(total.numpy(), np.full(LARGE, 150))


def test_a_step_that_nobody_watches_writes_in_place() -> None:
    total = ne.Variable(np.zeros(100, np.float32))
    step = ne.compile(lambda: total.assign(total + 1))
    look = ne.compile(lambda: total * 1)
    step()
    memory = total.buffer
    for _ in range(3):
        step()
        look()
    assert total.buffer is memory


def test_a_served_model_is_trained_meanwhile() -> None:
    """Predictions come from the weights before or after a step, never from between."""
    ne.random.seed(0)
    layer = nn.Linear(16, 16)
    optimizer = optim.SGD(layer.parameters(), learning_rate=0.01)
    x = np.random.default_rng(0).normal(size=(4, 16)).astype(np.float32)

    @ne.compile
    def step() -> None:
        loss = ne.mean(layer(x) ** 2)
        loss.backward()
        optimizer.step()

    predict = ne.compile(layer)
    possible = []
    states = []
    for _ in range(30):
        possible.append(predict(x).numpy().tobytes())
        states.append({k: v.numpy() for k, v in layer.named_parameters()})
        step()
    possible.append(predict(x).numpy().tobytes())
    for name, value in layer.named_parameters():
        value.assign(states[0][name])
    seen: list[bytes] = []
    done = threading.Event()

    def train() -> None:
        for _ in range(30):
            step()
        done.set()

    def serve() -> None:
        while not done.is_set():
            seen.append(predict(x).numpy().tobytes())

    at_once(train, serve, serve)
    assert set(seen) <= set(possible)
    assert predict(x).numpy().tobytes() == possible[-1]


def test_a_system_without_more_threads(monkeypatch: pytest.MonkeyPatch) -> None:
    """Those that could be started help."""
    begin = threading.Thread.start

    def start(thread: threading.Thread) -> None:
        if thread.name == "neurona-1":
            raise RuntimeError("can't start new thread")
        begin(thread)

    work = ne.compile(lambda x: (ne.sum(ne.exp(x), axis=0), ne.max(x, axis=1)))
    x = np.random.default_rng(0).normal(size=(2000, 300)).astype(np.float32)
    POOL.stop()
    expected = [result.numpy() for result in work(x)]
    POOL.stop()
    monkeypatch.setenv("NEURONA_THREADS", "4")
    monkeypatch.setattr(threading.Thread, "start", start)
    for _ in range(3):
        for one, other in zip(work(x), expected, strict=True):
            np.testing.assert_array_equal(one.numpy(), other)
        assert [thread.name for thread in POOL.threads] == ["neurona-0"]
    POOL.stop()


def test_the_pool_has_so_many_threads_and_no_more(monkeypatch: pytest.MonkeyPatch) -> None:
    """However many callers there are, of however many functions."""
    POOL.stop()
    monkeypatch.setenv("NEURONA_THREADS", "3")
    before = set(threading.enumerate())
    x = np.random.default_rng(0).normal(size=(2000, 300)).astype(np.float32)
    functions = [ne.compile(lambda x, n=n: ne.sum(ne.exp(x) * n, axis=0)) for n in range(3)]
    seen: set[str] = set()

    def caller(k: int) -> Callable[[], None]:
        def call() -> None:
            for _ in range(20):
                functions[k % len(functions)](x)
                more = set(threading.enumerate()) - before
                seen.update(t.name for t in more if t.name.startswith("neurona"))

        return call

    at_once(*[caller(k) for k in range(6)])
    assert seen == {"neurona-0", "neurona-1"}
    POOL.stop()


# --- fork ---

needs_fork = pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork here")


def in_child(function: Callable[[], None]) -> None:
    """Run the function in a forked child; fail unless it returns within a minute."""
    pid = os.fork()
    if pid == 0:
        signal.alarm(60)
        try:
            function()
        except BaseException:
            os._exit(1)
        os._exit(0)
    _, status = os.waitpid(pid, 0)
    assert os.waitstatus_to_exitcode(status) == 0


@needs_fork
@pytest.mark.filterwarnings("ignore:This process:DeprecationWarning")
def test_a_child_goes_on_where_its_parent_was() -> None:
    total = ne.Variable(np.zeros(LARGE, np.float32))
    step = ne.compile(lambda x: total.assign(total + ne.sum(ne.exp(x * 0), axis=0)[0]))
    x = np.ones((2000, 300), np.float32)
    step(x)

    def child() -> None:
        step(x)
        np.testing.assert_array_equal(total.numpy(), np.full(LARGE, 4000))
        fresh = ne.compile(lambda y: ne.sum(y * 3))
        assert fresh(np.ones(70_000, np.float32)).item() == 210_000

    in_child(child)
    in_child(child)
    step(x)
    np.testing.assert_array_equal(total.numpy(), np.full(LARGE, 4000))


@needs_fork
@pytest.mark.filterwarnings("ignore:This process:DeprecationWarning")
def test_forks_while_other_threads_compile_and_run() -> None:
    total = ne.Variable(np.zeros(LARGE, np.float32))
    step = ne.compile(lambda: total.assign(total + 1))
    step()
    done = threading.Event()

    def busy() -> None:
        while not done.is_set():
            step()

    def compiling() -> None:
        n = 2
        while not done.is_set():
            n += 1
            ne.compile(lambda x: ne.exp(x) * n)(np.ones(n, np.float32))  # noqa: B023

    def child() -> None:
        value = total.numpy()
        assert np.ptp(value) == 0, "a value half written"
        step()
        np.testing.assert_array_equal(total.numpy(), value + 1)
        assert ne.compile(lambda x: x - 7)(np.ones(1, np.float32)).item() == -6

    def forking() -> None:
        try:
            for _ in range(4):
                in_child(child)
        finally:
            done.set()

    at_once(busy, compiling, forking)


@needs_fork
@pytest.mark.filterwarnings("ignore:This process:DeprecationWarning")
def test_a_fork_while_another_thread_records() -> None:
    """The child has no such thread, which would have to give the lock back."""
    inside, go_on = threading.Event(), threading.Event()

    @ne.compile
    def double(x: Any) -> Any:
        inside.set()
        assert go_on.wait(30)
        return x * 2

    def child() -> None:
        go_on.set()
        assert double(np.ones(2, np.float32)).tolist() == [2, 2]

    def fork() -> None:
        assert inside.wait(30)
        try:
            in_child(child)
        finally:
            go_on.set()

    at_once(lambda: double(np.ones(1, np.float32)) and None, fork)


# --- Ctrl-C ---


@pytest.fixture(params=[KeyboardInterrupt, TimeoutError])
def interrupts(request: pytest.FixtureRequest) -> Iterator[SimpleNamespace]:
    """When `wanted`, interrupts this thread within 2 ms, once, as Ctrl-C or an alarm does."""
    if not hasattr(signal, "setitimer"):
        pytest.skip("no timers here")

    # Not an event: its lock could be held by the very thread that the handler runs in.
    wish = SimpleNamespace(wanted=False)

    def interrupt(*_: Any) -> None:
        if wish.wanted:
            wish.wanted = False
            raise request.param

    before = signal.signal(signal.SIGALRM, interrupt)
    signal.setitimer(signal.ITIMER_REAL, 0.002, 0.002)
    yield wish
    signal.setitimer(signal.ITIMER_REAL, 0)
    signal.signal(signal.SIGALRM, before)


def test_ctrl_c_gets_through_and_leaves_things_whole(interrupts: SimpleNamespace) -> None:
    total = ne.Variable(np.zeros(LARGE, np.float32))
    other = ne.Variable(np.zeros(8, np.float32))

    @ne.compile
    def step(x: Any) -> Any:
        total.assign(total + 1)
        other.assign(other + 1)
        return order_in_python(x)

    prologue = ne.compile(lambda x: ne.reshape(other, (1, 8)) @ ne.ones((8, 1)) + x)
    x = np.arange(8, dtype=np.float32)
    step(x)
    prologue(np.float32(0))
    for _ in range(25):
        with pytest.raises((KeyboardInterrupt, TimeoutError)):  # noqa: PT012
            interrupts.wanted = True
            while True:
                step(x)
        # What was prepared from earlier values is not taken for that of the present ones.
        assert prologue(np.float32(0)).item() == 8 * other.numpy()[0]
    values = total.numpy()
    assert np.ptp(values) == 0
    assert np.ptp(other.numpy()) == 0
    assert other.numpy()[0] == values[0]
    before = values[0]
    step(x)
    assert total.numpy()[0] == before + 1


class Sleeper:
    """A bell that wakes a worker, which does nothing, in the middle of the task."""

    def __init__(self, pool: Pool) -> None:
        self.pool = pool

    def release(self) -> None:
        def wake() -> None:
            time.sleep(0.001)
            self.pool.states[0] = IDLE

        threading.Thread(target=wake).start()


def test_a_thread_that_slept_when_a_task_began_is_asked_again() -> None:
    f = ne.compile(lambda x: ne.tanh(ne.softmax(x, axis=-1)))
    x = np.ones((20_000, 1000), np.float32)
    wanted = f(x).numpy()
    pool = Pool()
    pool.workers = 1
    pool.bells.append((0, Sleeper(pool)))  # type: ignore[arg-type]
    program = program_of(f, x)
    program.call = pool.run
    pool.states[0] = ASLEEP
    np.testing.assert_array_equal(f(x).numpy(), wanted)
    assert pool.states[FUNCTION] != 0
    # The worker, which never came, has nothing on its desk any more.
    assert pool.states[0] == IDLE
