"""Checkpoints on the Hugging Face Hub: ``hf://user/name[@revision][:file]``.

A branch moves, a commit does not: an address is resolved to a commit when it is used, and runs and
messages name that commit. huggingface_hub downloads the file into its cache, where it is read
like any other: nothing in it is executed. Without a network, the cache is used if the address
states a revision.
"""

from __future__ import annotations

import contextlib
import importlib
import os
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

from slaeval.errors import InputError, SlaevalError, UsageError, nearest

__all__ = ["CARD_MARK", "Fetched", "fetch", "is_address", "push"]

_START = "hf://"
_ADDRESS = re.compile(r"hf://(?P<repo>[\w.-]+/[\w.-]+)(@(?P<revision>[^:@\s]+))?(:(?P<file>.+))?")
_COMMIT = re.compile(r"[0-9a-f]{40}")
_SUFFIXES = (".pt", ".safetensors")

#: Start of the text of our model cards; other cards are not overwritten.
CARD_MARK = "<!-- written by slaeval ckpt push -->"


def _is_plain(path: str) -> bool:
    """Tell whether a path stays in the repository."""
    return all(part not in ("", ".", "..") for part in path.split("/")) and "\\" not in path


class Fetched(NamedTuple):
    """A checkpoint on this machine.

    Attributes
    ----------
    path : str
        The file.
    address : str
        Its address: the path, or ``hf://user/name@commit:file``.
    """

    path: str
    address: str


@dataclass(frozen=True)
class _Address:
    repo: str
    revision: str | None
    file: str | None

    @classmethod
    def parse(cls, text: str) -> _Address:
        found = _ADDRESS.fullmatch(text)
        if found is None or not _is_plain(found["file"] or "a"):
            raise UsageError(f"{text}: expected hf://user/name, hf://user/name@revision:file")
        return cls(**found.groupdict())

    def at(self, commit: str, file: str) -> str:
        return f"{_START}{self.repo}@{commit}:{file}"

    @property
    def pinned(self) -> bool:
        """Whether it names one file permanently."""
        return self.file is not None and bool(_COMMIT.fullmatch(self.revision or ""))


def is_address(path: str | os.PathLike[str]) -> bool:
    """Say whether a path names something on the Hub."""
    return os.fspath(path).startswith(_START)


def fetch(path: str | os.PathLike[str]) -> Fetched:
    """Download a checkpoint to this machine; a local path is returned unchanged.

    Parameters
    ----------
    path : path-like
        A file, or ``hf://user/name[@revision][:file]``. The file may be omitted if the
        repository has one checkpoint.

    Raises
    ------
    UsageError
        The address is malformed, or the repository has several checkpoints.
    InputError
        There is no such repository, revision or file, or it may not be read.
    SlaevalError
        huggingface_hub is not installed, or the Hub cannot be reached.
    """
    path = os.fspath(path)
    if not is_address(path):
        return Fetched(path, path)
    address = _Address.parse(path)
    hub = _hub()
    with _explained(hub, path):
        if address.pinned:
            there = hub.try_to_load_from_cache(
                address.repo, address.file, revision=address.revision
            )
            if isinstance(there, str):
                return Fetched(there, path)
        try:
            info = hub.HfApi().model_info(address.repo, revision=address.revision)
        except Exception as error:
            if not _is_unreachable(error):
                raise
            return _without_network(hub, address, error)
        file = _chosen(address, [one.rfilename for one in info.siblings])
        local = hub.hf_hub_download(address.repo, file, revision=info.sha)
        return Fetched(local, address.at(info.sha, file))


def push(
    repo: str, files: Mapping[str, str | bytes], *, private: bool = False, message: str
) -> tuple[str, bool]:
    """Put files into a repository, created if necessary, in one commit.

    Parameters
    ----------
    repo : str
        ``user/name``.
    files : mapping
        A path or the content by name in the repository. An existing ``README.md`` that is not
        ours is left unchanged.
    private : bool
        Whether a newly created repository is private.
    message : str
        Message of the commit.

    Returns
    -------
    tuple of str and bool
        The commit, and whether the README.md was written.

    Raises
    ------
    UsageError
        `repo` is not a name, or is public and was to be private.
    SlaevalError
        huggingface_hub is not installed, the Hub cannot be reached, or it does not allow this.
    """
    address = _Address.parse(_START + repo)
    if address != _Address(repo, None, None):
        raise UsageError(f"{repo}: expected the name of a repository, user/name")
    hub = _hub()
    with _explained(hub, _START + repo):
        api = hub.HfApi()
        api.create_repo(repo, private=private or None, exist_ok=True)  # None: as its owner does
        if private and not api.model_info(repo).private:
            raise UsageError(
                f"{_START}{repo} is public already: push without --private, or make it "
                "private on its page first"
            )
        ours = "README.md" not in files or _card_is_ours(hub, api, repo)
        operations = [
            hub.CommitOperationAdd(path_in_repo=name, path_or_fileobj=content)
            for name, content in files.items()
            if ours or name != "README.md"
        ]
        done = api.create_commit(repo, operations, commit_message=message)
        return done.oid, ours


def _card_is_ours(hub: Any, api: Any, repo: str) -> bool:
    info = api.model_info(repo)
    if not any(one.rfilename == "README.md" for one in info.siblings):
        return True
    with open(hub.hf_hub_download(repo, "README.md", revision=info.sha), encoding="utf-8") as card:
        return CARD_MARK in card.read()


