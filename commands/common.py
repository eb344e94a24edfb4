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

from console.configuration import Configuration, ConfigurationError
from protocol.settings import RedisSettings
from streaming.settings import GatewaySettings
from transcripts.settings import RecorderSettings
from workers.settings import WorkerSettings

SECTIONS: dict[str, type[BaseModel]] = {
    "redis": RedisSettings,
    "gateway": GatewaySettings,
    "worker": WorkerSettings,
    "recorder": RecorderSettings,
}

_Settings = TypeVar("_Settings", bound=BaseModel)


def configuration_of(options: argparse.Namespace) -> Configuration:
    """Everything that was set, in file, environment and flags; wrong names are refused whoever is asked."""
    configuration = Configuration(SECTIONS)
    if path := options.config or os.environ.get("TRUNKLINE_CONFIG"):
        configuration.read_file(Path(path))
    configuration.read_environment(os.environ)
    for section, settings in SECTIONS.items():
        said = {field: getattr(options, field, None) for field in settings.model_fields}
        configuration.read_flags(section, said)
    return configuration


def settings_of(options: argparse.Namespace, section: str, settings: type[_Settings]) -> _Settings:
    """What was set of one section."""
    return configuration_of(options).section(section, settings)


def flags_of(options: argparse.Namespace, section: str) -> tuple[str, ...]:
    """What the command line said of a part, to be said to its process."""
    said = {field: getattr(options, field, None) for field in SECTIONS[section].model_fields}
    flags = [
        (f"--{field.replace('_', '-')}", str(value))
        for field, value in said.items()
        if value is not None
    ]
    return tuple(word for flag in flags for word in flag)


def model_of(engine: str, model: str) -> dict[str, object]:
    """How each engine is told which model to take; nothing for its own."""
    if not model:
        return {}
    match engine:
        case "granite":
            return {"model": model}
        case "whisper":
            return {"folder": Path(model)}
        case _:
            raise ConfigurationError(f"--model: the engine {engine} has one model only")


def prepare_weights(options: argparse.Namespace) -> None:
    """What a first start does once, with a bar to look at, before anybody waits for a caption."""
    from workers.engines import choice, moonshine_weights

    if choice.choose(settings_of(options, "worker", WorkerSettings).engine).engine == "moonshine":
        with progress_bar("preparing the model, once") as progress:
            moonshine_weights.ready(
                None, lambda _, part: progress(part), moonshine_weights.VENDOR_URL
            )


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
