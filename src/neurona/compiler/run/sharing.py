"""How a task's chunks are shared out among the runner and the workers that help it.

A worker has a desk of `DESK` words: state, function, table, board. It waits there in native code;
the runner offers the task to those who are idle, before every chunk of its own, since some may
just be waking up, and all take chunks, the runner and every second worker from the front, the
others from the back, so that a thread tends to find in its cache what it wrote before. How many are
taken stands on the board, in one word, which has those from the back in its upper half. An offer
that nobody took up is withdrawn at the end, so that the runner waits only for workers in the middle
of a chunk. The chunks do not depend on the threads, and so neither do the results.

In turn, chunks are taken from the ends to the middle and from the middle to the ends: from task to
task, and for the same task from call to call and from round to round. So a thread begins with what
it had last, which its cache still has of more than it holds.
"""

from __future__ import annotations

from collections.abc import Callable

from neurona.compiler.machine.text import Text

MAX_WORKERS = 63
DESK = 16
ASLEEP, IDLE, OFFERED, WORKING, STOPPED, WAKING = range(6)
STATE, FUNCTION, TABLE, BOARD, SIDE = range(5)
CHUNKS, TAKEN, INWARD = range(3)
HALF = 32
"""Bits of the chunks taken from the front, in the word that counts them."""


