"""Shared by the commands: configuration, engine selection and the data folder."""

import argparse
import contextlib
import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

from .configuration import Configuration, ConfigurationError
from .sections import PARTS, SECTIONS

if TYPE_CHECKING:
    from pydantic import BaseModel

    from transcripts.analysis.settings import AnalyserSettings
    from transcripts.api.settings import ApiSettings
    from transcripts.settings import RecorderSettings
    from workers.engines.auto import Choice
    from workers.engines.base import Engine
    from workers.engines.settings import EngineSettings

_STORED = frozenset({"calls", "show", "search", "export", "tag", "delete"})
"""Commands for stored calls: they answer at once, and use few sections."""

_Settings = TypeVar("_Settings", bound="BaseModel")


def configuration_of(options: argparse.Namespace) -> Configuration:
    """Read file, environment and flags.  Raises ConfigurationError for unknown names in any section."""
    configuration = Configuration(SECTIONS)
    if path := options.config or os.environ.get("TRUNKLINE_CONFIG"):
        configuration.read_file(Path(path))
    configuration.read_environment(os.environ)
    command = getattr(options, "command", "")
    for section in ("redis", "recorder") if command in _STORED else PARTS:
        if command == "api" or section != "api":  # `--port` of `up` is the port of the gateway
            said = {field: getattr(options, field, None) for field in PARTS[section].model_fields}
            configuration.read_flags(section, said)
    said = {
        field: getattr(options, f"api_{field}", None) for field in SECTIONS["client"].model_fields
    }
    configuration.read_flags("client", said)
    if command not in _STORED:
        _read_more(configuration, options)
    return configuration


def _read_more(configuration: Configuration, options: argparse.Namespace) -> None:
    """Read the flags of engines, and share settings between sections."""
    from transcripts.api.settings import AUDIO, SHARED
    from workers.engines import registry

    for engine, settings in registry.SETTINGS.items():
        said = {
            field: getattr(options, f"{engine}_{field}", None) for field in settings.model_fields
        }
        configuration.read_flags(engine, said, f"{engine}_")
    for field in SHARED:
        configuration.carry_over(("gateway", field), ("api", field))
    for field in AUDIO:
        configuration.carry_over(("gateway", field), ("recorder", field))
    for field in ("store", "webhook_networks"):
        configuration.carry_over(("recorder", field), ("api", field))
    configuration.carry_over(("recorder", "store"), ("analyser", "store"))


def settings_of(options: argparse.Namespace, section: str, settings: type[_Settings]) -> _Settings:
    """Return the validated settings of one section."""
    return configuration_of(options).section(section, settings)


def flags_of(options: argparse.Namespace, section: str) -> tuple[str, ...]:
    """Return the flags that were given for a part, to pass them to its process."""
    from workers.engines import registry

    names = list(SECTIONS[section].model_fields)
    if section == "worker":
        names += [
            f"{engine}_{one}"
            for engine, settings in registry.SETTINGS.items()
            for one in settings.model_fields
        ]
    said = {name: getattr(options, name, None) for name in names}
    flags = [
        (f"--{name.replace('_', '-')}", str(value))
        for name, value in said.items()
        if value is not None
    ]
    return tuple(word for flag in flags for word in flag)


def engine_chosen(options: argparse.Namespace) -> "Choice":
    """Return the engine that workers use, and the reason."""
    from workers.engines import auto
    from workers.settings import WorkerSettings

    configuration = configuration_of(options)
    wanted = configuration.section("worker", WorkerSettings).engine
    return auto.choose(wanted, lambda name: _engine_settings(configuration, name))


def _engine_settings(configuration: Configuration, name: str) -> "EngineSettings":
    """The settings of an engine; `model` of `worker` stands for its own if it accepts one."""
    from workers.engines import registry

    settings = registry.settings_of(name)
    if not settings.model_fields:
        return settings()
    section = registry.section_of(name)
    if registry.accepts(name):
        configuration.carry_over(("worker", "model"), (section, "model"))
    return configuration.section(section, settings)


def engine_loaded(options: argparse.Namespace, name: str) -> "Engine":
    """Load and warm up the engine `name` with its settings.  Raises ConfigurationError."""
    from workers.engines import registry
    from workers.settings import WorkerSettings

    configuration = configuration_of(options)
    if configuration.section("worker", WorkerSettings).model and not registry.accepts(name):
        raise ConfigurationError(f"--model: the engine {name} has only one model")
    return registry.load(name, **_engine_settings(configuration, name).options())


def fetch_model(options: argparse.Namespace, name: str) -> Path | None:
    """Download and check the model of the engine `name`.  Returns its folder; None if it needs none."""
    from workers.engines import registry

    return registry.fetch(name, _engine_settings(configuration_of(options), name))


def prepare_weights(options: argparse.Namespace) -> None:
    """Prepare the weights of the engine, with a progress bar.  Needed only before the first start."""
    from workers.engines import registry

    engine = engine_chosen(options).engine
    if engine in registry.folders():
        with progress_bar("preparing the model (first start only)") as progress:
            registry.prepare(engine, lambda _, part: progress(part))


@contextlib.contextmanager
def progress_bar(what: str) -> Iterator[Callable[[float], None]]:
    """Show a progress bar on standard error; yields a function that sets the progress, 0 to 1."""
    from rich.console import Console
    from rich.progress import Progress

    with Progress(console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task(what, total=1.0)
        yield lambda part: bar.update(task, completed=part)


def store_url(settings: "RecorderSettings | ApiSettings | AnalyserSettings") -> str:
    """Return the URL of the store: the setting, or else a file in the data folder of the user."""
    return store_at(settings.store)


def store_at(said: str | None) -> str:
    """Return the URL of the store that was named; if none was, of the file in the data folder of the user."""
    return said or f"sqlite:///{data_folder() / 'trunkline.db'}"


def data_folder() -> Path:
    """Return the data folder (https://specifications.freedesktop.org/basedir-spec/latest/); created if absent."""
    base = os.environ.get("XDG_DATA_HOME") or Path.home() / ".local" / "share"
    folder = Path(base) / "trunkline"
    folder.mkdir(parents=True, exist_ok=True)
    return folder
