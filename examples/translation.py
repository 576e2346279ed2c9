"""Translation between Spanish and English: LSTMs with and without attention, and a Transformer.

The pairs are those of `spa-eng.txt` (tatoeba.org) in the folder that NEURONA_DATA names; 2,000 of
them, none of whose sentences is among the others, measure the translations with sacreBLEU. A
picture shows which words a network looks at while it says each of its own.

python examples/translation.py [--network seq2seq|transformer] [--attention none|additive|dot]
    [--direction spanish-english|english-spanish] [--epochs N] [--held-out N] [--most N]
    [--beams N …] [--picture PICTURE.png]
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

import neurona as ne
from neurona import models, nn, optim, text
from neurona.core import config as settings
from neurona.core.errors import ArgumentError, DataError
from neurona.models.sequence_to_sequence import scheduled_inputs
from neurona.nn import functional as F
from neurona.text.pairs import Pair, normalised, padded


@dataclass(frozen=True, kw_only=True)
class Config:
    """vocabulary: tokens of each language, parts of words by byte-pair encoding.

    most: pairs to learn from, None for all. sizes: to which sentences are padded; pairs with a
    longer one are not learnt from. smoothing: of labels.
    hidden_size: of the LSTMs, and attention: their score, as of `models.SequenceToSequence`.
    layers, heads, features: of the Transformer, and context: the longest sentence that it knows
    positions for. longest: tokens of a translation. beams: see `translate`.
    """

    network: str
    direction: str = "spanish-english"
    vocabulary: int = 4000
    held_out: int = 2000
    most: int | None = None
    sizes: tuple[int, ...] = (8, 10, 12, 16, 24, 40)
    hidden_size: int = 256
    attention: str | None = "dot"
    layers: int = 3
    heads: int = 4
    features: int = 128
    context: int = 100
    dropout: float = 0.2
    epochs: int = 4
    batch_size: int = 64
    learning_rate: float = 2e-3
    smoothing: float = 0.1
    scheduled: float = 0.0
    clip_norm: float = 1.0
    beams: tuple[int, ...] = (1, 4)
    longest: int = 60
    seed: int = 0


CONFIGURATIONS = {
    "seq2seq": Config(network="seq2seq"),
    "transformer": Config(network="transformer", dropout=0.1),
}


LENGTHS = ((1, 4), (5, 7), (8, 10), (11, 15), (16, None))
"""Words of a source, from and to, by which translations are measured apart."""


@dataclass(frozen=True)
class Language:
    """How one language is written in tokens, the last of which ends a sentence."""

    tokenizer: text.BytePairTokenizer

    @classmethod
    def of(cls, sentences: Sequence[str], size: int) -> Language:
        """Learnt from sentences. The space in front makes their first words as all others."""
        spaced = [" " + sentence for sentence in sentences]
        return cls(text.BytePairTokenizer.train(spaced, size, special=["<end>"]))

    @property
    def end(self) -> int:
        return len(self.tokenizer) - 1

    def encode(self, sentence: str) -> Any:
        if not sentence.strip():
            raise DataError("translation: the sentence is empty; leave it out")
        return self.tokenizer.encode(" " + normalised(sentence))

    def decode(self, ids: Any) -> str:
        return self.tokenizer.decode(ids).strip()


def read(config: Config) -> tuple[list[Pair], list[Pair]]:
    """Pairs to learn from and unseen ones, each (source, target)."""
    pairs = text.read_pairs(settings.data_folder() / "spa-eng.txt")
    if config.direction == "spanish-english":
        pairs = [(spanish, english) for english, spanish in pairs]
    training, unseen = text.split_pairs(pairs, config.held_out, seed=config.seed)
    if config.most is not None:
        training = training[:: -(-len(training) // config.most)]
    return training, unseen


def make(config: Config, source: Language, target: Language) -> nn.Module:
    """The network that the configuration names."""
    sizes = len(source.tokenizer), len(target.tokenizer)
    if config.network == "transformer":
        return models.EncoderDecoderTransformer(
            source_vocabulary_size=sizes[0],
            vocabulary_size=sizes[1],
            context=config.context,
            layers=config.layers,
            heads=config.heads,
            features=config.features,
            dropout=config.dropout,
            norm_first=True,
        )
    return models.SequenceToSequence(
        *sizes,
        config.hidden_size,
        attention=config.attention,
        dropout=config.dropout,
    )


def batches_of(
    pairs: Sequence[Pair], source: Language, target: Language, config: Config
) -> text.PairBatches:
    """The pairs as token ids in batches, without those that are too long."""
    ids = [(source.encode(first), target.encode(second)) for first, second in pairs]
    fitting = [pair for pair in ids if max(map(len, pair)) < config.sizes[-1]]
    return text.PairBatches(
        *zip(*fitting, strict=True),
        batch_size=config.batch_size,
        ends=(source.end, target.end),
        sizes=config.sizes,
        seed=config.seed,
        drop_last=len(fitting) >= config.batch_size,
    )


def learn(network: nn.Module, batches: text.PairBatches, config: Config) -> None:
    """Train a network to say each next word of the translation, given those before it."""
    optimizer = optim.Adam(network.parameters(), config.learning_rate, betas=(0.9, 0.98))
    schedule = optim.schedules.OneCycle(epochs=config.epochs)

    @ne.compile
    def step(source: Any, lengths: Any, inputs: Any, targets: Any, share: Any) -> Any:
        if config.scheduled:
            inputs = scheduled_inputs(network, source, inputs, lengths, share=share)
        scores = network(source, inputs, lengths)
        loss = F.token_cross_entropy(scores, targets, label_smoothing=config.smoothing)
        loss.backward()
        optim.clip_gradient_norm(network.parameters(), config.clip_norm)
        optimizer.step()
        return loss

    network.train()
    done = 0
    for epoch in range(config.epochs):
        start, words, total = time.perf_counter(), 0, 0.0
        for batch in batches.epoch(epoch):
            optimizer.learning_rate = config.learning_rate * schedule.factor(done, len(batches))
            share = config.scheduled * done / (config.epochs * len(batches))
            total += float(step(*batch, share))
            words += int((batch.targets >= 0).sum())
            done += 1
        seconds = time.perf_counter() - start
        print(
            f"epoch {epoch + 1}  loss {total / len(batches):.3f}  {words / seconds:.0f} tokens/s  "
            f"in {seconds:.0f} s",
            flush=True,
        )
    network.eval()


def encoded(sentences: Sequence[str], language: Language, config: Config) -> tuple[Any, Any]:
    """Token ids (batch, time) of sentences, padded to one of the sizes if they fit, and lengths."""
    ids = [language.encode(sentence) for sentence in sentences]
    needed = max(map(len, ids)) + 1
    size = next((size for size in config.sizes if size >= needed), needed)
    return padded(ids, size, language.end)


def translate(
    network: nn.Module,
    sentences: Sequence[str],
    source: Language,
    target: Language,
    config: Config,
    beams: int = 1,
) -> list[str]:
    """Translations of sentences.

    beams: 1 takes the most probable word at each place; with more, the most probable of the whole
    translations that a beam of so many reaches.
    """
    begin = ne.compile(network.begin)
    greedy = text.TokenGenerator(network, temperature=0, stop=[target.end])
    search = text.BeamSearch(network, beams=beams, end=target.end)
    found = [""] * len(sentences)
    order = sorted(range(len(sentences)), key=lambda i: len(source.encode(sentences[i])))
    for first in range(0, len(order), config.batch_size):
        places = order[first : first + config.batch_size]
        ids, lengths = encoded([sentences[i] for i in places], source, config)
        with ne.no_grad():
            state = begin(ids, lengths)
        prompts = [[target.end]] * len(places)
        if beams == 1:
            said = greedy.generate(prompts, config.longest, state=state)
        else:
            said = [best[0].tokens for best in search.search(prompts, config.longest, state)]
        for place, tokens in zip(places, said, strict=True):
            found[place] = target.decode([i for i in tokens if i != target.end])
    return found


def draw(
    network: Any,
    sentences: Sequence[str],
    source: Language,
    target: Language,
    config: Config,
    picture: Path,
) -> None:
    """What a network looks at (columns) while it says each part of a translation (rows)."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(4.4 * len(sentences), 4.4), layout="constrained")
    translations = translate(network, sentences, source, target, config)
    for axes, sentence, said in zip(
        figure.subplots(1, len(sentences), squeeze=False)[0], sentences, translations, strict=True
    ):
        read, spoken = source.encode(sentence), target.encode(said)
        inputs = np.append(target.end, spoken)
        with ne.no_grad():
            shares = network.attention_map(np.append(read, source.end)[None], inputs[None])
        axes.imshow(shares.numpy()[0], cmap="gray_r", vmin=0, vmax=1)
        axes.set_xticks(
            range(len(read) + 1), [*parts(read, source), "end"], rotation=60, ha="right"
        )
        axes.set_yticks(range(len(spoken) + 1), [*parts(spoken, target), "end"])
    figure.savefig(picture, dpi=80)


