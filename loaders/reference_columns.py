"""Read only what scoring needs of references; an STM is read without a record per segment."""

from __future__ import annotations

import os
import zlib
from collections.abc import Sequence

from slaeval.files import read_start, read_text
from slaeval.formats.detection import detect_format
from slaeval.formats.stm import stm_columns

__all__ = ["TEXTS", "read_reference_columns", "start_of"]

#: The formats of a file with references, for messages.
TEXTS = "references: STM, TRN, a table, JSON, .npy or pickle"


def read_reference_columns(
    path: str | os.PathLike[str], corpus: str | None = None, split: str = "test"
) -> tuple[Sequence[str], Sequence[str], Sequence[list[str]], Sequence[str]]:
    """Read what scoring needs of references: ids, signers, words and channels of all segments.

    As :func:`slaeval.loaders.read_references_file`; ``""`` where the file gives no signer or
    channel.
    """
    path = os.fspath(path)
    if corpus is None and start_of(path)[:1] not in (b"\x80", b"\x93"):
        text = read_text(path, TEXTS)
        if detect_format(text, "reference") == "stm":
            read = stm_columns(text, path)
            return read.names, read.signers, read.words, read.channels
    from slaeval.loaders.community import read_references_file

    samples = read_references_file(path, corpus, split)
    return (
        [sample.id for sample in samples],
        [sample.signer or "" for sample in samples],
        [list(sample.glosses) for sample in samples],
        [sample.channel or "" for sample in samples],
    )


def start_of(path: str) -> bytes:
    """Return the first bytes of a file, uncompressed if it is gzipped."""
    start = read_start(path, "a file with references", 1 << 10)
    if start[:2] != b"\x1f\x8b":
        return start
    try:
        return zlib.decompressobj(wbits=31).decompress(start, 8)
    except zlib.error:
        return b""  # the reader will report the error
