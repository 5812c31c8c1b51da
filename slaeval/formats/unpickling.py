"""Pickles as data: an interpreter of the opcodes that containers, text and numbers need.

A pickle is a program, and Python's own unpickler runs it. Here the standard library's
:mod:`pickletools` only takes it apart, and each opcode does what this module says. A name in a
pickle refers to what the caller supplies under that name; nothing is imported, no class is
used, no attribute is set. In addition, no file costs more than a small multiple of its size:

* keys of dictionaries and members of sets are text or whole numbers of 32 bits: neither takes
  long to hash, and hashes cannot be made to collide;
* every container, memo entry and copy is paid for out of a budget that grows with the file;
* what comes out is at most 64 levels deep, and is small written out in full, where a part that
  is referred to a hundred times counts a hundred times: it can be printed, joined or traversed.
"""

from __future__ import annotations

import pickletools
from collections.abc import Callable, Collection
from pickle import UnpicklingError
from typing import Any

from slaeval.errors import InputError

__all__ = ["Name", "StandIn", "UnpicklingError", "unpickled"]

#: The budget, for every byte of the file and at least.
_WORK, _LEAST_WORK = 4, 4096
#: What a container or an entry of the memo takes of it; a copy takes its length.
_EACH = 16
#: Characters and values of what comes out, written out, for every byte of the file and at least.
_EXTENT, _LEAST_EXTENT = 16, 1 << 17
_DEEPEST = 64
_LONGEST_NAME = 200


class Name:
    """Stands for a name of a pickle.

    Parameters
    ----------
    function : callable, optional
        What a call of it means, given the arguments in the pickle. Without it, the name may be
        mentioned and not called.
    """

    def __init__(self, function: Callable[..., Any] | None = None) -> None:
        self.function = function


class StandIn:
    """Base of what stands for an object whose state a pickle may set."""

    def set_state(self, state: Any) -> None:
        """Take the state in; ignored where a class does not say otherwise."""

    def parts(self) -> Collection[Any]:
        """Return what it holds of the pickle's values."""
        return ()


class _OrderedDict(dict[Any, Any]):
    """Keeps torch's ``_metadata`` from being asked for; a dictionary is ordered anyway."""


def unpickled(
    data: bytes,
    find: Callable[[str, str], Name],
    persistent: Callable[[Any], Any] | None = None,
) -> Any:
    """Return what a pickle describes.

    Parameters
    ----------
    data : bytes
        The pickle, of any protocol.
    find : callable
        Given module and name that the pickle asks for, returns what they stand for or raises.
        It is not asked for the few that plain data of older protocols calls.
    persistent : callable, optional
        Given a reference to something outside the pickle, returns what stands for it.

    Raises
    ------
    InputError
        From `find` or `persistent`.
    UnpicklingError
        The pickle is damaged, asks for more than data, or for more than a file of its size needs.
    """
    try:
        content = _Interpreter(data, find, persistent).run()
        _check_extent(content, _EXTENT * len(data) + _LEAST_EXTENT)
    except (InputError, UnpicklingError):
        raise
    except Exception as error:
        # A damaged pickle fails in as many ways as there are opcodes.
        raise UnpicklingError(f"{type(error).__name__}: {error}"[:200]) from None
    return content


