"""Optimisers, schedules, gradient clipping and penalties; see `docs/optimisers.md`."""

from neurona.optim import schedules
from neurona.optim.adadelta import Adadelta
from neurona.optim.adagrad import Adagrad
from neurona.optim.adam import Adam
from neurona.optim.adamax import AdaMax
from neurona.optim.adamw import AdamW
from neurona.optim.clip import clip_gradient_norm, clip_gradient_value, scale_gradient_norm
from neurona.optim.lamb import LAMB
from neurona.optim.lars import LARS
from neurona.optim.lion import Lion
from neurona.optim.momentum import Momentum
from neurona.optim.nadam import NAdam
from neurona.optim.optimizer import Optimizer
from neurona.optim.penalty import elastic_net, l1, l2, limit_norms, weights
from neurona.optim.radam import RAdam
from neurona.optim.rmsprop import RMSProp
from neurona.optim.schedules import SCHEDULES, Schedule, make_schedule
from neurona.optim.sgd import SGD

__all__ = [
    "LAMB",
    "LARS",
    "SCHEDULES",
    "SGD",
    "AdaMax",
    "Adadelta",
    "Adagrad",
    "Adam",
    "AdamW",
    "Lion",
    "Momentum",
    "NAdam",
    "Optimizer",
    "RAdam",
    "RMSProp",
    "Schedule",
    "clip_gradient_norm",
    "clip_gradient_value",
    "elastic_net",
    "l1",
    "l2",
    "limit_norms",
    "make_schedule",
    "scale_gradient_norm",
    "schedules",
    "weights",
]
