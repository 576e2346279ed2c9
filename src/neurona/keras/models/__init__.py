"""Models under Keras's names."""

from neurona.keras.models.model import Model
from neurona.keras.models.sequential import Sequential

__all__ = ["Model", "Sequential"]
