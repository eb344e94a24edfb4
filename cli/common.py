"""What the commands have in common: how they are set up, and where things lie."""

import argparse
import contextlib
import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TypeVar

from pydantic import BaseModel
from rich.console import Console
from rich.progress import Progress

from protocol.settings import RedisSettings
from streaming.settings import GatewaySettings
from transcripts.settings import RecorderSettings
from workers.engines import auto, registry
from workers.engines.base import Engine
from workers.engines.granite import GraniteSettings
from workers.settings import WorkerSettings

from .configuration import Configuration, ConfigurationError

PARTS: dict[str, type[BaseModel]] = {
    "redis": RedisSettings,
    "gateway": GatewaySettings,
    "worker": WorkerSettings,
    "recorder": RecorderSettings,
}
SECTIONS: dict[str, type[BaseModel]] = {**PARTS, **registry.SETTINGS}
"""Everything that can be set: the parts, and the engines that have settings of their own."""

_Settings = TypeVar("_Settings", bound=BaseModel)


def configuration_of(options: argparse.Namespace) -> Configuration:
    """Everything that was set, in file, environment and flags; wrong names are refused whoever is asked."""
    configuration = Configuration(SECTIONS)
    if path := options.config or os.environ.get("TRUNKLINE_CONFIG"):
        configuration.read_file(Path(path))
    configuration.read_environment(os.environ)
    for section, settings in PARTS.items():
        said = {field: getattr(options, field, None) for field in settings.model_fields}
        configuration.read_flags(section, said)
    for engine, settings in registry.SETTINGS.items():
        said = {
            field: getattr(options, f"{engine}_{field}", None) for field in settings.model_fields
        }
        configuration.read_flags(engine, said, f"{engine}_")
    return configuration


def settings_of(options: argparse.Namespace, section: str, settings: type[_Settings]) -> _Settings:
    """What was set of one section."""
    return configuration_of(options).section(section, settings)


def flags_of(options: argparse.Namespace, section: str) -> tuple[str, ...]:
    """What the command line said of a part, to be said to its process."""
    names = list(SECTIONS[section].model_fields)
    if section == "worker":
        names += [f"{engine}_{one}" for engine in registry.SETTINGS for one in fields_of(engine)]
    said = {name: getattr(options, name, None) for name in names}
    flags = [
        (f"--{name.replace('_', '-')}", str(value))
        for name, value in said.items()
        if value is not None
    ]
    return tuple(word for flag in flags for word in flag)


def fields_of(engine: str) -> tuple[str, ...]:
    """What can be set of an engine."""
    return tuple(registry.settings_of(engine).model_fields)


def engine_chosen(options: argparse.Namespace) -> auto.Choice:
    """The engine that the workers take, and why."""
    configuration = configuration_of(options)
    wanted = configuration.section("worker", WorkerSettings).engine

    def granite() -> GraniteSettings:
        configuration.carry_over(("worker", "model"), ("granite", "model"))
        return configuration.section("granite", GraniteSettings)

    return auto.choose(wanted, granite)


def engine_loaded(options: argparse.Namespace, name: str) -> Engine:
    """The engine of that name, warm, with the settings that were said for it."""
    configuration = configuration_of(options)
    settings = registry.settings_of(name)
    said = configuration.section("worker", WorkerSettings).model
    if said and "model" not in settings.model_fields:
        raise ConfigurationError(f"--model: the engine {name} has one model only")
    if not settings.model_fields:
        return registry.load(name)
    configuration.carry_over(("worker", "model"), (name, "model"))
    return registry.load(name, **configuration.section(name, settings).options())


def prepare_weights(options: argparse.Namespace) -> None:
    """What a first start does once, with a bar to look at, before anybody waits for a caption."""
    from workers.engines.moonshine import weights

    if engine_chosen(options).engine == "moonshine":
        with progress_bar("preparing the model, once") as progress:
            weights.ready(None, lambda _, part: progress(part), weights.VENDOR_URL)


@contextlib.contextmanager
def progress_bar(what: str) -> Iterator[Callable[[float], None]]:
    """A progress bar on standard error; told how much is done, from 0 to 1."""
    with Progress(console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task(what, total=1.0)
        yield lambda part: bar.update(task, completed=part)


def store_url(settings: RecorderSettings) -> str:
    """Where transcripts are kept: what was set, else a file in the user's data folder."""
    return settings.store or f"sqlite:///{data_folder() / 'trunkline.db'}"


def data_folder() -> Path:
    """https://specifications.freedesktop.org/basedir-spec/latest/"""
    base = os.environ.get("XDG_DATA_HOME") or Path.home() / ".local" / "share"
    folder = Path(base) / "trunkline"
    folder.mkdir(parents=True, exist_ok=True)
    return folder
