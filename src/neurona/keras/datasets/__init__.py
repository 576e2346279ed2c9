"""Data sets as Keras hands them out: ((x_train, y_train), (x_test, y_test)), untouched."""

from neurona.keras.datasets import mnist

__all__ = ["mnist"]
