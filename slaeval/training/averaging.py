"""Which weights are evaluated and saved: as trained, or averaged over steps or over epochs.

Averaged are the trained weights alone, adapter and head; the frozen tower is never copied. The
running mean and variance of batch normalisation are averaged like weights, as timm and ESPnet do:
computing them anew would take another pass over the training split. Their counter of batches is
the latest one.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor

from slaeval.models.recogniser import Recogniser
from slaeval.training.recipe import Recipe

__all__ = ["WeightAverage"]

_Weights = dict[str, Tensor]


class WeightAverage:
    """The weights of a run that are evaluated and saved.

    With ``recipe.ema`` an exponential moving average: after each optimiser step
    ``average = ema · average + (1 - ema) · weights``, starting from the weights after the first
    step. With ``recipe.average`` the mean of the weights at the end of the last epochs. Otherwise
    the weights as trained.

    Parameters
    ----------
    model : Recogniser
        On its device; its tensors are changed in place from here on.
    recipe : Recipe
        Says which average.
    """

    def __init__(self, model: Recogniser, recipe: Recipe) -> None:
        self.ema, self.average = recipe.ema, recipe.average
        self._trained: _Weights = model.trained_state()
        self._moving: _Weights = {}
        self._epochs: dict[int, _Weights] = {}  # of the last epochs by their number, on the CPU
        self._aside: _Weights = {}  # the weights as trained while others are in the model

    def after_step(self) -> None:
        """Take in the weights after an optimiser step."""
        if not self.ema:
            return
        if not self._moving:
            self._moving = _copies(self._trained)
            return
        for name, value in self._trained.items():
            if value.is_floating_point():
                self._moving[name].lerp_(value, 1 - self.ema)
            else:
                self._moving[name].copy_(value)

    def after_epoch(self, epoch: int) -> None:
        """Take in the weights after an epoch, counted from 1; repeating it changes nothing."""
        if self.average > 1:
            self._epochs[epoch] = _copies(self._trained, "cpu")
            self._epochs.pop(epoch - self.average, None)

    def weights(self) -> _Weights:
        """Return what is to be evaluated and saved; not copies where nothing is averaged."""
        if self._epochs:
            latest = self._epochs[max(self._epochs)]
            return {
                name: torch.stack([epoch[name] for epoch in self._epochs.values()]).mean(0)
                if value.is_floating_point()
                else value
                for name, value in latest.items()
            }
        return self._moving or self._trained

    def put_in(self) -> None:
        """Put these weights into the model, and those as trained aside."""
        if self._moving or self._epochs:
            self._aside = _copies(self._trained)
            _copy_into(self._trained, self.weights())

    def put_back(self) -> None:
        """Put the weights as trained back, even if :meth:`put_in` was interrupted."""
        if self._aside:
            _copy_into(self._trained, self._aside)
            self._aside = {}

    def described(self) -> str:
        """Return which weights these are, in words."""
        if self.ema:
            return f"exponential moving average, decay {self.ema:g}"
        if self._epochs:
            return f"mean of the epochs {', '.join(map(str, sorted(self._epochs)))}"
        return "as trained"

    def state(self) -> dict[str, Any]:
        """Return what a resumed run needs; not copies."""
        return {"moving": self._moving, "epochs": self._epochs}

    def load_state(self, state: Mapping[str, Any]) -> None:
        """Take over what :meth:`state` gave."""
        self._moving = {
            name: value.to(self._trained[name].device) for name, value in state["moving"].items()
        }
        self._epochs = dict(state["epochs"])


def _copies(weights: Mapping[str, Tensor], device: str | None = None) -> _Weights:
    return {name: value.detach().to(device, copy=True) for name, value in weights.items()}


@torch.no_grad()
def _copy_into(weights: Mapping[str, Tensor], values: Mapping[str, Tensor]) -> None:
    for name, value in weights.items():
        value.copy_(values[name])
