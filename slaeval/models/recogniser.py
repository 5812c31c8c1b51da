"""The whole recogniser: frames of several videos in, gloss logits out.

The tower is frozen. Only the adapter (LoRA factors, or adapters) and the head are trained, and
:meth:`Recogniser.trainable_parameters` checks exactly that by name and number. Weights are
exported and loaded as three states: ``adapter``, ``head`` and ``tower``, the last under
open_clip's names.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

import torch
from torch import Tensor, nn

from slaeval.errors import InputError, SlaevalError
from slaeval.models.adapter import (
    bottleneck_of,
    has_adapter,
    has_convolution,
    install_adapters,
)
from slaeval.models.adaptsign import AdaptSignTower, adapter_shapes
from slaeval.models.config import LINEAR_LAYERS, ModelConfig
from slaeval.models.head import Head, Logits
from slaeval.models.lora import install_lora, merge, unmerge
from slaeval.models.temporal import Bounds
from slaeval.models.tower import Tower, from_open_clip, open_tower, to_open_clip

__all__ = ["Output", "Recogniser", "build_recogniser", "check_states"]


class Output(NamedTuple):
    """Logits of B videos, class 0 the blank; values beyond a video's length are meaningless.

    Attributes
    ----------
    sequence, convolution : Tensor
        [B, T'max, V], from the BiLSTM and from the temporal convolution.
    tower : Tensor
        [B, Tmax, V], from the tower's feature of each frame.
    lengths, frame_lengths : Tensor
        int64 [B] on the CPU: steps, and frames.
    """

    sequence: Tensor
    convolution: Tensor
    tower: Tensor
    lengths: Tensor
    frame_lengths: Tensor


class Recogniser(nn.Module):
    """Tower, adapter and head.

    Parameters
    ----------
    config : ModelConfig
        Its configuration.
    tower : Tower
        Becomes part of the recogniser: the adapter is installed in it.
    """

    def __init__(self, config: ModelConfig, tower: Tower) -> None:
        super().__init__()
        self.config = config
        tower.requires_grad_(False)
        if config.variant == "sla-lora":
            install_lora(
                tower,
                config.lora_rank,
                config.lora_alpha,
                config.lora_dropout,
                config.lora_targets,
                config.shift_fraction,
            )
        elif config.variant == "sla-adapter":
            install_adapters(tower, config)
        elif config.variant == "adaptsign":
            tower = AdaptSignTower(tower, config.adapter_ratio)
        self.tower = tower
        self.head = _new_head(config, tower)
        self._plain: dict[str, Tensor] | None = None

    def forward(self, frames: Tensor, lengths: Tensor) -> Output:
        """Recognise.

        Parameters
        ----------
        frames : Tensor
            float [ΣT, 3, S, S], normalised, video after video, without padding.
        lengths : Tensor
            int64 [B] on the CPU, frames of each video.

        Raises
        ------
        InputError
            The lengths do not add up to the frames, or a video has no frames.
        """
        if len(frames) != int(lengths.sum()):
            raise InputError(
                f"{len(frames)} frames came with lengths that add up to {int(lengths.sum())}"
            )
        features = self.tower(frames, Bounds.of(lengths, frames.device))
        logits: Logits = self.head(features, lengths, self.tower.pads_features)
        return Output(*logits, lengths)

    def log_probs(self, frames: Tensor, lengths: Tensor) -> tuple[Tensor, Tensor]:
        """Return natural log probabilities [B, T'max, V] and the steps of each video.

        Parameters and errors as for :meth:`forward`.
        """
        output: Output = self(frames, lengths)
        return output.sequence.float().log_softmax(-1), output.lengths

    def both_log_probs(self, frames: Tensor, lengths: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Return the result of :meth:`log_probs`, and the convolution's log probabilities."""
        output: Output = self(frames, lengths)
        sequence, convolution = (
            logits.float().log_softmax(-1) for logits in (output.sequence, output.convolution)
        )
        return sequence, output.lengths, convolution

    @property
    def gradient_checkpointing(self) -> bool:
        """Whether training keeps only each block's input and recomputes the block."""
        return self.tower.gradient_checkpointing

    @gradient_checkpointing.setter
    def gradient_checkpointing(self, on: bool) -> None:
        self.tower.gradient_checkpointing = on

    def trainable_parameters(self) -> dict[str, nn.Parameter]:
        """Return the trainable parameters, as ``adapter.…`` and ``head.…``.

        Raises
        ------
        SlaevalError
            Something other than adapter and head is trainable, or part of them is not.
        """
        adapter, head = self._adapter_parameters(), dict(self.head.named_parameters())
        found = {f"adapter.{key}": value for key, value in adapter.items()}
        found |= {f"head.{key}": value for key, value in head.items()}
        expected = _adapter_shapes(self.config, self.tower)
        shapes = {key: tuple(value.shape) for key, value in adapter.items()}
        wrong = [key for key in expected | shapes if expected.get(key) != shapes.get(key)]
        learned = {id(value) for value in found.values()}
        wrong += [
            key
            for key, value in self.named_parameters()
            if value.requires_grad != (id(value) in learned)
        ]
        if wrong:
            raise SlaevalError(
                f"the trainable parameters are not adapter and head: {', '.join(wrong[:5])}"
                f"{' …' if len(wrong) > 5 else ''}"
            )
        return found

    def summary(self) -> str:
        """Return a table of trainable and frozen parameters by group."""
        from slaeval.console import table

        groups: dict[str, list[Tensor]] = {}
        for name, value in self.trainable_parameters().items():
            parts = name.split(".")
            if parts[0] == "adapter":
                group = "adapter: " + ".".join(parts[3:-1])
            else:
                group = f"head: {parts[1]}"
            groups.setdefault(group, []).append(value)
        trained = sum(value.numel() for values in groups.values() for value in values)
        rows = [
            (group, len(values), f"{sum(value.numel() for value in values):,}")
            for group, values in groups.items()
        ]
        frozen = [value for value in self.parameters() if not value.requires_grad]
        count = sum(value.numel() for value in frozen)
        rows.append(("trainable", sum(map(len, groups.values())), f"{trained:,}"))
        rows.append((f"frozen: {self.tower.name}", len(frozen), f"{count:,}"))
        return table(rows, ["parameters", "tensors", "values"])

    def adapter_state(self) -> dict[str, Tensor]:
        """Return the adapter's weights; not copies."""
        return {key: value.detach() for key, value in self._adapter_parameters().items()}

    def head_state(self) -> dict[str, Tensor]:
        """Return the head's weights and running statistics; not copies."""
        return dict(self.head.state_dict())

    def trained_state(self) -> dict[str, Tensor]:
        """Return adapter and head as ``adapter.…`` and ``head.…``; not copies."""
        parts = {"adapter": self.adapter_state(), "head": self.head_state()}
        return {
            f"{part}.{name}": value
            for part, state in parts.items()
            for name, value in state.items()
        }

    def load_trained(self, state: Mapping[str, Tensor]) -> None:
        """Load the result of :meth:`trained_state`; errors as for :meth:`load_states`."""
        parts = {
            part: {
                name.removeprefix(f"{part}."): value
                for name, value in state.items()
                if name.startswith(f"{part}.")
            }
            for part in ("adapter", "head")
        }
        self.load_states(**parts)

    def tower_state(self) -> dict[str, Tensor]:
        """Return the tower's weights under open_clip's names, without the adapter.

        The result is the same merged or not. Attention's packed weights are copies.
        """
        return to_open_clip(self._own_tower_state())

    def load_states(
        self,
        adapter: Mapping[str, Tensor],
        head: Mapping[str, Tensor],
        tower: Mapping[str, Tensor] | None = None,
    ) -> None:
        """Load weights, each converted to the type and device of what it replaces.

        Parameters
        ----------
        adapter, head, tower : mapping
            As returned by :meth:`adapter_state`, :meth:`head_state` and :meth:`tower_state`;
            without `tower` it is left unchanged.

        Raises
        ------
        InputError
            A tensor is missing, unknown or of another shape; nothing is then changed.
        """
        self.unmerge()
        pairs = [("adapter", adapter, self.adapter_state()), ("head", head, self.head_state())]
        if tower is not None:
            pairs.append(("tower", from_open_clip(tower), self._own_tower_state()))
        for part, given, own in pairs:
            _check_fit(part, given, {key: tuple(value.shape) for key, value in own.items()})
        with torch.no_grad():
            for _, given, own in pairs:
                for key, value in own.items():
                    value.copy_(given[key])

    def merge(self) -> None:
        """Merge LoRA into the tower's weights, for inference; do nothing without LoRA."""
        if self.config.variant == "sla-lora" and self._plain is None:
            self._plain = merge(self.tower)

    def unmerge(self) -> None:
        """Undo :meth:`merge`: the weights are exactly as before."""
        if self._plain is not None:
            unmerge(self.tower, self._plain)
            self._plain = None

    def _adapter_parameters(self) -> dict[str, nn.Parameter]:
        # peft calls our only adapter "default"; files omit that name.
        return {
            name.replace(".default.", "."): value
            for name, value in self.tower.named_parameters()
            if _is_adapter(name)
        }

    def _own_tower_state(self) -> dict[str, Tensor]:
        state = {}
        for name, value in self.tower.state_dict().items():
            if _is_adapter(name):
                continue
            key = name.replace(".base_layer.", ".")
            if self._plain is not None and name.endswith(".base_layer.weight"):
                value = self._plain[name.removesuffix(".base_layer.weight")]
            state[key] = value
        return state


def build_recogniser(config: ModelConfig, tower: Tower | None = None, seed: int = 0) -> Recogniser:
    """Build a recogniser with a new adapter and head.

    Parameters
    ----------
    config : ModelConfig
        Its configuration.
    tower : Tower, optional
        The tower to build it on, which becomes part of it; by default the one the
        configuration names is opened.
    seed : int
        Seed of the new weights, and of a random tower's. The global generator is not used.

    Raises
    ------
    UsageError, InputError, SlaevalError
        As for :func:`slaeval.models.tower.open_tower`.
    """
    if tower is None:
        tower = open_tower(config.backbone, config.pretrained, seed)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        model = Recogniser(config, tower)
    model.trainable_parameters()
    return model


def check_states(
    config: ModelConfig, tower: Tower, adapter: Mapping[str, Tensor], head: Mapping[str, Tensor]
) -> None:
    """Check that weights belong to a model, before allocating memory for it.

    Parameters
    ----------
    config : ModelConfig
        The model's configuration, as claimed by a file.
    tower : Tower
        The tower it would be built on.
    adapter, head : mapping
        The weights.

    Raises
    ------
    InputError
        A tensor is missing, unknown or of another shape.
    """
    with torch.device("meta"):
        own = _new_head(config, tower).state_dict()
    _check_fit("adapter", adapter, _adapter_shapes(config, tower))
    _check_fit("head", head, {key: tuple(value.shape) for key, value in own.items()})


def _new_head(config: ModelConfig, tower: Tower) -> Head:
    return Head(
        tower.shape.output, config.hidden, config.lstm_layers, config.dropout, config.classes
    )


def _is_adapter(name: str) -> bool:
    """Say whether a parameter of the tower belongs to its adapter."""
    return ".lora_" in name or "adapter" in name.split(".")


def _adapter_shapes(config: ModelConfig, tower: Tower) -> dict[str, tuple[int, ...]]:
    """Return name and shape of the tensors that a tower's adapter must have."""
    if config.variant == "adaptsign":
        return adapter_shapes(tower.shape, config.adapter_ratio)
    shapes: dict[str, tuple[int, ...]] = {}
    width, hidden = tower.shape.width, tower.shape.hidden
    narrow = bottleneck_of(config, tower.shape)
    for block in range(tower.shape.layers):
        if config.variant == "sla-lora":
            for target in config.lora_targets:
                inputs = hidden if target == "c_proj" else width
                outputs = hidden if target == "c_fc" else width
                layer = f"blocks.{block}.{LINEAR_LAYERS[target]}"
                shapes[f"{layer}.lora_A.weight"] = (config.lora_rank, inputs)
                shapes[f"{layer}.lora_B.weight"] = (outputs, config.lora_rank)
        elif config.variant == "sla-adapter" and has_adapter(config, tower.shape, block):
            layer = f"blocks.{block}.adapter"
            shapes[f"{layer}.down.weight"] = (narrow, width)
            shapes[f"{layer}.down.bias"] = (narrow,)
            if has_convolution(config, tower.shape, block):
                shapes[f"{layer}.conv.weight"] = (narrow, 1, *config.adapter_kernel)
                shapes[f"{layer}.conv.bias"] = (narrow,)
            shapes[f"{layer}.up.weight"] = (width, narrow)
            shapes[f"{layer}.up.bias"] = (width,)
    return shapes


def _check_fit(part: str, given: Mapping[str, Tensor], own: Mapping[str, tuple[int, ...]]) -> None:
    missing = [key for key in own if key not in given]
    unknown = [key for key in given if key not in own]
    if missing or unknown:
        what = f"lacks {missing[0]}" if missing else f"has the unknown {unknown[0]}"
        raise InputError(
            f"the {part} does not belong to this model: it {what} "
            f"({len(missing)} missing, {len(unknown)} unknown)"
        )
    for key, shape in own.items():
        if tuple(given[key].shape) != shape:
            raise InputError(
                f"the {part} does not belong to this model: {key} is {list(given[key].shape)}, "
                f"expected {list(shape)}"
            )
