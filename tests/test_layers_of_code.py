"""The layers of the code: what a folder may import, and what no file of the package may contain."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

CHECKOUT = Path(__file__).resolve().parents[1]
PACKAGE = CHECKOUT / "src" / "neurona"

LAYERS = (
    ("core",),
    ("ops",),
    ("autodiff",),
    ("graph",),
    ("compiler",),
    ("nn",),
    ("optim",),
    ("data",),
    ("report",),
    ("train",),
    ("models",),
    ("keras",),
    ("text", "rl", "meta"),
    ("interop",),
    ("distributed", "serve", "pipeline", "playground"),
    ("cli",),
)
"""From the ground up. A folder imports itself and the lines above its own."""

RANK = {folder: rank for rank, line in enumerate(LAYERS) for folder in line}
MAX_LINES = 500
PICKLES = {"pickle", "cPickle", "_pickle", "dill", "cloudpickle", "marshal", "shelve", "joblib"}


def python_files(*folders: str) -> list[Path]:
    return sorted(
        path for folder in folders for path in (CHECKOUT / folder).rglob("*.py") if path.is_file()
    )


def source_trees() -> Iterator[tuple[Path, ast.Module]]:
    for path in python_files("src"):
        yield path, ast.parse(path.read_text(encoding="utf-8"), str(path))


def place(path: Path, node: ast.AST) -> str:
    return f"{path.relative_to(CHECKOUT)}:{getattr(node, 'lineno', 0)}"


def imported_modules(path: Path, tree: ast.Module) -> Iterator[tuple[ast.AST, str]]:
    """Every module a file imports anywhere, inside functions and for type checkers too.

    `ne.nn` after `import neurona as ne` counts as an import of `neurona.nn`.
    """
    package = ("neurona", *path.relative_to(PACKAGE).parent.parts)
    roots = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            for alias in node.names:
                yield node, alias.name
                if alias.name == "neurona":
                    roots.add(alias.asname or "neurona")
        elif isinstance(node, ast.ImportFrom):
            base = package[: len(package) - node.level + 1] if node.level else ()
            module = ".".join((*base, *([node.module] if node.module else [])))
            for alias in node.names:
                yield node, f"neurona.{alias.name}" if module == "neurona" else module
    for node in ast.walk(tree):
        match node:
            case ast.Attribute(value=ast.Name(id=name), attr=attribute) if name in roots:
                yield node, f"neurona.{attribute}"


def rank_of(module: str) -> int:
    """The layer of `neurona.folder…`. A file beside the folders stands as high as what it uses.

    So does the package itself, but what it loads when first asked for (imported under TYPE_CHECKING
    there) counts where it is asked for.
    """
    name = module.split(".")[1] if "." in module else "__init__"
    if name in RANK:
        return RANK[name]
    path = PACKAGE / f"{name}.py"
    path = path if path.is_file() else PACKAGE / "__init__.py"
    tree = ast.parse(path.read_text(encoding="utf-8"))
    for node in ast.walk(tree):
        match node:
            case ast.If(test=ast.Name(id="TYPE_CHECKING"), body=body):
                for late in body:
                    match late:
                        case ast.ImportFrom(module=str(source), names=names) if name in [
                            alias.asname or alias.name for alias in names
                        ]:
                            return rank_of(source)
                body.clear()
    modules = [used for _, used in imported_modules(PACKAGE / "__init__.py", tree)]
    return max(rank_of(used) for used in modules if used.startswith("neurona."))


def test_imports_are_seen() -> None:
    path = PACKAGE / "ops" / "sub" / "file.py"
    text = """
