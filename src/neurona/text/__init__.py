"""Text as numbers: tokens, vocabularies, discrete vectors."""

from neurona.text.tokens import character_tokens, word_tokens
from neurona.text.vectors import bag_of_words, one_hot, term_frequency
from neurona.text.vocabulary import Vocabulary

__all__ = [
    "Vocabulary",
    "bag_of_words",
    "character_tokens",
    "one_hot",
    "term_frequency",
    "word_tokens",
]
