"""A worker process: one framework, one case, requests and replies as JSON lines.

`python -m benchmarks.worker [CPU,CPU,…]` reads a request a line from stdin, such as
`{"command": "time", "steps": 200}`, and writes a reply a line to stdout. Whatever the framework
prints goes to stderr. A request that fails is answered `{"error": …, "traceback": …}`.
"""

from __future__ import annotations

import json
import os
import sys
import traceback


def main() -> None:
    """Serve requests until stdin ends."""
    replies = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)
    if len(sys.argv) > 1:
        os.sched_setaffinity(0, {int(cpu) for cpu in sys.argv[1].split(",")})
    # Only now, so that thread pools made on import see the processors they may use.
    from benchmarks.session import Session

    session = Session()
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


if __name__ == "__main__":
    main()
