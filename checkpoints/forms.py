"""The forms a file of weights may have, recognised by their first bytes."""

from __future__ import annotations

from typing import Literal

from slaeval.errors import InputError
from slaeval.files import read_start

__all__ = ["form_inside"]

#: Start of torch's files before 1.6: a pickle of one number.
_OLD_TORCH = b"\x80\x02\x8a\nl\xfc\x9cF\xf9 j\xa8P\x19."


def form_inside(path: str, what: str) -> Literal["pt", "safetensors"]:
    """Tell the two forms apart; the error for any other says what it is.

    Parameters
    ----------
    path : str
        The file.
    what : str
        What it should be, for messages: ``"a checkpoint"``.

    Raises
    ------
    InputError
        The file is missing, empty or neither.
    """
    start = read_start(path, what, len(_OLD_TORCH))
    if start[:4] == b"PK\x03\x04":
        return "pt"
    if start == _OLD_TORCH:
        raise InputError(
            "written by torch.save of torch before 1.6, which is not supported; nothing in it "
            'has run. If you trust it, write it again with torch: python -c "import torch; '
            f"torch.save(torch.load('{path}', 'cpu'), 'again.pt')\"",
            path,
        )
    # The first bytes of safetensors are a length, which may look like the start of a pickle.
    if start[8:9] == b"{":
        return "safetensors"
    if not start:
        raise InputError(f"the file is empty; expected {what}", path)
    if start[:1] in (b"\x80", b"(", b"c"):
        raise InputError(
            f"a pickle, not {what}: neither a torch.save nor a safetensors file; nothing in "
            "it has run",
            path,
        )
    raise InputError(
        f"not {what}: neither a torch.save nor a safetensors file; a file of 100 bytes or so "
        "may be a Git LFS pointer",
        path,
    )
