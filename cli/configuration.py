"""
Settings from file, environment and flags; flags override the environment, which overrides the file.

The settings class of each process (see `settings.py` in each package) is a section: field `port` of `gateway` is
`port` under `[gateway]` in the file, `TRUNKLINE_GATEWAY_PORT` in the environment and `--port` on the command
line.  Errors name the unknown setting or wrong value; they never repeat the value of a secret.
"""

import difflib
import re
import tomllib
from collections import defaultdict
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from protocol.operator_error import OperatorError

if TYPE_CHECKING:
    from pydantic import BaseModel  # commands that need no settings start without it

PREFIX = "TRUNKLINE_"
_FILE, _ENVIRONMENT, _FLAG = range(3)
_NOT_SETTINGS = (
    "TRUNKLINE_CONFIG",
    "TRUNKLINE_READY_FD",
    "TRUNKLINE_ALIVE_FD",
    "TRUNKLINE_BEAT_FD",
    "TRUNKLINE_GROUP",
)
_TESTS = "TRUNKLINE_TEST_"
"""Names with our prefix that are not settings."""

_SERVICE = re.compile(
    r"_SERVICE_(HOST|PORT)(_\w+)?$|_PORT_\d+_(TCP|UDP|SCTP)(_(PROTO|PORT|ADDR))?$"
)
_ADDRESS = re.compile(r"(tcp|udp|sctp)://")
"""
Variables that Kubernetes and Docker links set in every container for a service called `trunkline-gateway`.

https://kubernetes.io/docs/concepts/services-networking/service/#environment-variables
"""

_SHORT = {"TRUNKLINE_KEYS": "TRUNKLINE_GATEWAY_KEYS_FILE"}
"""Short names of variables."""

_Settings = TypeVar("_Settings", bound="BaseModel")


class ConfigurationError(OperatorError):
    """A setting is unknown or invalid, and the operator must change it.  The text names it."""


class Configuration:
    """The values of all sections; `section` validates one as the settings class of its process."""

    def __init__(self, sections: Mapping[str, "type[BaseModel]"]) -> None:
        self._classes = sections
        self._values: dict[str, dict[str, Any]] = defaultdict(dict)
        self._origin: dict[tuple[str, str], str] = {}
        self._rank: dict[tuple[str, str], int] = {}

    def read_file(self, path: Path) -> None:
        """Read a TOML file.  Raises ConfigurationError."""
        try:
            content = tomllib.loads(path.read_text("utf-8"))
        except OSError as exc:
            raise ConfigurationError(f"{path}: cannot be read ({exc.strerror})") from exc
        except (tomllib.TOMLDecodeError, UnicodeDecodeError) as exc:
            raise ConfigurationError(f"{path}: not a TOML file: {exc}") from exc
        for section, values in content.items():
            if section not in self._classes or not isinstance(values, dict):
                raise ConfigurationError(
                    f"{path}: unknown section [{section}]{_hint(section, self._classes)}"
                )
            for field, value in values.items():
                self._set(section, field, value, f"{field} under [{section}] in {path}", _FILE)

    def read_environment(self, environment: Mapping[str, str]) -> None:
        """Read every variable with our prefix; others are ignored.  Raises ConfigurationError."""
        for name, value in environment.items():
            if _is_setting(name, value):
                section, field = self._named(_SHORT.get(name, name))
                self._set(section, field, value, _SHORT.get(name, name), _ENVIRONMENT)

    def _named(self, variable: str) -> tuple[str, str]:
        """Return section and field of a variable; the classes of other sections are not needed."""
        for section in self._classes:
            if variable.startswith(_variable(section, "")):
                for field in self._classes[section].model_fields:
                    if variable == _variable(section, field):
                        return section, field
        known = {
            _variable(section, field): None
            for section, settings in self._classes.items()
            for field in settings.model_fields
        }
        text = f"unknown environment variable {variable}{_hint(variable, known)}"
        raise ConfigurationError(text)

    def read_flags(self, section: str, flags: Mapping[str, Any], prefix: str = "") -> None:
        """Read flags; None means not given.  `prefix`: prefix of the flag names, for error texts."""
        for field, value in flags.items():
            if value is not None:
                flag = f"--{prefix}{field}".replace("_", "-")
                self._set(section, field, value, flag, _FLAG)

    def carry_over(self, source: tuple[str, str], target: tuple[str, str]) -> None:
        """
        Use the value of `source` (section, field) for `target` too, unless that was set with at least its priority.

        Flags have priority over the environment, and the environment over the file.  Raises ConfigurationError if
        the section of the target has no such field.
        """
        section, field = source
        value = self._values[section].get(field)
        if value not in (None, "") and self._rank[source] > self._rank.get(target, -1):
            self._set(*target, value, self._origin[source], self._rank[source])

    def section(self, name: str, settings: type[_Settings]) -> _Settings:
        """Return the validated settings of one section.  Raises ConfigurationError."""
        from pydantic import ValidationError

        try:
            return settings.model_validate(self._values[name])
        except ValidationError as exc:
            wrong = exc.errors(include_input=False, include_url=False)[0]
            field = str(wrong["loc"][0]) if wrong["loc"] else ""
            origin = self._origin.get((name, field), f"{name}.{field}".rstrip("."))
            said = wrong["msg"].removeprefix("Value error, ")
            raise ConfigurationError(f"{origin}: {said}") from exc

    def says(self, section: str, field: str) -> bool:
        """Whether the setting was given in file, environment or flags."""
        return field in self._values[section]

    def _set(self, section: str, field: str, value: Any, origin: str, rank: int) -> None:  # noqa: ANN401  # what a file holds
        fields = self._classes[section].model_fields
        if field not in fields:
            raise ConfigurationError(f"unknown setting {origin}{_hint(field, fields)}")
        self._values[section][field] = value
        self._origin[section, field], self._rank[section, field] = origin, rank


def is_said(environment: Mapping[str, str]) -> bool:
    """Return whether a variable of the environment is a setting, or names a file of settings."""
    named = "TRUNKLINE_CONFIG" in environment
    return named or any(_is_setting(name, value) for name, value in environment.items())


def _variable(section: str, field: str) -> str:
    return f"{PREFIX}{section}_{field}".upper()


def _is_setting(name: str, value: str) -> bool:
    """Whether an environment variable must be one of our settings."""
    if not name.startswith(PREFIX) or name in _NOT_SETTINGS or name.startswith(_TESTS):
        return False
    return not (_SERVICE.search(name) or (name.endswith("_PORT") and _ADDRESS.match(value)))


def _hint(name: str, known: Mapping[str, object]) -> str:
    """Return a hint with the most similar known name, or an empty text."""
    close = difflib.get_close_matches(name, known, n=1)
    return f"; did you mean {close[0]}?" if close else ""
