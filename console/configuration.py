"""
Settings from file, environment and flags, the later over the earlier.

One class per process (see `settings.py` in each package) is a section here: field `port` of `gateway` is
`port` under `[gateway]` in the file, `TRUNKLINE_GATEWAY_PORT` in the environment and `--port` on the command
line.  Unknown names and wrong values are refused by name; values of secrets are never repeated.
"""

import difflib
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any, TypeVar

from pydantic import BaseModel, ValidationError

PREFIX = "TRUNKLINE_"
_NOT_SETTINGS = (
    "TRUNKLINE_CONFIG",
    "TRUNKLINE_READY_FD",
    "TRUNKLINE_ALIVE_FD",
    "TRUNKLINE_BEAT_FD",
    "TRUNKLINE_TEST_",
    "TRUNKLINE_GRANITE_",
)
"""Names with our prefix that are not ours to check; the Granite engine reads and checks its own."""

_SHORT = {"TRUNKLINE_KEYS": "TRUNKLINE_GATEWAY_KEYS_FILE"}
"""Variables with a second name."""

_Settings = TypeVar("_Settings", bound=BaseModel)


class ConfigurationError(Exception):
    """A setting is unknown or wrong: the operator must change it.  The text names it."""


class Configuration:
    """All that was set, by section; `section` turns one into the settings class of its process."""

    def __init__(self, sections: Mapping[str, type[BaseModel]]) -> None:
        self._classes = dict(sections)
        self._values: dict[str, dict[str, Any]] = {name: {} for name in sections}
        self._origin: dict[tuple[str, str], str] = {}

    def read_file(self, path: Path) -> None:
        """Take in a TOML file."""
        try:
            content = tomllib.loads(path.read_text())
        except OSError as exc:
            raise ConfigurationError(f"{path}: cannot be read ({exc.strerror})") from exc
        except tomllib.TOMLDecodeError as exc:
            raise ConfigurationError(f"{path}: not a TOML file: {exc}") from exc
        for section, values in content.items():
            if section not in self._classes or not isinstance(values, dict):
                raise ConfigurationError(
                    f"{path}: unknown section [{section}]{_hint(section, self._classes)}"
                )
            for field, value in values.items():
                self._set(section, field, value, f"{field} under [{section}] in {path}")

    def read_environment(self, environment: Mapping[str, str]) -> None:
        """Take in every variable with our prefix."""
        known = {
            f"{PREFIX}{section}_{field}".upper(): (section, field)
            for section, settings in self._classes.items()
            for field in settings.model_fields
        }
        for name, value in environment.items():
            if not name.startswith(PREFIX) or name.startswith(_NOT_SETTINGS):
                continue
            name = _SHORT.get(name, name)  # noqa: PLW2901  # the same variable
            if name not in known:
                raise ConfigurationError(f"unknown environment variable {name}{_hint(name, known)}")
            section, field = known[name]
            self._set(section, field, value, name)

    def read_flags(self, section: str, flags: Mapping[str, Any]) -> None:
        """Take in what the command line said; None is not said."""
        for field, value in flags.items():
            if value is not None:
                self._set(section, field, value, f"--{field.replace('_', '-')}")

    def section(self, name: str, settings: type[_Settings]) -> _Settings:
        """The settings of one process, checked."""
        try:
            return settings.model_validate(self._values[name])
        except ValidationError as exc:
            wrong = exc.errors(include_input=False, include_url=False)[0]
            field = str(wrong["loc"][0]) if wrong["loc"] else ""
            origin = self._origin.get((name, field), f"{name}.{field}".rstrip("."))
            said = wrong["msg"].removeprefix("Value error, ")
            raise ConfigurationError(f"{origin}: {said}") from exc

    def says(self, section: str, field: str) -> bool:
        """Whether anybody has set it."""
        return field in self._values[section]

    def _set(self, section: str, field: str, value: Any, origin: str) -> None:  # noqa: ANN401  # what a file holds
        fields = self._classes[section].model_fields
        if field not in fields:
            raise ConfigurationError(f"unknown setting {origin}{_hint(field, fields)}")
        self._values[section][field] = value
        self._origin[section, field] = origin


def _hint(name: str, known: Mapping[str, object]) -> str:
    """What may have been meant."""
    close = difflib.get_close_matches(name, known, n=1)
    return f"; did you mean {close[0]}?" if close else ""
