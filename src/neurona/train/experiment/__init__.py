"""Training runs described in TOML files."""

from neurona.train.experiment.experiment import Outcome, evaluate, make_model, run
from neurona.train.experiment.parts import Parts, load_parts
from neurona.train.experiment.reading import ConfigFile, parse_config, read_config
from neurona.train.experiment.schema import Config

__all__ = [
    "Config",
    "ConfigFile",
    "Outcome",
    "Parts",
    "evaluate",
    "load_parts",
    "make_model",
    "parse_config",
    "read_config",
    "run",
]
