"""What a kill leaves behind, and what is made of it."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from slaeval.errors import InputError
from slaeval.recognition.journal import Journal, journals, read_journals, repair

HEADER = {"checkpoint": "abc", "decoding": {"width": 10}, "corpus": ["x", "y"]}
SEGMENT = {
    "id": "a",
    "frames": 9,
    "glosses": ["WOLKE\u2028", "今天"],
    "spans": [[0, 4], [4, 9]],
    "confidences": [1, 0.5],
}
RECORDS = [
    {"segments": [SEGMENT], "skipped": {}},
    {"segments": [], "skipped": {"b": "broken\nfile"}, "frame_budget": 7},
]


@pytest.fixture
def written(tmp_path: Path) -> Path:
    path = tmp_path / "journal.jsonl"
    with Journal(str(path), HEADER) as journal:
        for record in RECORDS:
            journal.append(record)
    return path


def test_read_back(written: Path) -> None:
    assert read_journals(str(written.parent), HEADER) == RECORDS
    assert read_journals(str(written.parent / "no-such-folder"), HEADER) == []


def test_every_cut_loses_at_most_the_record_it_cuts(written: Path) -> None:
    data = written.read_bytes()
    lines = data.splitlines(keepends=True)
    for cut in range(len(data)):
        written.write_bytes(data[:cut])
        repair(str(written))
        whole = data[:cut].count(b"\n")
        if not whole:
            assert not written.exists()
            continue
        assert written.read_bytes() == b"".join(lines[:whole])
        with Journal(str(written), HEADER) as journal:
            for record in RECORDS[whole - 1 :]:
                journal.append(record)
        assert written.read_bytes() == data


def test_records_are_on_disk_before_the_journal_is_closed(tmp_path: Path) -> None:
    path = tmp_path / "journal.jsonl"
    with Journal(str(path), HEADER) as journal:
        journal.append(RECORDS[0])
        assert json.loads(path.read_bytes().splitlines()[-1]) == RECORDS[0]


def test_another_header_is_refused_by_name(written: Path) -> None:
    other = {**HEADER, "decoding": {"width": 11}, "precision": "fp32"}
    with pytest.raises(
        InputError, match="another decoding and another precision; name another folder"
    ):
        read_journals(str(written.parent), other)


def test_tuples_and_lists_are_the_same_header(written: Path) -> None:
    assert read_journals(str(written.parent), {**HEADER, "corpus": ("x", "y")}) == RECORDS


def test_damage_in_the_middle_is_refused(written: Path) -> None:
    lines = written.read_bytes().splitlines(keepends=True)
    written.write_bytes(lines[0] + b"\0\0\0\n" + lines[2])
    with pytest.raises(InputError, match=r"jsonl:2: .*damaged.*--restart"):
        read_journals(str(written.parent), HEADER)


@pytest.mark.parametrize(
    "record",
    [
        {},
        [],
        None,
        {"segments": []},
        {"skipped": {}},
        {"segments": {}, "skipped": {}},
        {"segments": [], "skipped": []},
        {"segments": [], "skipped": {"b": None}},
        {"segments": [], "skipped": {}, "frame_budget": 0},
        {"segments": [], "skipped": {}, "frame_budget": "60"},
        {"segments": [[]], "skipped": {}},
        *(
            {"segments": [{k: v for k, v in SEGMENT.items() if k != key}], "skipped": {}}
            for key in SEGMENT
        ),
        *(
            {"segments": [{**SEGMENT, **wrong}], "skipped": {}}
            for wrong in (
                {"id": 3},
                {"frames": "9"},
                {"glosses": "WOLKE"},
                {"glosses": ["WOLKE", 1]},
                {"spans": [[0, 4]]},
                {"spans": [[0, 4], [4]]},
                {"spans": [[0, 4], [4, "9"]]},
                {"confidences": [1, "0.5"]},
                {"confidences": [1, 2]},
            )
        ),
    ],
)
def test_a_line_that_is_json_but_no_record_is_refused(written: Path, record: object) -> None:
    lines = written.read_bytes().splitlines(keepends=True)
    # In the middle and at the end: a whole line was not cut off by a kill.
    for place in (1, 2):
        changed = [*lines]
        changed[place] = json.dumps(record).encode() + b"\n"
        written.write_bytes(b"".join(changed))
        repair(str(written))
        with pytest.raises(
            InputError, match=rf"jsonl:{place + 1}: not a record of a journal.*--restart"
        ):
            read_journals(str(written.parent), HEADER)


def test_a_line_nested_too_deep_is_refused(written: Path) -> None:
    lines = written.read_bytes().splitlines(keepends=True)
    written.write_bytes(lines[0] + b"[" * 100_000 + b"\n" + lines[2])
    with pytest.raises(InputError, match=r"jsonl:2: .*damaged.*--restart"):
        read_journals(str(written.parent), HEADER)


@pytest.mark.skipif(not hasattr(signal, "SIGXFSZ"), reason="no limit on the size of files here")
def test_a_full_disk_is_one_clear_error(tmp_path: Path) -> None:
    """Files may grow to 300 bytes, in a process of its own."""
    script = f"""
import resource, signal, sys
from slaeval.errors import SlaevalError
from slaeval.recognition.journal import Journal
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, (300, 300))
try:
    with Journal({str(tmp_path / "journal.jsonl")!r}, {HEADER!r}) as journal:
        for _ in range(9):
            journal.append({RECORDS[0]!r})
except SlaevalError as error:
    print(error)
"""
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=False
    )
    assert done.stderr == ""
    assert "journal.jsonl: cannot write: " in done.stdout
    repair(str(tmp_path / "journal.jsonl"))
    assert read_journals(str(tmp_path), HEADER) == RECORDS[:1]


@pytest.mark.parametrize(
    "line", ['{"format": "slaeval-journal", "version": 2}', '{"header": {}}', "[1]"]
)
def test_a_foreign_journal_is_refused(written: Path, line: str) -> None:
    written.write_text(line + "\n")
    with pytest.raises(InputError, match="--restart"):
        read_journals(str(written.parent), HEADER)


def test_journals_of_several_processes_count_together(written: Path) -> None:
    extra = {"segments": [{**SEGMENT, "id": "z"}], "skipped": {}}
    with Journal(str(written.parent / "journal-1.jsonl"), HEADER) as journal:
        journal.append(extra)
    assert len(journals(str(written.parent))) == 2
    assert sorted(map(str, read_journals(str(written.parent), HEADER))) == sorted(
        map(str, [*RECORDS, extra])
    )
