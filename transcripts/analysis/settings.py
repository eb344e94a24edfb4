"""Settings of an analyser."""

from pathlib import Path
from typing import Self
from urllib.parse import urlsplit

from pydantic import Field, model_validator

from protocol.operator_error import OperatorError
from protocol.settings import StatusSettings

from .template import Templates, read_templates
from .values import ModelServer


class AnalyserSettings(StatusSettings):
    """An analyser process: asks a language model about calls that have ended.  Off unless chat_url is set."""

    store: str = Field("", description="SQLAlchemy URL of the database; default: the recorder's")
    chat_url: str = Field(
        "",
        description="URL of a server with the chat protocol of OpenAI, such as http://127.0.0.1:11434/v1; http only"
        " on this machine and in private networks; unset: calls are not analysed",
    )
    chat_model: str = Field("", description="name of the model at that server")
    chat_key: str = Field("", repr=False, description="key for the server; better: chat_key_file")
    chat_key_file: str = Field("", description="file with the key for the server")
    templates: str = Field(
        "",
        description="TOML file with the questions, see docs/integrations.md; unset: summary, disposition and action"
        " items of all calls",
    )
    simultaneous: int = Field(2, ge=1, le=64, description="most simultaneous calls in analysis")
    calls_per_hour: int = Field(
        200, ge=1, description="most calls of one tenant that are begun in an hour; others wait"
    )
    call_age_hours: float = Field(
        24.0,
        gt=0,
        description="only calls are analysed by themselves that started within this time",
    )
    delay_seconds: float = Field(
        5.0, ge=0, le=3_600, description="time between the end of a call and its analysis"
    )
    answer_seconds: float = Field(
        120.0, gt=0, le=3_600, description="longest time of one request to the model"
    )
    answer_tokens: int = Field(1_500, ge=100, description="most tokens of one answer")
    part_characters: int = Field(
        24_000,
        ge=1_000,
        description="most characters of words in one request, some 7,000 tokens; a longer call is read in parts",
    )
    most_parts: int = Field(
        12, ge=1, le=100, description="most parts of a call; of a longer one the middle is left out"
    )

    @model_validator(mode="after")
    def _complete(self) -> Self:
        if self.chat_url:
            parts = urlsplit(self.chat_url)
            if parts.scheme not in ("http", "https") or not parts.hostname:
                raise ValueError("chat_url is a URL such as http://127.0.0.1:11434/v1")
            if not self.chat_model:
                raise ValueError("set chat_model: the name of the model at chat_url")
        return self

    @property
    def server(self) -> ModelServer:
        """The server of the model.  Raises OperatorError if the key cannot be read."""
        key = self.chat_key
        if self.chat_key_file:
            key = _read(self.chat_key_file).strip()
        return ModelServer(
            self.chat_url, self.chat_model, key, self.answer_seconds, self.answer_tokens
        )

    @property
    def questions(self) -> Templates:
        """The templates.  Raises OperatorError if the file cannot be read."""
        return read_templates(_read(self.templates)) if self.templates else Templates()


def _read(path: str) -> str:
    try:
        return Path(path).read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as exc:
        raise OperatorError(f"{path} cannot be read: {type(exc).__name__}") from exc
