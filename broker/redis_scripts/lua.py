"""
Redis scripts: loads the Lua files in `lua/` and composes scripts of them.

Redis does not roll a failed script back. Each script therefore checks everything that may be wrong before its
first write: the types of its keys, the numbers that it increments, and whether the log is whole. Broken keys are
treated in two ways. The owner of a call can restore the keys of that call: the script answers as for a lost log, or
replaces a key that is only a copy. The keys of a partition belong to many calls: the script refuses, with an error
that names the key.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from importlib.resources import files


def load(name: str) -> str:
    """Lua source from `lua/<name>.lua`. Raises OSError if the file is missing."""
    return (files("broker.redis_scripts") / "lua" / f"{name}.lua").read_text(encoding="utf-8")


_KEY_TYPES = load("shared_key_types")

SAME_LOG = load("shared_same_log")
SEEN = load("shared_server_seen")
WHOLE = load("shared_whole_log")
OWNED = SEEN + "\n" + load("shared_owner")
ALIVE = load("shared_alive")
APPENDING = load("shared_append")
RELEASING = load("shared_release")
MEMORY = load("shared_memory")


@dataclass(frozen=True, slots=True)
class Script:
    """A composed Lua script, to be registered once in each process."""

    name: str
    source: str
    kinds: tuple[str, ...] = ()
    """The types that its keys must have (`hash`, `stream`, ...), in the order of KEYS."""


def script(name: str, kinds: Sequence[str], *parts: str) -> Script:
    """
    Compose a script from Lua sources.

    `kinds`: the required types of its keys, in the order of KEYS; of one group for a script that takes several
    groups of keys. `parts`: shared functions, then the body.
    """
    listed = ", ".join(f"'{kind}'" for kind in kinds)
    # allow-oom: writes of accepted calls succeed on a full server. OPEN refuses new calls long before that.
    head = f"#!lua flags=allow-oom\nlocal KINDS = {{{listed}}}\n"
    return Script(name, head + "".join("\n" + part for part in (_KEY_TYPES, *parts)), tuple(kinds))