def parts(ids: Any, language: Language) -> list[str]:
    """The text of each token, what cannot be drawn as an escape."""
    texts = [language.tokenizer.decode([i]) for i in ids]
    return [text if text.isprintable() else repr(text)[1:-1] for text in texts]


def by_length(
    given: Sequence[str], said: Sequence[str], wanted: Sequence[str]
) -> Iterator[tuple[str, int, float]]:
    """sacreBLEU by the words of the source: (words, how many sentences, score)."""
    import sacrebleu

    lengths = [len(sentence.split()) for sentence in given]
    for least, most in LENGTHS:
        places = [i for i, words in enumerate(lengths) if least <= words <= (most or words)]
        if places:
            bleu = sacrebleu.corpus_bleu([said[i] for i in places], [[wanted[i] for i in places]])
            yield f"{least}–{most or ''}", len(places), bleu.score


def name_of(config: Config) -> str:
    """The network and its attention."""
    if config.network == "transformer":
        return config.network
    return f"{config.network} with {config.attention or 'no'} attention"


def main(config: Config, picture: Path | None = None) -> dict[int, float]:
    """Train, translate what is unseen, print; returns sacreBLEU by the number of beams."""
    import sacrebleu

    if picture is not None and "no attention" in name_of(config):
        raise ArgumentError("translation: without attention there is no picture to draw")
    training, unseen = read(config)
    source, target = [
        Language.of([pair[i] for pair in training], config.vocabulary) for i in (0, 1)
    ]
    ne.random.seed(config.seed)
    network = make(config, source, target)
    batches = batches_of(training, source, target, config)
    print(
        f"{config.direction}, {name_of(config)}, "
        f"{sum(p.size for p in network.parameters()):,} parameters; {len(training):,} pairs, "
        f"{len(batches):,} batches an epoch",
        flush=True,
    )
    learn(network, batches, config)
    given, wanted = zip(*unseen, strict=True)
    scores = {}
    for beams in config.beams:
        said = translate(network, given, source, target, config, beams)
        bleu = sacrebleu.corpus_bleu(said, [wanted])
        print(f"{beams} beam{'s' if beams > 1 else ''}  {bleu}")
        for words, count, score in by_length(given, said, wanted):
            print(f"  {words:>5} words  {count:5} sentences  {score:4.1f}")
        scores[beams] = bleu.score
    for i in range(0, len(given), -(-len(given) // 10)):
        print(f"\n  {given[i]}\n= {wanted[i]}\n> {said[i]}")
    if picture is not None:
        middle = [sentence for sentence in given if 8 <= len(source.encode(sentence)) <= 12]
        draw(network, middle[:: -(-len(middle) // 3)], source, target, config, picture)
    return scores


if __name__ == "__main__":
    options = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
    options.add_argument("--network", choices=CONFIGURATIONS, default="seq2seq")
    options.add_argument("--attention", choices=("none", "additive", "dot"), help="of seq2seq")
    options.add_argument("--direction", choices=("spanish-english", "english-spanish"))
    options.add_argument("--epochs", type=int)
    options.add_argument("--held-out", type=int, help="pairs to measure with, by default 2000")
    options.add_argument("--most", type=int, help="pairs to learn from, by default all")
    options.add_argument("--beams", type=int, nargs="+", help="by default 1 4")
    options.add_argument("--picture", type=Path)
    given = {name: value for name, value in vars(options.parse_args()).items() if value is not None}
    shown = given.pop("picture", None)
    if given.get("attention") == "none":
        given["attention"] = None
    main(replace(CONFIGURATIONS[given["network"]], **given), shown)
