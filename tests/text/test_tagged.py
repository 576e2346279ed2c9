"""Files of columns: what is read of them, and what is wrong with them, with the line."""

from __future__ import annotations

from pathlib import Path

import pytest

from neurona.core.errors import ArgumentError, DataError
from neurona.text import read_conll, read_conllu

UNIVERSAL = """\
# sent_id = 1
# text = Vamos al mar.
1\tVamos\tir\tVERB\tvmip1p0\t_\t0\troot\t_\t_
2-3\tal\t_\t_\t_\t_\t_\t_\t_\t_
2\ta\ta\tADP\tsps00\t_\t4\tcase\t_\t_
3\tel\tel\tDET\tda0ms0\t_\t4\tdet\t_\t_
4\tmar\tmar\tNOUN\tncms000\t_\t1\tobl\t_\tSpaceAfter=No
5\t.\t.\tPUNCT\tfp\t_\t1\tpunct\t_\t_

# text = Ana compró pan y Luis vino
1\tAna\tAna\tPROPN\t_\t_\t2\tnsubj\t_\t_
2\tcompró\tcomprar\tVERB\t_\t_\t0\troot\t_\t_
3\tpan\tpan\tNOUN\t_\t_\t2\tobj\t_\t_
4\ty\ty\tCCONJ\t_\t_\t5\tcc\t_\t_
5\tLuis\tLuis\tPROPN\t_\t_\t2\tconj\t_\t_
5.1\tcompró\tcomprar\tVERB\t_\t_\t_\t_\t2:conj\t_
6\t10\u00a0000\t10000\tNUM\t_\t_\t7\tnummod\t_\t_
7\t_\t_\tSYM\t_\t_\t5\torphan\t_\t_
"""

ENTITIES = """\
-DOCSTART- -X- O O

Ana NP B-NP B-PER
Ruiz NP I-NP I-PER
visitó VMI O O
# Fz O O

Madrid NP B-NP B-LOC
"""


def test_words_and_parts_of_speech(tmp_path: Path) -> None:
    path = tmp_path / "es.conllu"
    path.write_text(UNIVERSAL, encoding="utf-8")
    first, second = read_conllu(path)
    assert first.words == ("Vamos", "a", "el", "mar", ".")
    assert first.tags == ("VERB", "ADP", "DET", "NOUN", "PUNCT")
    assert second.words == ("Ana", "compró", "pan", "y", "Luis", "10\u00a0000", "_")
    assert read_conllu(path, "DEPREL")[0].tags == ("root", "case", "det", "obl", "punct")
    path.write_bytes(("\ufeff" + UNIVERSAL).replace("\n", "\r\n").encode())
    assert read_conllu(path) == [first, second]
    with pytest.raises(DataError, match=r"es\.conllu: line 11: the word 'Ana' has no XPOS"):
        read_conllu(path, "XPOS")
    with pytest.raises(ArgumentError, match="unknown column 'UPOSS'; did you mean 'UPOS'"):
        read_conllu(path, "UPOSS")


def test_words_and_entities(tmp_path: Path) -> None:
    path = tmp_path / "esp.train"
    path.write_text(ENTITIES, encoding="utf-8")
    first, second = read_conll(path)
    assert first.words == ("Ana", "Ruiz", "visitó", "#")  # no comment: columns have none
    assert first.tags == ("B-PER", "I-PER", "O", "O")
    assert second == (("Madrid",), ("B-LOC",))
    assert read_conll(path, 1)[0].tags == ("NP", "NP", "VMI", "Fz")
    path.write_text("\n\nAna\tO\n \n\u0085 O\n\n\n", encoding="utf-8")
    assert read_conll(path) == [(("Ana",), ("O",)), (("\u0085",), ("O",))]


WORD = "1\tmar\tmar\tNOUN\t_\t_\t0\troot\t_\t_\n"


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (WORD + WORD, r"line 2: the id is 1 where 2 follows; between sentences"),
        (
            "# x\n\n" + WORD + "2\tazul\tADJ\n",
            r"line 4: CoNLL-U has 10 columns divided by tabs, found 3: '2",
        ),
        (WORD.replace("\t", " "), r"line 1: CoNLL-U has 10 columns divided by tabs, found 1"),
        (WORD.replace("1", "x"), r"line 1: the id 'x' is none of 1, 1-2 and 1\.1"),
        (WORD.replace("NOUN", "_"), r"line 1: the word 'mar' has no UPOS, but '_'"),
        (WORD.replace("1\tmar", "1\t"), r"line 1: the column FORM is empty"),
        ("# nothing\n\n", r"holds no sentences"),
    ],
)
def test_what_is_no_conllu(content: str, message: str, tmp_path: Path) -> None:
    path = tmp_path / "wrong.conllu"
    path.write_text(content, encoding="utf-8")
    with pytest.raises(DataError, match=r"wrong\.conllu: " + message):
        read_conllu(path)


@pytest.mark.parametrize(
    ("content", "column", "message"),
    [
        (
            b"Ana NP B-PER\nvive O\n",
            -1,
            r"line 2: the lines before have 3 columns, found 2: 'vive O",
        ),
        (
            b"\nAna\n",
            -1,
            r"line 2: no column -1 for the tag .* found 1: 'Ana'",
        ),
        (b"Ana O\n", 2, r"line 1: no column 2 for the tag behind the word's, found 2"),
        (b"Ana O\n", 0, r"line 1: no column 0 for the tag"),
        (b"Ana O\n", -2, r"line 1: no column -2 for the tag"),
        (b"Ana O\n\nS\xed O\n", -1, r"line 3 is not UTF-8 text \(invalid .*\); convert the file"),
        (b"-DOCSTART- O\n\n", -1, r"holds no sentences"),
    ],
)
def test_what_is_no_file_of_columns(
    content: bytes, column: int, message: str, tmp_path: Path
) -> None:
    path = tmp_path / "wrong.txt"
    path.write_bytes(content)
    with pytest.raises(DataError, match=r"wrong\.txt: " + message):
        read_conll(path, column)
    with pytest.raises(DataError, match=r"none\.txt: no such file"):
        read_conll(tmp_path / "none.txt")
