"""Sample corpora: small, invented, in a corpus's exact release layout.

They let users try everything without a licence or a download. The sentences come from small
grammars of our own, over words that are typical of each corpus: markers such as ``loc-``,
``cl-`` and ``-PLUSPLUS`` in the raw German annotation, digits that are glosses in the Chinese
one, right-to-left text in the Arabic one. No sentence of dev or test is in train. Beside the
corpus are two invented hypotheses for its test split, ``hyp.ctm`` and ``hyp_b.ctm``, and, if it
has translations, ``translations.tsv`` and ``translations_b.tsv``.

On request each sentence is signed by a drawn figure, in pictures laid out as in the corpus
(:mod:`slaeval.loaders.sample.rendering`). The sentences are then different and easy to learn: two
words of each slot of the grammar, 12 in all, in any order. The same seed gives the same bytes.
"""

from __future__ import annotations

import os
import random
import secrets
import shutil
from collections.abc import Callable, Mapping
from importlib import import_module

from slaeval.errors import SlaevalError, UsageError
from slaeval.extras import require
from slaeval.loaders.registry import layout, layouts, resolve
from slaeval.loaders.sample.draft import Draft, SampleMaker

__all__ = ["FILMED_SIZES", "SIZES", "maker_of", "write_sample"]

#: Sentences per split.
SIZES = {"train": 96, "dev": 24, "test": 48}

#: The same for a filmed sample, which is meant for training.
FILMED_SIZES = {"train": 144, "dev": 24, "test": 48}


def maker_of(name: str) -> SampleMaker:
    """Return the maker of a corpus's sample.

    Raises
    ------
    UsageError
        Unknown corpus, or one without a sample.
    """
    described = layout(name)
    if not described.sample:
        known = [other for other, one in layouts().items() if one.sample]
        raise UsageError(f"there is no sample of {described.name}; there are: {', '.join(known)}")
    module, _, attribute = described.sample.partition(":")
    maker: SampleMaker = getattr(import_module(module), attribute)
    return maker


def write_sample(
    name: str,
    directory: str | os.PathLike[str],
    seed: int = 0,
    video: bool = False,
    sizes: Mapping[str, int] | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> list[str]:
    """Write a sample corpus.

    Parameters
    ----------
    name : str
        Whose layout to write, in any spelling of the corpus's name.
    directory : path-like
        Where to write it; must not exist, or be an empty folder.
    seed : int
        Seed of the random sentences.
    video : bool
        Also render each sentence; needs the extra ``run``. The sentences are then different: 12
        words (and the markers of Phoenix 2014), each of them frequent and in any order, so that
        they can be learned from few sentences.
    sizes : mapping, optional
        Sentences per split, at least one each, in place of :data:`SIZES` or
        :data:`FILMED_SIZES` (with more to train on where a corpus needs it).
    progress : callable, optional
        Called with the number of sentences rendered and their total.

    Returns
    -------
    list of str
        The annotation and hypothesis files written, relative.

    Raises
    ------
    UsageError
        Unknown corpus, one without a sample, impossible sizes, or a folder that is not empty.
    SlaevalError
        The folder cannot be written, or the extra is not installed.
    """
    name = resolve(name)
    maker = maker_of(name)
    target = os.path.abspath(directory)
    if os.path.exists(target) and (not os.path.isdir(target) or os.listdir(target)):
        raise UsageError(f"{target} exists and is not an empty folder; name another one")
    if sizes is None:
        sizes = dict(FILMED_SIZES if video else SIZES)
        if video:
            sizes["train"] = round(maker.filmed_training * sizes["train"])
    if set(sizes) != set(SIZES) or min(sizes.values()) < 1:
        raise UsageError(f"sizes must give {', '.join(SIZES)} one sentence each at least: {sizes}")
    draft = _drafted(name, seed, sizes, video)
    files = draft.files
    if video:
        require("run", "rendering")
    # Keep an existing folder itself: it may be a shell's working directory or a link's target.
    there = os.path.isdir(target)
    temporary = os.path.join(target, ".") if there else f"{target}."
    temporary += f"{secrets.token_hex(4)}.tmp"
    try:
        for path, content in files.items():
            full = os.path.join(temporary, *path.split("/"))
            os.makedirs(os.path.dirname(full), exist_ok=True)
            with open(full, "w", encoding="utf-8", newline="\n") as stream:
                stream.write(content)
        if video:
            from slaeval.loaders.sample.rendering import render_scenes

            render_scenes(draft.scenes, temporary, name, seed, maker.filmed_words, progress)
        if not there:
            os.rename(temporary, target)
            return list(files)
        if os.listdir(target) != [os.path.basename(temporary)]:
            raise SlaevalError(f"{target}: something else was written here in the meantime")
        for path in os.listdir(temporary):
            os.rename(os.path.join(temporary, path), os.path.join(target, path))
        os.rmdir(temporary)
    except BaseException as error:
        shutil.rmtree(temporary, ignore_errors=True)
        if isinstance(error, OSError):
            raise SlaevalError(f"{target}: cannot write: {error.strerror or error}") from None
        raise
    return list(files)


def _drafted(name: str, seed: int, sizes: Mapping[str, int], filmed: bool) -> Draft:
    """Invent a corpus."""
    start = f"{name} {seed} filmed" if filmed else f"{name} {seed}"
    again, translators = (random.Random(f"{start} {apart}") for apart in ("again", "translations"))
    draft = Draft(random.Random(start), again, translators, sizes, filmed)
    maker_of(name).draft(draft)
    return draft
