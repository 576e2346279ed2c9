"""Text as numbers: tokens, tokenisers, vocabularies, discrete vectors."""

from neurona.text.byte_pair_tokenizer import BytePairTokenizer
from neurona.text.character_tokenizer import CharacterTokenizer
from neurona.text.pairs import PairBatch, PairBatches, pair_groups, read_pairs, split_pairs
from neurona.text.tokenizer import Tokenizer, load_tokenizer
from neurona.text.tokens import character_tokens, word_tokens
from neurona.text.vectors import bag_of_words, one_hot, term_frequency
from neurona.text.vocabulary import Vocabulary
from neurona.text.word_tokenizer import WordTokenizer

__all__ = [
    "BytePairTokenizer",
    "CharacterTokenizer",
    "PairBatch",
    "PairBatches",
    "Tokenizer",
    "Vocabulary",
    "WordTokenizer",
    "bag_of_words",
    "character_tokens",
    "load_tokenizer",
    "one_hot",
    "pair_groups",
    "read_pairs",
    "split_pairs",
    "term_frequency",
    "word_tokens",
]
