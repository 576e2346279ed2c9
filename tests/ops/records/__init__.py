"""The records of all ops, a module a family."""

from __future__ import annotations

import importlib
import pkgutil

from tests.ops.record import OpRecord

RECORDS: dict[str, OpRecord] = {}
for _module in pkgutil.iter_modules(__path__):
    _family = importlib.import_module(f"{__name__}.{_module.name}")
    for _record in vars(_family).values():
        if isinstance(_record, OpRecord):
            if _record.name in RECORDS:
                raise ValueError(f"two records of the op {_record.name!r}")
            RECORDS[_record.name] = _record
