"""The data sets that Neurona knows by name."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from neurona.core.errors import ArgumentError, DataError, nearest
from neurona.data.csv_file import read_csv
from neurona.data.dataset import Dataset
from neurona.data.fetch import download as fetch
from neurona.data.fetch import find_file, folder_of
from neurona.data.files import check_digest, reading
from neurona.data.idx import read_idx
from neurona.data.table import Categories, Table

MNIST_MIRRORS = (
    "https://ossci-datasets.s3.amazonaws.com/mnist/",
    "https://storage.googleapis.com/cvdf-datasets/mnist/",
    "https://raw.githubusercontent.com/fgnt/mnist/master/",
)
_TEN_DIGITS = tuple("0123456789")


@dataclass(frozen=True, slots=True)
class _IdxFile:
    """An IDX file by name; the digest is that of the uncompressed content."""

    name: str
    sha256: str


_DIGITS = (
    _IdxFile(
        "digits-images-idx3-ubyte",
        "359cd13f0f514122884198b78a131df597421cbf5e93a76678fa96fc548f0d96",
    ),
    _IdxFile(
        "digits-labels-idx1-ubyte",
        "ce71631c1f31ce56fa54f31d1d498fafacff59b001e6c30c4a5e29508aa277ad",
    ),
)
_MNIST = {
    "train": (
        _IdxFile(
            "train-images-idx3-ubyte",
            "ba891046e6505d7aadcbbe25680a0738ad16aec93bde7f9b65e87a2fc25776db",
        ),
        _IdxFile(
            "train-labels-idx1-ubyte",
            "65a50cbbf4e906d70832878ad85ccda5333a97f0f4c3dd2ef09a8a9eef7101c5",
        ),
    ),
    "test": (
        _IdxFile(
            "t10k-images-idx3-ubyte",
            "0fa7898d509279e482958e8ce81c8e77db3f2f8254e26661ceb7762c4d494ce7",
        ),
        _IdxFile(
            "t10k-labels-idx1-ubyte",
            "ff7bcfd416de33731a308c3f266cc351222c34898ecbeaf847f06e48f7ec33f2",
        ),
    ),
}
_MNIST_LARGEST = 16 << 20  # bytes of the largest compressed file, with room for other packers


ADULT_MIRRORS = (
    "https://archive.ics.uci.edu/ml/machine-learning-databases/adult/",
    "http://mlr.cs.umass.edu/ml/machine-learning-databases/adult/",
)
_ADULT = {
    "adult.data": "5b00264637dbfec36bdeaab5676b0b309ff9eb788d63554ca0a249491c86603d",
    "adult.test": "a2a9044bc167a35b2361efbabec64e89d69ce82d9790d2980119aac5fd7e9c05",
}
_ADULT_LARGEST = 4 << 20
_ADULT_KINDS = {
    "age": "numeric",
    "workclass": "categorical",
    "fnlwgt": "numeric",
    "education": "categorical",
    "education-num": "numeric",
    "marital-status": "categorical",
    "occupation": "categorical",
    "relationship": "categorical",
    "race": "categorical",
    "sex": "categorical",
    "capital-gain": "numeric",
    "capital-loss": "numeric",
    "hours-per-week": "numeric",
    "native-country": "categorical",
    "income": "categorical",
}
DATASETS = ("digits", "mnist", "birth_life_2010", "adult")
"""What `load` knows."""


def load(
    name: str, *, data_dir: str | Path | None = None, download: bool = False
) -> dict[str, Dataset] | dict[str, Table]:
    """Return the parts of the data set `name` as its makers divided it.

    The parts are "train" and "test", or only "all" where the makers gave no division; those of
    "adult" are tables. The other arguments are those of `mnist`.

    Raises ArgumentError for an unknown name, DataError for missing or damaged files.

    >>> load("digits")
    {'all': Dataset 'digits': inputs (1797, 8, 8) uint8, targets (1797,) int64, 10 classes}
    """
    if name not in DATASETS:
        raise ArgumentError(
            f"load: unknown data set {name!r}{nearest(name, DATASETS)} "
            f"(known: {', '.join(DATASETS)})"
        )
    if name == "digits":
        return {"all": digits()}
    if name == "birth_life_2010":
        return {"all": birth_life_2010(data_dir)}
    if name == "adult":
        return dict(zip(("train", "test"), adult(data_dir, download=download), strict=True))
    return dict(zip(("train", "test"), mnist(data_dir, download=download), strict=True))


def digits() -> Dataset:
    """Return the 1,797 UCI handwritten digits, which come with Neurona.

    Inputs uint8 0…16 `(sample, row, column)` = (1797, 8, 8), targets 0…9.

    >>> from neurona.data import digits
    >>> data = digits()
    >>> data.inputs[0, 4].tolist(), int(data.targets[0])
    ([0, 5, 8, 0, 0, 9, 8, 0], 0)
    """
    folder = Path(__file__).parent / "embedded"
    images, labels = (read_idx(folder / f"{one.name}.gz", sha256=one.sha256) for one in _DIGITS)
    return Dataset(
        inputs=images,
        targets=labels.astype(np.int64),
        name="digits",
        axes={"sample": None, "row": None, "column": None},
        classes=_TEN_DIGITS,
        target_name="digit",
        description=(
            "Handwritten digits of 13 people, 8×8 pixels: each counts the inked dots, 0 to 16, "
            "of a 4×4 block of a 32×32 bitmap. The test part of E. Alpaydin and C. Kaynak, Optical "
            "Recognition of Handwritten Digits (1998), UCI Machine Learning Repository, CC BY 4.0."
        ),
    )


def mnist(data_dir: str | Path | None = None, *, download: bool = False) -> tuple[Dataset, Dataset]:
    """Return the training (60,000) and test (10,000) part of MNIST.

    Inputs uint8 0…255 `(sample, row, column)`, 28×28, bright ink on black; targets 0…9.

    `data_dir` is the folder with the four IDX files, gzip-compressed or not, or with a folder
    `mnist` that holds them; without it the folder that the environment variable `NEURONA_DATA`
    names, or `~/.cache/neurona/data`. `download=True` fetches what is missing to its `mnist`
    folder. Every file is checked against its SHA-256 after decompression.

    Raises DataError, naming the file, when one is missing, damaged or another than expected.
    """
    folder = folder_of(data_dir)
    train, test = (_mnist_part(part, folder, download) for part in ("train", "test"))
    return train, test


def birth_life_2010(data_dir: str | Path | None = None) -> Dataset:
    """Return births per woman and life expectancy of 190 countries in 2010, for a regression.

    Inputs float64 `(country, feature)` = (190, 1), births per woman; targets float64 (190, 1),
    life expectancy at birth in years; in the order of the file, `birth_life_2010.txt` in `data_dir`
    or where `mnist` looks.

    Raises DataError, naming file and line, when it is missing or not the expected table.
    """
    folder = folder_of(data_dir)
    path = find_file(folder, ["birth_life_2010.txt"])
    if path is None:
        raise DataError(f"birth_life_2010.txt: not found in {folder}; {_WHERE_TO_PUT}")
    countries, births, years = _birth_life_rows(path)
    return Dataset(
        inputs=np.array(births)[:, None],
        targets=np.array(years)[:, None],
        name="birth_life_2010",
        axes={"country": countries, "feature": ("births per woman",)},
        target_name="life expectancy at birth in years",
        description=(
            "Births per woman and life expectancy at birth by country in 2010; World Bank figures "
            "as prepared for C. Huyen's course CS 20SI."
        ),
    )


def adult(data_dir: str | Path | None = None, *, download: bool = False) -> tuple[Table, Table]:
    """Return the training (32,561 rows) and test part (16,281) of the census income data.

    Six numeric and eight categorical columns about people in the USA of 1994, three of them with
    gaps, and the target "income", "<=50K" or ">50K".

    The arguments are those of `mnist`; the files are `adult.data` and `adult.test`.

    Raises DataError, naming the file, when one is missing, damaged or another than expected.
    """
    folder = folder_of(data_dir)
    train, test = (_adult_part(file, folder, download) for file in _ADULT)
    return train, test


_WHERE_TO_PUT = "pass data_dir (--data-dir) or set NEURONA_DATA to the folder that holds it"


def _adult_part(name: str, folder: Path, download: bool) -> Table:
    path = _found(
        folder,
        "adult",
        [name],
        mirrors=ADULT_MIRRORS if download else (),
        kept=name,
        check=lambda fetched: _check_content(fetched, _ADULT[name]),
        limit=_ADULT_LARGEST,
    )
    _check_content(path, _ADULT[name])
    table = read_csv(path, columns=list(_ADULT_KINDS), kinds=_ADULT_KINDS, comment="|")
    columns: dict[str, NDArray[np.float64] | Categories] = {
        column: table[column] if kind == "numeric" else table.categories(column)
        for column, kind in _ADULT_KINDS.items()
    }
    income = table.categories("income")  # ends with a full stop in the test part
    names = tuple(name.rstrip(".") for name in income.names)
    return Table(
        columns | {"income": Categories(names, income.codes)},
        name="adult-train" if name == "adult.data" else "adult-test",
        target="income",
        lines=table.lines,
        description=(
            "Does a person earn more than 50,000 dollars a year? Extracted by B. Becker from the "
            "census of 1994 in the USA; fnlwgt is the census' estimate of how many people a row "
            "stands for. B. Becker and R. Kohavi, Adult (1996), UCI Machine Learning Repository, "
            "CC BY 4.0."
        ),
    )


def _check_content(path: Path, sha256: str) -> None:
    import hashlib

    digest = hashlib.sha256()
    with reading(path) as file:
        while chunk := file.read(1 << 16):
            digest.update(chunk)
    check_digest(path, sha256, digest.hexdigest())


def _found(
    folder: Path,
    inside: str,
    spellings: Sequence[str],
    *,
    mirrors: Sequence[str],
    kept: str,
    check: Callable[[Path], object],
    limit: int,
) -> Path:
    """The file in the folder or in `inside` below it, fetched from one of the mirrors if need be.

    The file is that of the first spelling, with ".gz" at its end or not; `kept` is its name at the
    mirrors and after fetching.
    """
    names = [
        f"{where}{spelling}{end}"
        for where in (f"{inside}/", "")
        for spelling in spellings
        for end in (".gz", "")
    ]
    path = find_file(folder, names)
    if path is None and mirrors:
        path = folder / inside / kept
        fetch([f"{mirror}{kept}" for mirror in mirrors], path, check=check, limit=limit)
    if path is None:
        raise DataError(
            f"{spellings[0]}[.gz]: not found in {folder} or {folder / inside}; {_WHERE_TO_PUT}, "
            "or ask for a download (download=True, --download)"
        )
    return path


def _mnist_part(part: str, folder: Path, download: bool) -> Dataset:
    images, labels = (_mnist_file(file, folder, download) for file in _MNIST[part])
    return Dataset(
        inputs=images,
        targets=labels.astype(np.int64),
        name=f"mnist-{part}",
        axes={"sample": None, "row": None, "column": None},
        classes=_TEN_DIGITS,
        target_name="digit",
        description=(
            "Handwritten digits, 28×28 grey pixels 0 to 255, centred by centre of mass. Y. LeCun, "
            "C. Cortes, C. Burges, The MNIST database of handwritten digits."
        ),
    )


def _mnist_file(file: _IdxFile, folder: Path, download: bool) -> NDArray[Any]:
    path = _found(
        folder,
        "mnist",
        (file.name, file.name.replace("-idx", ".idx")),  # both are in circulation
        mirrors=MNIST_MIRRORS if download else (),
        kept=f"{file.name}.gz",
        check=lambda fetched: read_idx(fetched, sha256=file.sha256),
        limit=_MNIST_LARGEST,
    )
    return read_idx(path, sha256=file.sha256)


def _birth_life_rows(path: Path) -> tuple[list[str], list[float], list[float]]:
    header = "Country\tBirth rate\tLife expectancy"
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise DataError(f"{path}: cannot be read as text: {error}") from None
    if not lines or lines[0] != header:
        found = lines[0] if lines else "an empty file"
        raise DataError(f"{path}: line 1: expected the header {header!r}, found {found[:80]!r}")
    countries, births, years = [], [], []
    for number, line in enumerate(lines[1:], start=2):
        fields = line.split("\t")
        try:
            country, birth, year = fields[0], float(fields[1]), float(fields[2])
        except (IndexError, ValueError):
            fields = []
        if len(fields) != 3:
            raise DataError(
                f"{path}: line {number}: expected a name and two numbers separated by tabs, "
                f"found {line[:80]!r}"
            )
        countries.append(country)
        births.append(birth)
        years.append(year)
    if len(countries) != 190:
        raise DataError(f"{path}: expected 190 countries, found {len(countries)}")
    return countries, births, years
