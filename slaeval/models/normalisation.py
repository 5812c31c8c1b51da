"""How pixels are normalised: each set of weights needs the normalisation it was trained with."""

from __future__ import annotations

from collections.abc import Mapping

from slaeval.errors import UsageError
from slaeval.models.config import TINY

__all__ = ["NORMALISATIONS", "normalisation_of"]

#: Mean and standard deviation of red, green and blue by name, for pixels from 0 to 1.
NORMALISATIONS: Mapping[str, tuple[tuple[float, ...], tuple[float, ...]]] = {
    # OpenAI's release of CLIP.
    "clip": ((0.48145466, 0.4578275, 0.40821073), (0.26862954, 0.26130258, 0.27577711)),
    # x / 127.5 - 1, as in VAC and AdaptSign; some weights of LAION.
    "half": ((0.5, 0.5, 0.5), (0.5, 0.5, 0.5)),
    # CLIPA.
    "imagenet": ((0.485, 0.456, 0.406), (0.229, 0.224, 0.225)),
}


def normalisation_of(backbone: str, pretrained: str | None) -> str:
    """Return the normalisation that weights were trained with, as open_clip records it.

    Parameters
    ----------
    backbone : str
        open_clip's name.
    pretrained : str or None
        Tag of the weights. For a file, or random weights, CLIP's normalisation is returned.

    Raises
    ------
    UsageError
        The weights need one that has no name here.
    """
    if backbone == TINY or pretrained is None:
        return "clip"
    import open_clip

    tag = open_clip.get_pretrained_cfg(backbone, pretrained)
    if not tag or not tag.get("mean"):
        return "clip"
    wanted = (tuple(tag["mean"]), tuple(tag["std"]))
    for name, known in NORMALISATIONS.items():
        if known == wanted:
            return name
    raise UsageError(
        f"the weights {pretrained!r} of {backbone} were trained on pixels of mean {wanted[0]} and "
        f"deviation {wanted[1]}, which slaeval has no name for; choose one of "
        f"{', '.join(NORMALISATIONS)} by --set normalisation=NAME"
    )
