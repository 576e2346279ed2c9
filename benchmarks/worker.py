"""A worker process: one framework, requests and replies as JSON lines.

`python -m benchmarks.worker training|calls [CPU,CPU,…]` trains a network, or makes single calls. It
reads a request a line from stdin, such as `{"command": "time", "steps": 200}`, and writes a reply a
line to stdout. Whatever the framework prints goes to stderr. A request that fails is answered
`{"error": …, "traceback": …}`.
"""

from __future__ import annotations

import json
import os
import sys
import traceback

from benchmarks.session import Session


def main() -> None:
    """Serve requests until stdin ends."""
    replies = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)
    kind, *cpus = sys.argv[1:]
    if cpus:
        os.sched_setaffinity(0, {int(cpu) for cpu in cpus[0].split(",")})
    session = make_session(kind)
    for line in sys.stdin:
        request = json.loads(line)
        try:
            reply = session.answer(**request)
        except Exception as error:
            reply = {
                "error": f"{type(error).__name__}: {error}",
                "traceback": traceback.format_exc(),
            }
        replies.write(json.dumps(reply) + "\n")
        replies.flush()


def make_session(kind: str) -> Session:
    """Imports NumPy only now, so that thread pools see the processors they may use."""
    if kind == "training":
        from benchmarks.training_session import TrainingSession

        return TrainingSession()
    if kind == "calls":
        from benchmarks.call_session import CallSession

        return CallSession()
    raise ValueError(f"a worker does 'training' or 'calls', not {kind!r}")


if __name__ == "__main__":
    main()
