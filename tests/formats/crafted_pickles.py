"""Pickles made to hang a reader, to fill the memory or to crash: none may cost more than its size.

Each is a bare pickle of about 100 kB, most of them a few bytes again and again.
"""

from __future__ import annotations

import pickle
import struct

_MERSENNE = (1 << 61) - 1  # what CPython takes hashes of whole numbers modulo


def _text(text: str) -> bytes:
    return b"X" + struct.pack("<I", len(text.encode())) + text.encode()


def _number(value: int) -> bytes:
    return pickle.dumps(value, 2)[2:-1]


def _shared(empty: bytes, twice: bytes, times: int = 40) -> bytes:
    """A value that holds itself twice, and that twice, and so on."""
    return empty + twice * times


#: Two references to one tuple, forty times over; hashing it takes 2 to the 40 steps.
TUPLES = _shared(b")", b"2\x86")
LISTS = b"]q\x000" + b"]h\x00ah\x00aq\x000" * 40 + b"h\x00"
DICTS = b"}q\x000" + b"}(K\x01h\x00K\x02h\x00uq\x000" * 40 + b"h\x00"
DEEP = b")" + b"\x85" * 100_000
MANY = 20_000
LONG_TEXT = _text("x" * 100_000)
LONG_LIST = b"](" + b"K\x01" * 50_000 + b"e"


def _again(call: bytes, argument: bytes, more: bytes = b"") -> bytes:
    """A name called again and again on one long argument."""
    once = b"h\x01h\x02" + more + (b"\x86" if more else b"\x85") + b"R0"
    return call + b"q\x01" + argument + b"q\x02" + once * MANY + b"N."


_CODECS = b"c_codecs\nencode\n"
_DTYPE = b"cnumpy\ndtype\n(U\x02i8\x89\x88tR"
_OBJECTS = b"cnumpy\ndtype\n(U\x02O8\x89\x88tR"
_ARRAY = b"cnumpy.core.multiarray\n_reconstruct\n(cnumpy\nndarray\nK\x00\x85U\x01btR"

