"""Byte-pair encoding: how text is cut into pieces, which pairs are merged.

Sennrich, Haddow and Birch, "Neural machine translation of rare words with subword units" (2016);
over bytes as in Radford et al., "Language models are unsupervised multitask learners" (2019).
"""

from __future__ import annotations

import functools
import heapq
import re
import sys
import unicodedata
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping
from itertools import pairwise

from neurona.text.tokens import check_characters

Pair = tuple[int, int]

CONTRACTIONS = ("s", "t", "re", "ve", "m", "ll", "d")
"""English endings that are cut off together with their apostrophe."""


@functools.cache
def pieces_pattern() -> re.Pattern[str]:
    """What never is merged with what stands beside it, GPT-2's rule.

    In this order: an English ending with its apostrophe ('s, 're, …); a run of letters, of digits
    or of other signs, each with one space in front of it; white space, of which the last stays for
    what follows.
    """
    # Python's \w is letters, numbers of all kinds and the underscore.
    numbers = _ranges(i for i in range(sys.maxunicode + 1) if _is_number(chr(i)))
    endings = "|".join(CONTRACTIONS)
    # The alternative of plain letters says nothing new; it is found faster.
    return re.compile(
        rf"'(?:{endings})| ?[A-Za-z]+(?!\w)| ?[^\W_{numbers}]+| ?[{numbers}]+| ?(?:_|[^\s\w])+"
        r"|\s+(?!\S)|\s+"
    )


def _is_number(character: str) -> bool:
    return unicodedata.category(character)[0] == "N"


def _ranges(codes: Iterable[int]) -> str:
    """Rising code points as a class of characters is written."""
    found: list[list[int]] = []
    for code in codes:
        if found and found[-1][1] == code - 1:
            found[-1][1] = code
        else:
            found.append([code, code])
    return "".join(f"{chr(first)}-{chr(last)}" for first, last in found)


@functools.cache
def byte_letters() -> tuple[str, ...]:
    """A visible character for each byte, as published vocabularies write them.

    Bytes that Latin-1 prints are that character; the others, the space among them, are the
    characters from 256 on in their order.
    """
    visible = {*range(33, 127), *range(161, 173), *range(174, 256)}
    others = (byte for byte in range(256) if byte not in visible)
    place = {byte: 256 + i for i, byte in enumerate(others)}
    return tuple(chr(place.get(byte, byte)) for byte in range(256))


def train_merges(texts: Iterable[str], number: int, minimum_count: int = 2) -> list[Pair]:
    """The pairs of tokens to merge, in order: always the one that stands most often side by side.

    A token is a byte (0…255) or a merge (256 + its place). Of equally frequent pairs the one with
    the lower numbers comes first. It ends early when no pair stands `minimum_count` times.

    Pairs are counted within the pieces of the text, each different piece once, times how often it
    stands there; a merge looks only at the pieces that hold its pair. Raises `DataError` for half a
    surrogate pair.
    """
    find = pieces_pattern().findall
    histogram: Counter[str] = Counter()
    for text in texts:
        check_characters("BytePairTokenizer.train", text)
        histogram.update(find(text))
    words = [list(piece.encode()) for piece in histogram]
    times = list(histogram.values())
    counts: defaultdict[Pair, int] = defaultdict(int)
    places: defaultdict[Pair, set[int]] = defaultdict(set)
    for i, word in enumerate(words):
        for pair in pairwise(word):
            counts[pair] += times[i]
            places[pair].add(i)
    # Counts in the heap may be too high: they are looked at again when they come to the top.
    heap = [(-count, pair) for pair, count in counts.items()]
    heapq.heapify(heap)
    merges: list[Pair] = []
    while heap and len(merges) < number:
        count, pair = heapq.heappop(heap)
        if -count != counts[pair]:
            if counts[pair] >= minimum_count:
                heapq.heappush(heap, (-counts[pair], pair))
            continue
        if -count < minimum_count:
            break
        grown = set()
        for i in places.pop(pair):
            word = words[i]
            for old in pairwise(word):
                counts[old] -= times[i]
            words[i] = word = merged(word, pair, 256 + len(merges))
            for new in pairwise(word):
                counts[new] += times[i]
                if 256 + len(merges) in new:
                    places[new].add(i)
                    grown.add(new)
        for new in grown:
            heapq.heappush(heap, (-counts[new], new))
        merges.append(pair)
    return merges


def merged(word: list[int], pair: Pair, token: int) -> list[int]:
    """`word` with `token` wherever `pair` stands, from left to right.

    >>> merged([1, 1, 1, 2], (1, 1), 7)
    [7, 1, 2]
    """
    found: list[int] = []
    left, right = pair
    for part in word:
        if part == right and found and found[-1] == left:
            found[-1] = token
        else:
            found.append(part)
    return found


def merge_piece(tokens: list[int], ranks: Mapping[Pair, tuple[int, int]]) -> list[int]:
    """`tokens` after all merges, the first learnt first, each from left to right.

    ranks: pair → (place among the merges, token that it becomes). Time n·log n in the tokens.
    """
    end = len(tokens)
    before, after = list(range(-1, end - 1)), list(range(1, end + 1))
    heap = [(*ranks[pair], i, pair) for i, pair in enumerate(pairwise(tokens)) if pair in ranks]
    heapq.heapify(heap)
    parts = list(tokens)
    while heap:
        _, token, i, pair = heapq.heappop(heap)
        j = after[i]
        if j >= end or (parts[i], parts[j]) != pair:
            continue  # one of the two has been merged with something else
        parts[i], parts[j] = token, -1
        after[i] = k = after[j]
        if k < end:
            before[k] = i
        for left in (before[i], i):
            right = after[left] if left >= 0 else end
            if right < end:
                new = (parts[left], parts[right])
                if new in ranks:
                    heapq.heappush(heap, (*ranks[new], left, new))
    return [part for part in parts if part >= 0]
