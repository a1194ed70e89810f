"""gradlab tag."""

import sys

from gradlab.commands import shared
from gradlab.errors import UserError
from gradlab.suite import tell

TEXT = "the part of speech of each word, by a recurrent network that has learnt a treebank"
KEYS = """--json: word, tag, known; a list of these for each sentence; known: whether the training
has seen it. Tags are those of Universal Dependencies: universaldependencies.org/u/pos"""
WIDEST = 40  # letters: behind a longer word its tag stands further right


def arguments(tag):
    """What is tagged, by which model; and how another one is learnt."""
    tag.add_argument(
        "text", metavar="TEXT", nargs="*", help="a sentence each; none: a sentence a line of stdin"
    )
    tag.add_argument("--model", metavar="FILE", help=".safetensors; else the one that comes along")
    tag.add_argument("--learn", metavar="CORPUS", help="learn this .conllu first, write --model")
    tag.add_argument("--dev", metavar="CORPUS", help="a .conllu to be judged on; else every tenth")
    for name, text in (
        ("epochs", "of --learn: 4"), ("batch", "sentences: 32"), ("hidden", "units: 64"),
    ):  # fmt: skip
        tag.add_argument(f"--{name}", metavar="N", type=shared.positive, help=text)
    tag.add_argument("--lower", action="store_true", help="a capital is its small letter")
    shared.add_json(tag)


def command(options):
    """A word and its tag a line, an empty line between sentences."""
    if options.learn is not None:
        _learn(options)
        if not options.text:
            return shared.FINE
    else:
        _check_lone(options)
    from gradlab.tagging.tagger import Tagger, shipped
    from gradlab.text import english

    tagger = Tagger.load(shipped() if options.model is None else options.model)
    sentences = [english.words(text) for text in options.text or _read()]
    sentences = [words for words in sentences if words]
    if not sentences:
        raise UserError('no words: give a text, as in gradlab tag "where can I get it ?"')
    found = [list(zip(words, tags, strict=True)) for words, tags in zip(
        sentences, tagger.tags(sentences), strict=True,
    )]  # fmt: skip
    if options.json:
        knows = tagger.vocabulary.knows
        shared.print_json(
            [[{"word": w, "tag": t, "known": knows(w)} for w, t in one] for one in found]
        )
    else:
        print("\n\n".join(map(_lines, found)))
    return shared.FINE


def _read():
    """The lines of stdin, without a byte order mark before them."""
    try:
        lines = list(sys.stdin or ())  # None: it is closed
    except UnicodeDecodeError as error:
        raise UserError(f"stdin: not in {error.encoding}") from None
    return [lines[0].removeprefix("\ufeff"), *lines[1:]] if lines else []


def _lines(pairs):
    width = min(WIDEST, max(len(word) for word, _ in pairs))
    return "\n".join(f"{word:{width}}  {tag}" for word, tag in pairs)


def _check_lone(options):
    """Raise UserError for what goes with --learn alone."""
    for name in ("dev", "epochs", "batch", "hidden", "lower"):
        if getattr(options, name) not in (None, False):
            raise UserError(f"--{name} goes with --learn CORPUS: a model has its own")


def _learn(options):
    if options.model is None:
        raise UserError("--learn needs --model FILE.safetensors, where the tagger is to be written")
    from gradlab.tagging.corpus import Corpus
    from gradlab.tagging.learn import learn

    given = {
        "epochs": options.epochs, "batch": options.batch, "hidden_size": options.hidden,
        "embedding": options.hidden,
    }  # fmt: skip
    corpus = Corpus.read(options.learn, options.dev, lower=options.lower)
    tagger = learn(corpus, tell.say, **{k: v for k, v in given.items() if v is not None})
    tagger.save(options.model)
