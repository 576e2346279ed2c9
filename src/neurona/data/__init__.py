"""Data sets, splits, standardisation, batches and pictures, on NumPy arrays."""

from neurona.data import augmentation
from neurona.data.array_source import ArraySource
from neurona.data.augmentation.source import augment
from neurona.data.canvases import DigitCanvases
from neurona.data.columns import ColumnEncoder
from neurona.data.csv_file import read_csv
from neurona.data.csv_source import CsvFile, CsvSource
from neurona.data.dataset import Dataset
from neurona.data.datasets import DATASETS, adult, birth_life_2010, digits, load, mnist
from neurona.data.encoding import TARGET_CODES, encode_targets
from neurona.data.idx import read_idx, write_idx
from neurona.data.image_folder import ImageFolder
from neurona.data.images import prepare_digit, read_image, resize_image
from neurona.data.loader import Batches, Loader
from neurona.data.npz import read_npz, write_npz
from neurona.data.readers import DigitReader, ImageReader, Reader
from neurona.data.rt_polarity import CLASSES as RT_POLARITY_CLASSES
from neurona.data.rt_polarity import rt_polarity
from neurona.data.sound import read_wav, short_time_spectrum, write_wav
from neurona.data.source import Source, sample_generator
from neurona.data.splits import split, split_indices
from neurona.data.standardize import Standardizer
from neurona.data.stream import StreamLoader
from neurona.data.table import Categories, Table
from neurona.data.table_reader import TableReader
from neurona.data.token_windows import TokenWindows
from neurona.data.windows import WindowLoader, windows

__all__ = [
    "DATASETS",
    "RT_POLARITY_CLASSES",
    "TARGET_CODES",
    "ArraySource",
    "Batches",
    "Categories",
    "ColumnEncoder",
    "CsvFile",
    "CsvSource",
    "Dataset",
    "DigitCanvases",
    "DigitReader",
    "ImageFolder",
    "ImageReader",
    "Loader",
    "Reader",
    "Source",
    "Standardizer",
    "StreamLoader",
    "Table",
    "TableReader",
    "TokenWindows",
    "WindowLoader",
    "adult",
    "augment",
    "augmentation",
    "birth_life_2010",
    "digits",
    "encode_targets",
    "load",
    "mnist",
    "prepare_digit",
    "read_csv",
    "read_idx",
    "read_image",
    "read_npz",
    "read_wav",
    "resize_image",
    "rt_polarity",
    "sample_generator",
    "short_time_spectrum",
    "split",
    "split_indices",
    "windows",
    "write_idx",
    "write_npz",
    "write_wav",
]
