"""The checkpoint format: what a trained recogniser is, in one file.

``.pt``
    A file of ``torch.save``: ``{"format": "slaeval-checkpoint", "version": 1, "meta": {…},
    "tensors": {…}}``. Any torch loads it with ``weights_only=True``. Here it is read without
    torch's unpickler, by one that accepts only the names such a file needs.
``.safetensors``
    The same tensors; format, version and meta as JSON under the one metadata key ``slaeval``.

``meta`` is plain JSON: model, vocabulary, preprocessing, decoding, corpus, protocol, recipe,
metrics, backbone, versions, and a hash over all of that and the weights of adapter and head.
Names of tensors begin with ``adapter.``, ``head.`` or ``tower.``; a slim file has no ``tower.``,
only its hash.

This package knows the file format, but neither the model in it nor how that was trained.
"""

from __future__ import annotations

from slaeval.checkpoints.content import (
    Checkpoint,
    check_vocabulary,
    new_checkpoint,
    tower_hash,
)
from slaeval.checkpoints.storing import describe, read_checkpoint, save_checkpoint

__all__ = [
    "Checkpoint",
    "check_vocabulary",
    "describe",
    "new_checkpoint",
    "read_checkpoint",
    "save_checkpoint",
    "tower_hash",
]
