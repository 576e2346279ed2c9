"""A look into compiled functions: their programs, kernels and copies."""

from __future__ import annotations

from typing import Any

import numpy as np

import neurona as ne
from neurona.compiler.function import Compiled, Entry
from neurona.compiler.lower.plan import value_key
from neurona.compiler.lower.task import Task
from neurona.compiler.program import Program


def entries(compiled: Compiled) -> list[Entry]:
    return [entry for several in compiled.entries.values() for entry in several]


def entry_of(compiled: Compiled, *args: Any) -> Entry:
    """The one entry of a function, after a call."""
    compiled(*args)
    (entry,) = entries(compiled)
    return entry


def program_of(compiled: Compiled, *args: Any) -> Program:
    return entry_of(compiled, *args).program


def loops(program: Program) -> list[str]:
    """The loop kernels of their own, each as its ops joined by +."""
    kernels = [task for task in program.plan.tasks if task.kernel is not None]
    return [str(task) for task in kernels if task.matmul is None and task.direct is None]


def order_in_python(x: Any) -> Any:
    """argsort along the last axis by Python, between two native segments."""
    return ne.numpy_function(lambda x: np.argsort(x, kind="stable"), x, result=(x.shape, ne.int64))


def copies(program: Program) -> list[Task]:
    """The tasks that copy a Variable's new value into its place."""
    inputs = {value_key(node) for node in program.inputs}
    return [task for task in program.plan.tasks if task.writes() & inputs]
