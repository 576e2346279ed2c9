"""Data sets, splits, standardisation, batches and pictures, on NumPy arrays."""

from neurona.data.dataset import Dataset
from neurona.data.datasets import birth_life_2010, digits, load, mnist
from neurona.data.encoding import TARGET_CODES, encode_targets
from neurona.data.idx import read_idx, write_idx
from neurona.data.images import prepare_digit, read_image
from neurona.data.loader import Loader
from neurona.data.readers import DigitReader, Reader
from neurona.data.splits import split, split_indices
from neurona.data.standardize import Standardizer

__all__ = [
    "TARGET_CODES",
    "Dataset",
    "DigitReader",
    "Loader",
    "Reader",
    "Standardizer",
    "birth_life_2010",
    "digits",
    "encode_targets",
    "load",
    "mnist",
    "prepare_digit",
    "read_idx",
    "read_image",
    "split",
    "split_indices",
    "write_idx",
]