class _Interpreter:
    """The stack machine that a pickle is a program for."""

    def __init__(
        self,
        data: bytes,
        find: Callable[[str, str], Name],
        persistent: Callable[[Any], Any] | None,
    ) -> None:
        self._data = data
        self._find = find
        self._persistent = persistent
        self._left = _WORK * len(data) + _LEAST_WORK
        self._stack: list[Any] = []
        self._marks: list[int] = []
        self._memo: dict[int, Any] = {}

    def run(self) -> Any:
        actions = self._actions()
        for opcode, argument, _ in pickletools.genops(self._data):
            action = actions.get(opcode.name)
            if action is None:
                raise UnpicklingError(f"{opcode.name} makes an object: not plain data")
            action(argument)
        return self._stack.pop()

    def _actions(self) -> dict[str, Callable[[Any], None]]:
        """Return what each opcode does, given its argument."""
        push, pop = self._stack.append, self._stack.pop
        return {
            **dict.fromkeys(("PROTO", "FRAME", "STOP"), lambda _: None),
            **dict.fromkeys(("BININT", "BININT1", "BININT2", "FLOAT", "BINFLOAT"), push),
            **dict.fromkeys(("SHORT_BINBYTES", "BINBYTES", "BINBYTES8"), push),
            **dict.fromkeys(("INT", "LONG", "LONG1", "LONG4"), self._number),
            **dict.fromkeys(
                ("UNICODE", "SHORT_BINUNICODE", "BINUNICODE", "BINUNICODE8"), self._text
            ),
            **dict.fromkeys(("STRING", "SHORT_BINSTRING", "BINSTRING"), self._old_text),
            **dict.fromkeys(("GET", "BINGET", "LONG_BINGET"), lambda at: push(self._memo[at])),
            **dict.fromkeys(("PUT", "BINPUT", "LONG_BINPUT"), self._put),
            "MEMOIZE": lambda _: self._put(len(self._memo)),
            "NONE": lambda _: push(None),
            "NEWTRUE": lambda _: push(True),
            "NEWFALSE": lambda _: push(False),
            "BYTEARRAY8": lambda value: push(bytes(value)),
            "MARK": lambda _: self._marks.append(len(self._stack)),
            "POP": self._pop,
            "POP_MARK": lambda _: self._marked().clear(),
            "DUP": lambda _: push(self._stack[-1]),
            "EMPTY_TUPLE": lambda _: push(()),
            "TUPLE1": lambda _: self._tuple(1),
            "TUPLE2": lambda _: self._tuple(2),
            "TUPLE3": lambda _: self._tuple(3),
            "TUPLE": lambda _: self._made(tuple(self._marked())),
            "EMPTY_LIST": lambda _: self._made([]),
            "LIST": lambda _: self._made(self._marked()),
            "APPEND": lambda _: self._extend([pop()]),
            "APPENDS": lambda _: self._extend(self._marked()),
            "EMPTY_DICT": lambda _: self._made({}),
            "DICT": lambda _: self._made(_filled({}, self._marked())),
            "SETITEM": lambda _: self._set([pop(-2), pop()]),
            "SETITEMS": lambda _: self._set(self._marked()),
            "EMPTY_SET": lambda _: self._made(set()),
            "ADDITEMS": self._add,
            "FROZENSET": lambda _: self._made(frozenset(_keys(self._marked()))),
            "GLOBAL": lambda name: self._name(*name.split(" ", 1)),
            "STACK_GLOBAL": lambda _: self._name(pop(-2), pop()),
            "INST": self._instance,
            "REDUCE": self._call,
            "BUILD": self._build,
            "PERSID": self._refer,
            "BINPERSID": lambda _: self._refer(pop()),
        }

    # -- values ---------------------------------------------------------------------------

    def _number(self, value: int) -> None:
        if value.bit_length() > 64:
            raise UnpicklingError("a number of more than 64 bits")
        self._stack.append(value)

    def _text(self, value: str) -> None:
        if not value.isascii():
            value.encode()  # an unpaired surrogate is not text
        self._stack.append(value)

    def _old_text(self, value: str) -> None:
        """Take Python 2's text as UTF-8; it was bytes, of which pickletools makes Latin-1."""
        self._stack.append(value.encode("latin-1").decode())

    def _put(self, at: int) -> None:
        if not 0 <= at <= len(self._data):
            raise UnpicklingError("a memo larger than the pickle")
        self._spend(_EACH)
        self._memo[at] = self._stack[-1]

    # -- containers -----------------------------------------------------------------------

    def _spend(self, work: int) -> None:
        self._left -= work
        if self._left < 0:
            raise UnpicklingError("asks for more than a file of its size needs")

    def _made(self, value: Any) -> None:
        self._spend(_EACH)
        self._stack.append(value)

    def _marked(self) -> list[Any]:
        """Take away what lies above the last mark."""
        at = self._marks.pop()
        items = self._stack[at:]
        del self._stack[at:]
        return items

    def _pop(self, _: None) -> None:
        if self._marks and self._marks[-1] == len(self._stack):
            self._marks.pop()
        else:
            self._stack.pop()

    def _top(self, kind: type) -> Any:
        """Return the container on top of the stack, which must be of that kind."""
        value = self._stack[-1]
        if not isinstance(value, kind):
            raise UnpicklingError(f"adds to a {type(value).__name__} as to a {kind.__name__}")
        return value

    def _tuple(self, size: int) -> None:
        items = self._stack[-size:]
        if len(items) < size:
            raise UnpicklingError("the stack is empty")
        del self._stack[-size:]
        self._made(tuple(items))

    def _extend(self, items: list[Any]) -> None:
        self._top(list).extend(items)

    def _set(self, items: list[Any]) -> None:
        _filled(self._top(dict), items)

    def _add(self, _: None) -> None:
        members = _keys(self._marked())
        self._top(set).update(members)

    # -- names ----------------------------------------------------------------------------

    def _name(self, module: str, name: str) -> None:
        if not isinstance(module, str) or not isinstance(name, str):
            raise UnpicklingError("a name that is no text")
        if len(module) + len(name) > _LONGEST_NAME or not (module + name).isprintable():
            raise UnpicklingError("a name that cannot be printed")
        today = "builtins" if module == "__builtin__" else module
        self._stack.append(_OF_PLAIN_DATA.get((today, name)) or self._find(module, name))

    def _instance(self, name: str) -> None:
        self._name(*name.split(" ", 1))  # says which name, where it is not known
        raise UnpicklingError("INST makes an object: not plain data")

    def _call(self, _: None) -> None:
        arguments, name = self._stack.pop(), self._stack.pop()
        if not isinstance(name, Name) or not isinstance(arguments, tuple):
            raise UnpicklingError("calls what is not a name")
        if name.function is None:
            raise UnpicklingError("calls a name that is only to be mentioned")
        self._spend(_EACH + sum(len(one) for one in arguments if isinstance(one, _SIZED)))
        self._stack.append(name.function(*arguments))

    def _build(self, _: None) -> None:
        state, target = self._stack.pop(), self._stack[-1]
        if isinstance(target, StandIn):
            target.set_state(state)
        elif not isinstance(target, _OrderedDict):
            raise UnpicklingError("changes an object once it is made")

    def _refer(self, to: Any) -> None:
        if self._persistent is None:
            raise UnpicklingError("refers to storage outside itself")
        self._stack.append(self._persistent(to))


