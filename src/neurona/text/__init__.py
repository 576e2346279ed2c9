"""Text as numbers: tokens, tokenisers, vocabularies, discrete vectors, language models."""

from neurona.text.beam_search import Beam, BeamSearch
from neurona.text.byte_pair_tokenizer import BytePairTokenizer
from neurona.text.character_tokenizer import CharacterTokenizer
from neurona.text.choice import keep_top_k, keep_top_p
from neurona.text.generation import TokenGenerator
from neurona.text.language_model import LanguageModel
from neurona.text.network_language_model import NetworkLanguageModel
from neurona.text.ngram_counts import NGramCounts
from neurona.text.ngrams import NGramModel
from neurona.text.pairs import (
    PairBatch,
    PairBatches,
    padded,
    pair_groups,
    read_pairs,
    split_pairs,
)
from neurona.text.smoothing import AddK, Interpolation, KneserNey
from neurona.text.tagged import TaggedSentence, read_conll, read_conllu
from neurona.text.tokenizer import Tokenizer, load_tokenizer
from neurona.text.tokens import character_tokens, word_tokens
from neurona.text.vectors import bag_of_words, one_hot, term_frequency
from neurona.text.vocabulary import Vocabulary
from neurona.text.word_tokenizer import WordTokenizer

__all__ = [
    "AddK",
    "Beam",
    "BeamSearch",
    "BytePairTokenizer",
    "CharacterTokenizer",
    "Interpolation",
    "KneserNey",
    "LanguageModel",
    "NGramCounts",
    "NGramModel",
    "NetworkLanguageModel",
    "PairBatch",
    "PairBatches",
    "TaggedSentence",
    "TokenGenerator",
    "Tokenizer",
    "Vocabulary",
    "WordTokenizer",
    "bag_of_words",
    "character_tokens",
    "keep_top_k",
    "keep_top_p",
    "load_tokenizer",
    "one_hot",
    "padded",
    "pair_groups",
    "read_conll",
    "read_conllu",
    "read_pairs",
    "split_pairs",
    "term_frequency",
    "word_tokens",
]
