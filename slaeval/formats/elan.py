"""EAF, the annotation file of ELAN (Max Planck Institute for Psycholinguistics).

Written to version 3.0 of its schema (``http://www.mpi.nl/tools/elan/EAFv3.0.xsd``): a header with
the media, the time slots in order, tiers of annotations between two slots, and the linguistic
type that the tiers are of. Times are whole milliseconds.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import NamedTuple
from xml.sax.saxutils import escape, quoteattr

__all__ = ["Annotation", "Tier", "write_eaf"]

#: A date is required; a fixed one, so that the same annotations are the same bytes.
_DATE = "1970-01-01T00:00:00+00:00"

_TYPE = "gloss"

#: What XML 1.0 cannot hold, however it is escaped.
_NO_XML = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


class Annotation(NamedTuple):
    """A text over a stretch of time.

    Attributes
    ----------
    start, end : float
        In seconds.
    text : str
        What is annotated.
    """

    start: float
    end: float
    text: str


class Tier(NamedTuple):
    """A row of annotations, in the order of time.

    Attributes
    ----------
    name : str
        Of the tier.
    annotations : sequence of Annotation
        None overlapping another.
    participant : str
        Who signs; ``""`` where unknown.
    """

    name: str
    annotations: Sequence[Annotation]
    participant: str = ""


def write_eaf(
    tiers: Sequence[Tier], media: str | None = None, relative: str = "", mime: str = "video/mp4"
) -> str:
    """Return the text of an EAF file.

    Parameters
    ----------
    tiers : sequence of Tier
        Names must differ.
    media : str, optional
        Address (``file:///…``) of the video; without it ELAN asks for one.
    relative : str
        The same, seen from the folder of the file.
    mime : str
        Kind of the video.
    """
    slots: list[int] = []
    rows: list[str] = []
    number = 0
    for tier in tiers:
        who = f" PARTICIPANT={_attribute(tier.participant)}" if tier.participant else ""
        rows.append(
            f'    <TIER LINGUISTIC_TYPE_REF="{_TYPE}"{who} TIER_ID={_attribute(tier.name)}>'
        )
        for one in tier.annotations:
            number += 1
            start = round(1000 * one.start)
            # An annotation without length cannot be seen or touched.
            slots += [start, max(round(1000 * one.end), start + 1)]
            rows += [
                "        <ANNOTATION>",
                f'            <ALIGNABLE_ANNOTATION ANNOTATION_ID="a{number}" '
                f'TIME_SLOT_REF1="ts{len(slots) - 1}" TIME_SLOT_REF2="ts{len(slots)}">',
                f"                <ANNOTATION_VALUE>{escape(_clean(one.text))}</ANNOTATION_VALUE>",
                "            </ALIGNABLE_ANNOTATION>",
                "        </ANNOTATION>",
            ]
        rows.append("    </TIER>")
    descriptor = []
    if media is not None:
        near = f" RELATIVE_MEDIA_URL={_attribute(relative)}" if relative else ""
        descriptor = [
            f"        <MEDIA_DESCRIPTOR MEDIA_URL={_attribute(media)} "
            f"MIME_TYPE={_attribute(mime)}{near}/>"
        ]
    order = sorted(range(len(slots)), key=lambda place: (slots[place], place))
    return "\n".join(
        [
            '<?xml version="1.0" encoding="UTF-8"?>',
            f'<ANNOTATION_DOCUMENT AUTHOR="slaeval" DATE="{_DATE}" FORMAT="3.0" VERSION="3.0" '
            'xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance" '
            'xsi:noNamespaceSchemaLocation="http://www.mpi.nl/tools/elan/EAFv3.0.xsd">',
            '    <HEADER MEDIA_FILE="" TIME_UNITS="milliseconds">',
            *descriptor,
            f'        <PROPERTY NAME="lastUsedAnnotationId">{number}</PROPERTY>',
            "    </HEADER>",
            "    <TIME_ORDER>",
            *(
                f'        <TIME_SLOT TIME_SLOT_ID="ts{place + 1}" TIME_VALUE="{slots[place]}"/>'
                for place in order
            ),
            "    </TIME_ORDER>",
            *rows,
            f'    <LINGUISTIC_TYPE GRAPHIC_REFERENCES="false" LINGUISTIC_TYPE_ID="{_TYPE}" '
            'TIME_ALIGNABLE="true"/>',
            "</ANNOTATION_DOCUMENT>",
            "",
        ]
    )


def _clean(text: str) -> str:
    return _NO_XML.sub("\ufffd", text)


def _attribute(text: str) -> str:
    return quoteattr(_clean(text))