_SIZED = (str, bytes, list, tuple, dict, set, frozenset)


def _key(value: Any) -> Any:
    """Return a key once it is seen to be one that costs nothing to hash."""
    if type(value) is str or (type(value) is int and -(1 << 31) <= value < 1 << 32):
        return value
    raise UnpicklingError(
        f"a {type(value).__name__} as a key or member; expected text or a small whole number"
    )


def _keys(values: Collection[Any]) -> list[Any]:
    return [_key(value) for value in values]


def _filled(target: dict[Any, Any], items: list[Any]) -> dict[Any, Any]:
    """Fill a dictionary from keys and values in turn."""
    for key, value in zip(items[::2], items[1::2], strict=True):
        target[_key(key)] = value
    return target


def _ordered(pairs: Any = ()) -> _OrderedDict:
    return _OrderedDict((_key(key), value) for key, value in pairs)


def _bytes(values: Any = b"") -> bytes:
    if not isinstance(values, (bytes, list, tuple)):
        raise UnpicklingError("bytes of something else than bytes")
    return bytes(values)


def _encoded(text: str, encoding: str = "latin1") -> bytes:
    if encoding not in ("latin1", "latin-1", "utf-8", "ascii"):
        raise UnpicklingError(f"unknown encoding {encoding!r:.40}")
    return text.encode(encoding)


#: What older protocols call for sets and bytes, and any for an ordered dictionary.
_OF_PLAIN_DATA = {
    ("builtins", "set"): Name(lambda values=(): set(_keys(values))),
    ("builtins", "frozenset"): Name(lambda values=(): frozenset(_keys(values))),
    ("builtins", "bytes"): Name(_bytes),
    ("builtins", "bytearray"): Name(_bytes),
    ("_codecs", "encode"): Name(_encoded),
    ("collections", "OrderedDict"): Name(_ordered),
}


def _check_extent(content: Any, left: int) -> None:
    """See that `content`, written out in full, is small and shallow."""
    waiting: list[tuple[Any, int]] = [(content, 0)]
    while waiting:
        value, depth = waiting.pop()
        parts: Collection[Any] = ()
        if isinstance(value, (str, bytes)):
            left -= len(value)
        elif isinstance(value, dict):
            parts = [*value.keys(), *value.values()]
        elif isinstance(value, (list, tuple, set, frozenset)):
            parts = value
        elif isinstance(value, StandIn):
            parts = value.parts()
        left -= len(parts)
        if left < 0 or depth > _DEEPEST:
            raise UnpicklingError("nested too deeply or too large written out")
        waiting += [(part, depth + 1) for part in parts]