class SharingEmitter(Text):
    """LLVM IR of sharing out: `%desks` and `%workers` are known where it is used."""

    def __init__(self) -> None:
        super().__init__(1)

    def word(self, base: str, at: str | int) -> str:
        return self.assign(f"load i64, ptr {self.place(base, at)}")

    def place(self, base: str, at: str | int) -> str:
        return self.assign(f"getelementptr i64, ptr {base}, i64 {at}")

    def add(self, a: str, b: str | int) -> str:
        return self.assign(f"add i64 {a}, {b}")

    def turned(self, place: str) -> str:
        """The word at this place, which is 0 or 1, after changing it to the other."""
        new = self.assign(f"xor i64 {self.assign(f'load i64, ptr {place}')}, 1")
        self.put(f"store i64 {new}, ptr {place}")
        return new

    def share(self, address: str, chunks: str, table: str, board: str) -> None:
        """Run the chunks of a task, with the workers unless their number is negative."""
        function = self.assign(f"inttoptr i64 {address} to ptr")
        several = self.assign(f"icmp sgt i64 {chunks}, 1")
        helped = self.assign(f"select i1 {several}, i64 %workers, i64 0")
        alone = self.assign(f"icmp eq i64 {helped}, 0")
        every = self.intrinsic("i64", "llvm.abs.i64", ("i64", chunks), ("i1", "false"))
        tag = self.fresh("share").removeprefix("%")
        self.put(f"br i1 {alone}, label %{tag}_alone, label %{tag}")
        self.label(f"{tag}_alone")
        self.put(f"call void {function}(ptr {table}, i64 0, i64 {every})")
        self.put(f"br label %{tag}_done")
        self.label(tag)
        self.put(f"store i64 {chunks}, ptr {self.place(board, CHUNKS)}")
        self.put(f"store i64 0, ptr {self.place(board, TAKEN)}")
        self.turned(self.place(board, INWARD))

        def offer() -> None:
            with self.loop("0", "%workers") as i:
                self.offer(i, address, table, board)

        self.take_chunks(function, table, board, "0", offer)
        with self.loop("0", "%workers") as i:
            self.await_worker(i)
        self.put(f"br label %{tag}_done")
        self.label(f"{tag}_done")

    def desk(self, i: str) -> str:
        return self.place("%desks", self.assign(f"mul i64 {i}, {DESK}"))

    def exchange(self, place: str, old: int, new: int) -> str:
        """Whether the word was `old` and is `new` now."""
        text = f"cmpxchg ptr {place}, i64 {old}, i64 {new} acq_rel acquire"
        return self.assign(f"extractvalue {{ i64, i1 }} {self.assign(text)}, 1")

    def offer(self, i: str, address: str, table: str, board: str) -> None:
        desk = self.desk(i)
        state = self.assign(f"load atomic i64, ptr {desk} acquire, align 8")
        idle = self.assign(f"icmp eq i64 {state}, {IDLE}")
        tag = self.fresh("offer").removeprefix("%")
        self.put(f"br i1 {idle}, label %{tag}, label %{tag}_skip")
        self.label(tag)
        # Only the runner, of which there is one, writes on the desk of an idle worker.
        numbers = [self.assign(f"ptrtoint ptr {pointer} to i64") for pointer in (table, board)]
        side = self.assign(f"and i64 {self.add(i, 1)}, 1")
        words = ((FUNCTION, address), (TABLE, numbers[0]), (BOARD, numbers[1]), (SIDE, side))
        for word, value in words:
            self.put(f"store i64 {value}, ptr {self.place(desk, word)}")
        self.exchange(desk, IDLE, OFFERED)
        self.put(f"br label %{tag}_skip")
        self.label(f"{tag}_skip")

    def take_chunks(
        self,
        function: str,
        table: str,
        board: str,
        side: str,
        before: Callable[[], None] = lambda: None,
    ) -> None:
        """Run chunks until all are taken, each after what `before` writes.

        `side` 0 takes them from the front, 1 from the back.
        """
        chunks = self.word(board, CHUNKS)
        shift = self.assign(f"mul i64 {side}, {HALF}")
        one = self.assign(f"shl i64 1, {shift}")
        tag = self.fresh("take").removeprefix("%")
        self.put(f"br label %{tag}")
        self.label(tag)
        taken = self.assign(f"atomicrmw add ptr {self.place(board, TAKEN)}, i64 {one} acq_rel")
        front = self.assign(f"and i64 {taken}, {(1 << HALF) - 1}")
        rear = self.assign(f"lshr i64 {taken}, {HALF}")
        more = self.assign(f"icmp slt i64 {self.add(front, rear)}, {chunks}")
        self.put(f"br i1 {more}, label %{tag}_one, label %{tag}_done")
        self.label(f"{tag}_one")
        before()
        back = self.assign(f"icmp ne i64 {side}, 0")
        mine = self.assign(f"select i1 {back}, i64 {rear}, i64 {front}")
        chunk = self.chunk(mine, chunks, back, self.word(board, INWARD))
        self.put(f"call void {function}(ptr {table}, i64 {chunk}, i64 {self.add(chunk, 1)})")
        self.put(f"br label %{tag}")
        self.label(f"{tag}_done")

    def chunk(self, taken: str, chunks: str, back: str, inward: str) -> str:
        """The chunk that follows `taken` others from this side: both sides' together are all."""
        last = self.add(chunks, -1)
        from_end = self.assign(f"sub i64 {last}, {taken}")
        inwards = self.assign(f"select i1 {back}, i64 {from_end}, i64 {taken}")
        middle = self.assign(f"lshr i64 {chunks}, 1")
        up = self.add(middle, taken)
        down = self.assign(f"sub i64 {self.add(middle, -1)}, {taken}")
        # Whoever has done his half goes on with the end of the other's.
        beyond = self.assign(f"icmp sge i64 {up}, {chunks}")
        up = self.assign(
            f"select i1 {beyond}, i64 {self.assign(f'sub i64 {up}, {chunks}')}, i64 {up}"
        )
        below = self.assign(f"icmp slt i64 {down}, 0")
        down = self.assign(f"select i1 {below}, i64 {self.add(down, chunks)}, i64 {down}")
        outwards = self.assign(f"select i1 {back}, i64 {up}, i64 {down}")
        is_inward = self.assign(f"icmp ne i64 {inward}, 0")
        return self.assign(f"select i1 {is_inward}, i64 {inwards}, i64 {outwards}")

    def await_worker(self, i: str) -> None:
        """Withdraw an offer that was not taken up; wait for a worker that is at it."""
        desk = self.desk(i)
        self.exchange(desk, OFFERED, IDLE)
        tag = self.fresh("await").removeprefix("%")
        self.put(f"br label %{tag}")
        self.label(tag)
        state = self.assign(f"load atomic i64, ptr {desk} acquire, align 8")
        working = self.assign(f"icmp eq i64 {state}, {WORKING}")
        self.put(f"br i1 {working}, label %{tag}_wait, label %{tag}_done")
        self.label(f"{tag}_wait")
        self.pause()
        self.put(f"br label %{tag}")
        self.label(f"{tag}_done")

    def worker(self) -> None:
        """`work(desk, patience)`: serve until nothing came for `patience` looks, or until stopped.

        Returns `ASLEEP` or `STOPPED`.
        """
        with self.function("i64 @work(ptr %desk, i64 %patience)"):
            looks = self.assign("alloca i64")
            self.put(f"store i64 0, ptr {looks}")
            self.exchange("%desk", WAKING, IDLE)
            self.put("br label %look")
            self.label("look")
            state = self.assign("load atomic i64, ptr %desk acquire, align 8")
            self.put(
                f"switch i64 {state}, label %wait [ i64 {OFFERED}, label %accept "
                f"i64 {STOPPED}, label %stop ]"
            )
            self.label("accept")
            won = self.exchange("%desk", OFFERED, WORKING)
            self.put(f"br i1 {won}, label %serve, label %look")
            self.label("serve")
            function, table, board = [
                self.assign(f"inttoptr i64 {self.word('%desk', word)} to ptr")
                for word in (FUNCTION, TABLE, BOARD)
            ]
            self.take_chunks(function, table, board, self.word("%desk", SIDE))
            self.put(f"store i64 0, ptr {looks}")
            self.put(f"store atomic i64 {IDLE}, ptr %desk release, align 8")
            self.put("br label %look")
            self.label("wait")
            self.pause()
            seen = self.add(self.assign(f"load i64, ptr {looks}"), 1)
            self.put(f"store i64 {seen}, ptr {looks}")
            tired = self.assign(f"icmp sge i64 {seen}, %patience")
            self.put(f"br i1 {tired}, label %sleep, label %look")
            self.label("sleep")
            asleep = self.exchange("%desk", IDLE, ASLEEP)
            self.put(f"br i1 {asleep}, label %gone, label %look")
            self.label("gone")
            self.put(f"ret i64 {ASLEEP}")
            self.label("stop")
            self.put(f"ret i64 {STOPPED}")