def _hub() -> Any:
    try:
        importlib.import_module("huggingface_hub.errors")
        return importlib.import_module("huggingface_hub")
    except ImportError:
        raise SlaevalError(
            f"an address that begins with {_START} needs huggingface_hub: pip install "
            "huggingface_hub"
        ) from None


def _chosen(address: _Address, files: Sequence[str]) -> str:
    there = sorted(name for name in files if name.endswith(_SUFFIXES))
    listed = ", ".join(there[:5]) + (", …" if len(there) > 5 else "")
    if address.file is not None:
        if address.file in files:
            return address.file
        raise InputError(
            f"no file {address.file!r} there{nearest(address.file, there)}; it has "
            + (listed or "no .pt or .safetensors"),
            _START + address.repo,
        )
    if not there:
        raise InputError("no .pt or .safetensors there", _START + address.repo)
    if len(there) > 1:
        at = f"@{address.revision}" if address.revision else ""
        raise UsageError(
            f"{_START}{address.repo} has {len(there)} checkpoints ({listed}): name one, such as "
            f"{_START}{address.repo}{at}:{there[0]}"
        )
    return there[0]


# -- without a network ------------------------------------------------------------------------


class _Snapshot(NamedTuple):
    """The files of a commit in the cache of huggingface_hub."""

    commit: str
    files: Mapping[str, str]

    def chosen(self, address: _Address) -> Fetched:
        file = _chosen(address, list(self.files))
        return Fetched(self.files[file], address.at(self.commit, file))


def _snapshots(hub: Any, address: _Address) -> Iterator[tuple[frozenset[str], _Snapshot]]:
    """Yield the names and the content of each commit of a repository in the cache."""
    try:
        repos = hub.scan_cache_dir().repos
    except hub.errors.CacheNotFound:
        return
    for repo in repos:
        if (repo.repo_id, repo.repo_type) != (address.repo, "model"):
            continue
        for one in sorted(repo.revisions, key=lambda one: -one.last_modified):
            files = {
                file.file_path.relative_to(one.snapshot_path).as_posix(): str(file.file_path)
                for file in one.files
            }
            yield one.refs | {one.commit_hash}, _Snapshot(one.commit_hash, files)


def _cached(hub: Any, address: _Address) -> _Snapshot | None:
    for names, snapshot in _snapshots(hub, address):
        if address.revision in names:
            return snapshot
    return None


def _without_network(hub: Any, address: _Address, error: Exception) -> Fetched:
    """Take the checkpoint from the cache, if the address states a revision.

    Raises
    ------
    SlaevalError
        It states none, or that revision is not in the cache.
    """
    found = _cached(hub, address)
    if found is not None:
        return found.chosen(address)
    there = [snapshot.commit for _, snapshot in _snapshots(hub, address)]
    advice = (
        f"name a commit that is on this machine: {_START}{address.repo}@{there[0]}"
        if there
        else "nothing of it is on this machine"
    )
    raise SlaevalError(
        f"{_START}{address.repo}: the Hugging Face Hub cannot be reached ({_first_line(error)}); "
        + advice
    ) from None


def _is_unreachable(error: Exception) -> bool:
    """Say whether an error means that there is no network.

    huggingface_hub passes on the errors of its HTTP library, which has changed twice: requests,
    httpx, httpx2.
    """
    names = {base.__name__ for base in type(error).__mro__}
    return isinstance(error, ConnectionError) or bool(
        names & {"TransportError", "RequestException"} and "HfHubHTTPError" not in names
    )


@contextlib.contextmanager
def _explained(hub: Any, where: str) -> Iterator[None]:
    """Turn huggingface_hub's errors into errors that say what to do."""
    errors = hub.errors
    login = "log in with 'hf auth login', or set HF_TOKEN"
    try:
        yield
    except errors.GatedRepoError:
        raise InputError(
            f"access is granted on request only: request it on its page, then {login}", where
        ) from None
    except errors.RevisionNotFoundError:
        raise InputError("no such revision", where) from None
    except errors.RepositoryNotFoundError:
        raise InputError(f"no such repository, or a private one: {login}", where) from None
    except errors.EntryNotFoundError:
        raise InputError("one of its files has disappeared in the meantime", where) from None
    except errors.HFValidationError as error:
        raise UsageError(f"{where}: {error}") from None
    except errors.LocalTokenNotFoundError:
        raise SlaevalError(f"{where}: not logged in: {login}") from None
    except errors.HfHubHTTPError as error:
        status = error.response.status_code if error.response is not None else "?"
        hint = f": {login}" if status in (401, 403) else f": {_first_line(error)}"
        raise SlaevalError(f"{where}: the Hugging Face Hub says {status}{hint}") from None
    except Exception as error:
        if _is_unreachable(error):
            what = f"the Hugging Face Hub cannot be reached ({_first_line(error)})"
        elif isinstance(error, OSError):
            what = str(error.strerror or error)
        elif isinstance(error, (KeyError, ValueError)):
            what = f"the Hub's answer makes no sense ({type(error).__name__} {error})"
        else:
            raise
        raise SlaevalError(f"{where}: {what}") from None


def _first_line(error: Exception) -> str:
    return f"{(str(error).splitlines() or [type(error).__name__])[0]:.100}"