import numpy, neurona.nn
import neurona as ne
from neurona import optim
from neurona.core import node
from .. import sum
from ...train import model
def f(): return ne.compile(ne.data.digits)
"""
    found = {module for _, module in imported_modules(path, ast.parse(text))}
    assert found == {
        "numpy",
        "neurona",
        "neurona.nn",
        "neurona.optim",
        "neurona.core",
        "neurona.ops",
        "neurona.train",
        "neurona.compile",
        "neurona.data",
    }
    ranks = {name: rank_of(f"neurona.{name}") for name in ("compile", "random", "add", "nn.linear")}
    assert ranks["compile"] == RANK["compiler"]
    assert ranks["random"] == RANK["ops"]
    assert ranks["nn.linear"] == RANK["nn"]
    assert RANK["ops"] <= ranks["add"] < RANK["compiler"]


def test_every_folder_has_its_place() -> None:
    folders = {path.name for path in PACKAGE.iterdir() if path.is_dir() and path.name[0] != "_"}
    assert folders <= RANK.keys(), "name new folders in LAYERS, and in the design"


def test_folders_import_only_what_stands_above_them() -> None:
    wrong = []
    for path, tree in source_trees():
        own = path.relative_to(PACKAGE).parts[0]
        if own not in RANK:  # files beside the folders: their users are held to `rank_of`
            continue
        for node, module in imported_modules(path, tree):
            parts = module.split(".")
            if parts[0] != "neurona" or parts[1:2] == [own]:
                continue
            if rank_of(module) >= RANK[own]:
                wrong.append(f"{place(path, node)}: {own} imports {module}")
    assert not wrong, "\n".join(wrong)


def test_init_files_only_hand_names_on() -> None:
    allowed = (ast.Import, ast.ImportFrom, ast.Assign, ast.AnnAssign, ast.If, ast.Expr, ast.Delete)
    wrong = []
    for path, tree in source_trees():
        if path.name != "__init__.py":
            continue
        for node in tree.body:
            lazy = isinstance(node, ast.FunctionDef) and node.name in ("__getattr__", "__dir__")
            if not (isinstance(node, allowed) or lazy):
                wrong.append(f"{place(path, node)}: {type(node).__name__}")
    assert not wrong, "\n".join(wrong)


def test_files_stay_short() -> None:
    lengths = {
        path: len(path.read_text(encoding="utf-8").splitlines())
        for path in python_files("src", "tests", "benchmarks", "examples")
    }
    long = [f"{path}: {lines} lines" for path, lines in lengths.items() if lines > MAX_LINES]
    assert not long, "\n".join(long)


def test_no_forbidden_constructs() -> None:
    wrong = [
        f"{place(path, node)}: {why}"
        for path, tree in source_trees()
        for node in ast.walk(tree)
        if (why := forbidden(node))
    ]
    assert not wrong, "\n".join(wrong)


def forbidden(node: ast.AST) -> str | None:
    """Why a node has no business in the package, or None."""
    match node:
        case ast.Assert():
            return "assert; raise a typed error"
        case ast.ExceptHandler(type=None):
            return "bare except; name the error"
        case ast.Call(func=ast.Name(id="eval" | "exec" | "__import__" as name)):
            return f"{name}() runs code from data"
        case ast.Import(names=names) if any(n.name.split(".")[0] in PICKLES for n in names):
            return "pickle runs code from the file; use safetensors and JSON"
        case ast.ImportFrom(module=str(module)) if module.split(".")[0] in PICKLES:
            return "pickle runs code from the file; use safetensors and JSON"
        case ast.keyword(arg="allow_pickle", value=ast.Constant(value=True)):
            return "allow_pickle=True runs code from the file"
    return None


def test_forbidden_sees_what_it_forbids() -> None:
    bad = (
        "assert x",
        "try: f()\nexcept: pass",
        "eval('1')",
        "exec('1')",
        "import pickle",
        "import pickle as p",
        "from pickle import loads",
        "numpy.load(f, allow_pickle=True)",
    )
    for text in bad:
        assert any(forbidden(node) for node in ast.walk(ast.parse(text))), text
    for text in ("model.eval()", "import numpy", "try: f()\nexcept OSError: pass"):
        assert not any(forbidden(node) for node in ast.walk(ast.parse(text))), text


def test_one_file_reads_the_environment() -> None:
    readers = {
        place(path, node)
        for path, tree in source_trees()
        for node in ast.walk(tree)
        if isinstance(node, ast.Attribute) and node.attr in ("environ", "getenv", "environb")
        if path != PACKAGE / "core" / "config.py"
    }
    assert not readers, "settings are read in core/config.py: " + ", ".join(sorted(readers))


COMPILER = ("ir", "machine", "run", "lower")
"""The compiler's own folders from the ground up; the files beside them, and `explain`, use all."""


def test_folders_of_the_compiler_import_only_those_below() -> None:
    wrong = []
    for rank, folder in enumerate(COMPILER):
        for path in sorted((PACKAGE / "compiler" / folder).glob("*.py")):
            tree = ast.parse(path.read_text(encoding="utf-8"))
            known = {f"neurona.compiler.{name}" for name in COMPILER[: rank + 1]}
            # What a type checker alone sees does not count.
            for node in tree.body:
                if not isinstance(node, ast.ImportFrom) or not node.module:
                    continue
                inside = node.module.startswith("neurona.compiler")
                if inside and ".".join(node.module.split(".")[:3]) not in known:
                    wrong.append(f"{place(path, node)}: {node.module}")
    assert not wrong
