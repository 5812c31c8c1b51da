"""``slaeval decode``: saved log probabilities to a hypothesis file."""

from __future__ import annotations

import click

from slaeval.cli.options import chosen_decoding, decoding_options, existing, path_option
from slaeval.decoding.saved import VALUES, Values
from slaeval.errors import InputError, counted

__all__ = ["decode"]


@click.command()
@click.argument("logits", type=existing(), metavar="LOGITS")
@path_option(
    "--vocab",
    "FILE",
    "Glosses in class order, without the blank: one per line, or gloss_dict.npy.",
    required=True,
)
@click.option(
    "--out",
    default="hyp.ctm",
    show_default=True,
    type=existing(),
    metavar="FILE",
    help="CTM file to write.",
)
@click.option(
    "--values",
    type=click.Choice(VALUES),
    default="log-probs",
    show_default=True,
    help="What the arrays hold: natural log probabilities, logits, or probabilities.",
)
@click.option(
    "--blank",
    default=0,
    show_default=True,
    metavar="CLASS",
    help="Class of the blank; -1 for the last. Glosses take the others in order.",
)
@decoding_options("beam", "10", "merge")
def decode(
    logits: str,
    vocab: str,
    out: str,
    values: Values,
    blank: int,
    decoding: str | None,
    width: int | None,
    merge_repeats: bool | None,
) -> None:
    """Decode log probabilities saved by a recogniser to a hypothesis file.

    LOGITS is a folder with one .npy, .npz or .pt file per clip, named after its id, or one
    .npz or .pt file with an array per id. Each array is [steps, classes]. Clips are decoded
    one at a time with the prefix beam search of 'slaeval run'.

    \b
    slaeval decode outputs/ --vocab gloss_dict.npy
    slaeval decode logits.npz --vocab glosses.txt --values logits --blank -1
    slaeval score --pred hyp.ctm --dataset phoenix2014t
    """
    from slaeval.checkpoints.foreign import read_vocabulary
    from slaeval.decoding import Decoding
    from slaeval.decoding import decode as decoded
    from slaeval.decoding.saved import as_log_probs, clip_per_file, read_saved, saved_files
    from slaeval.evaluation.overwriting import check_outputs
    from slaeval.files import write_whole
    from slaeval.formats.ctm import write_ctm
    from slaeval.formats.words import is_word

    settings = chosen_decoding(Decoding(), decoding, width, merge_repeats)
    glosses = read_vocabulary(vocab)
    files = saved_files(logits)
    check_outputs([vocab, *files], [out])
    named_by_file = clip_per_file(logits, files)
    found: dict[str, list[str]] = {}
    for path in files:
        for name, array in read_saved(path, named_by_file):
            if not is_word(name):
                raise InputError(
                    f"{name!r} cannot be an id: it is empty or contains whitespace", path
                )
            if name in found:
                raise InputError(f"duplicate id {name!r}", path)
            if array.shape[1] != len(glosses) + 1:
                raise InputError(
                    f"{name!r} has {array.shape[1]} classes, but {vocab} has "
                    f"{len(glosses)} glosses; expected one class more than glosses, for the blank",
                    path,
                )
            log_probs = as_log_probs(array, values, blank, f"{path}: {name}")
            [classes] = decoded(log_probs[None], **settings.to_dict(), ids=[name])
            found[name] = [glosses[number - 1] for number in classes]
    write_whole(out, write_ctm(found))
    words = sum(map(len, found.values()))
    empty = sum(not glosses for glosses in found.values())
    click.echo(
        f"{out}: {counted(words, 'gloss', 'glosses')} in {counted(len(found), 'clip')}"
        + (f", {empty} of them empty" if empty else "")
        + f" ({settings})"
    )
