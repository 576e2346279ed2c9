"""Models under Keras's names."""

from neurona.keras.models.model import Model
from neurona.keras.models.saving import load_model, model_from_json
from neurona.keras.models.sequential import Sequential

__all__ = ["Model", "Sequential", "load_model", "model_from_json"]
