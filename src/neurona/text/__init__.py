"""Text as numbers: tokens, vocabularies, discrete vectors."""

from neurona.text.pairs import PairBatch, PairBatches, pair_groups, read_pairs, split_pairs
from neurona.text.tokens import character_tokens, word_tokens
from neurona.text.vectors import bag_of_words, one_hot, term_frequency
from neurona.text.vocabulary import Vocabulary

__all__ = [
    "PairBatch",
    "PairBatches",
    "Vocabulary",
    "bag_of_words",
    "character_tokens",
    "one_hot",
    "pair_groups",
    "read_pairs",
    "split_pairs",
    "term_frequency",
    "word_tokens",
]
