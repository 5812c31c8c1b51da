"""Training in one of several processes, of which one cannot read a clip once.

The tests run this file under torchrun: ``unsteady_reading.py ROOT OUT RANK``. A network disk that
drops one read on one machine does the same.
"""

from __future__ import annotations

import os
import sys
from typing import Any

import torch

from slaeval.errors import InputError, SlaevalError
from slaeval.recognition.batches import ClipDataset
from slaeval.training import Options, recipe_for, train


def main() -> None:
    root, out, rank = sys.argv[1:4]
    torch.set_num_threads(1)
    read, failed = ClipDataset.read, []

    def unsteady(self: ClipDataset, key: Any) -> Any:
        if os.environ["RANK"] == rank and not failed:
            failed.append(key)
            raise InputError("input/output error", self.name(key))
        return read(self, key)

    ClipDataset.read = unsteady  # type: ignore[method-assign]
    recipe = recipe_for("sla-adapter", "slaeval-tiny").changed({"epochs": "1", "batch_size": "1"})
    try:
        train(
            "phoenix2014t",
            out,
            recipe,
            root=root,
            model={"hidden": 32},
            options=Options(device="cpu", on_error="skip"),
        )
    except SlaevalError as error:
        sys.exit(f"error: {error}")


if __name__ == "__main__":
    main()