ATTACKS: dict[str, bytes] = {
    # Keys and members.
    "tuple as key": b"}" + TUPLES + b"Ns.",
    "tuple as keys": b"}(" + TUPLES + b"Nu.",
    "tuple in a dict": b"(" + TUPLES + b"Nd.",
    "tuple as member": b"\x8f(" + TUPLES + b"\x90.",
    "tuple in a frozenset": b"(" + TUPLES + b"\x91.",
    "tuple in a called set": b"cbuiltins\nset\n](" + TUPLES + b"e\x85R.",
    "tuple in an ordered dict": b"ccollections\nOrderedDict\n](](" + TUPLES + b"Neae\x85R.",
    "frozensets of frozensets": b"(\x91" + b"q\x00(h\x00\x91" * 10_000 + b".",
    "deep tuple as key": b"}" + DEEP + b"Ns.",
    "deep tuple as member": b"(" + DEEP + b"\x91.",
    "colliding numbers": b"}("
    + b"".join(_number(n * _MERSENNE) + b"N" for n in range(1, MANY))
    + b"u.",
    "colliding numbers in a set": b"\x8f("
    + b"".join(_number(n * _MERSENNE) for n in range(1, MANY))
    + b"\x90.",
    "multiples as keys": b"}(" + b"".join(_number(n << 16) + b"N" for n in range(MANY)) + b"u.",
    "not a number as key": b"}(" + (b"G\x7f\xf8\0\0\0\0\0\0N") * MANY + b"u.",
    "bytes as key": b"}C\x01aNs.",
    "none as key": b"}NNs.",
    "odd number of items": b"}(K\x01u.",
    # The memo.
    "memo of gigabytes": b"}r\xff\xff\xff\x7f.",
    "memo in digits": b"}p4000000000\n.",
    "memo below zero": b"}p-1\n.",
    "memo of everything": b")" + b"\x94" * 100_000 + b".",
    "memo without entry": b"h\x07.",
    # Copies.
    "encoded again and again": _again(_CODECS, LONG_TEXT, _text("latin1")),
    "sets again and again": _again(b"cbuiltins\nset\n", LONG_LIST),
    "frozensets again and again": _again(b"c__builtin__\nfrozenset\n", LONG_LIST),
    "bytes again and again": _again(b"cbuiltins\nbytes\n", LONG_LIST),
    "bytearrays again and again": _again(
        b"cbuiltins\nbytearray\n", b"B\xa0\x86\x01\x00" + b"x" * 100_000
    ),
    "ordered again and again": _again(
        b"ccollections\nOrderedDict\n", b"](" + b"](K\x01Ne" * 9_000 + b"e"
    ),
    "scalars again and again": b"cnumpy.core.multiarray\nscalar\nq\x01"
    + _DTYPE
    + b"q\x03B\xa0\x86\x01\x00"
    + b"x" * 100_000
    + b"q\x02"
    + b"h\x01h\x03h\x02\x86R0" * MANY
    + b"N.",
    # Floods.
    "dicts": b"}" * 100_000 + b".",
    "sets": b"\x8f" * 100_000 + b".",
    "lists": b"]" * 100_000 + b".",
    "marks": b"(" * 100_000 + b".",
    "single tuples": b"N\x85" * 50_000 + b".",
    "the same again": b"N" + b"2" * 100_000 + b".",
    # Depth and width.
    "deep tuple": DEEP + b".",
    "deep list": b"]" * 5_000 + b"a" * 4_999 + b"." + b"x" * 100_000,
    "deep dict": b"}K\x01" * 3_000 + b"N" + b"s" * 3_000 + b"." + b"x" * 100_000,
    "shared tuples": TUPLES + b".",
    "shared lists": b"](" + LISTS + b"e.",
    "shared dicts": b"](" + DICTS + b"e.",
    "shared in a sample": b"](}(" + _text("name") + TUPLES + _text("gloss") + LISTS + b"ue.",
    "list in itself": b"]q\x00h\x00a.",
    "dict in itself": b"}q\x00K\x01h\x00s.",
    "array in itself": _ARRAY + b"q\x05(K\x01K\x01\x85" + _OBJECTS + b"\x89]q\x06h\x05atb.",
    "one text ten thousand times": b"](}("
    + _text("gloss")
    + b"]("
    + LONG_TEXT
    + b"q\x01"
    + b"h\x01" * MANY
    + b"eue.",
    # Numbers and lengths.
    "long number": b"\x8b" + struct.pack("<i", 100_000) + b"\x7f" * 100_000 + b".",
    "long number in digits": b"L" + b"9" * 4_000 + b"L\n.",
    "very long number in digits": b"I" + b"9" * 100_000 + b"\n.",
    "long number of 255 bytes": b"\x8a\xff" + b"\x7f" * 255 + b".",
    "text of gigabytes": b"X\xff\xff\xff\x7fabc.",
    "text of exabytes": b"\x8d" + b"\xff" * 7 + b"\x7fabc.",
    "bytes of gigabytes": b"B\xff\xff\xff\x7fabc.",
    "bytes of exabytes": b"\x8e" + b"\xff" * 7 + b"\x7fabc.",
    "bytearray of exabytes": b"\x96" + b"\xff" * 7 + b"\x7fabc.",
    "old text of gigabytes": b"T\xff\xff\xff\x7fabc.",
    "text below zero": b"T\xff\xff\xff\xffabc.",
    "frame of exabytes": b"\x80\x04\x95" + b"\xff" * 7 + b"\x7fN.",
    "half a character": b"X\x03\0\0\0\xed\xa0\x80.",
    "old text that is no UTF-8": b"U\x02\xff\xfe.",
    # Objects and names.
    "new object": b"cnumpy\nndarray\n)\x81.",
    "new object of a set": b"cbuiltins\nset\n)\x81.",
    "new object with names": b"cnumpy\nndarray\n)}\x92.",
    "object": b"(cnumpy\nndarray\no.",
    "instance": b"(icollections\nOrderedDict\n.",
    "instance of a stranger": b"(iposix\nsystem\n.",
    "extension": b"\x82\x01.",
    "state of a name": b"ccollections\nOrderedDict\n}b.",
    "state of a list": b"]}b.",
    "state of an array": _ARRAY + b"(K\x01K\x01\x85" + _OBJECTS + b"\x89Ntb.",
    "state of a type": _DTYPE + b"(K\x03U\x01|N(U\x01at}K\x08K\x01K\x00tb.",
    "a call of no name": b"]K\x01\x85R.",
    "a call without arguments": b"cbuiltins\nset\nNR.",
    "a name of a megabyte": b"c" + b"x" * 1_000_000 + b"\ny\n.",
    "a name that steers the terminal": b"\x8c\x04\x1b[2J\x8c\x01x\x93.",
    "names that are numbers": b"K\x01K\x02\x93.",
    "type with a long name": b"cnumpy\ndtype\n(" + _text("S" * 100_000) + b"tR.",
    "array of a trillion": _ARRAY
    + b"(K\x01J\xff\xff\xff\x7f\x85"
    + _DTYPE
    + b"\x89U\x08abcdefghtb.",
    # References.
    "reference": b"\x80\x02X\x01\0\0\0aQ.",
    "reference in text": b"Pstorage\n.",
    "reference to a tuple": b"(U\x07storageK\x01tQ.",
    "references": b"N" + b"NQ" * MANY + b".",
    # What is no pickle.
    "nothing": b"",
    "stop": b".",
    "no stop": b"N",
    "pop": b"0.",
    "pop a mark": b"1.",
    "tuple of nothing": b"\x87.",
    "append to nothing": b"Na.",
    "set in a list": b"]NNs.",
    "unknown opcode": b"\xff.",
    "protocol 255": b"\x80\xff" + b"\xff.",
}
