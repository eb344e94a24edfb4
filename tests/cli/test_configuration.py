"""Settings from file, environment and flags."""

from pathlib import Path

import pytest
from pydantic import BaseModel

from cli.configuration import Configuration, ConfigurationError
from protocol.settings import RedisSettings
from streaming.settings import GatewaySettings

SECTIONS: dict[str, type[BaseModel]] = {"redis": RedisSettings, "gateway": GatewaySettings}


def configuration() -> Configuration:
    return Configuration(SECTIONS)


def test_flags_win_over_the_environment_and_that_over_the_file(tmp_path: Path) -> None:
    file = tmp_path / "t.toml"
    file.write_text('[gateway]\nport = 1\nhangover_ms = 300\nhost = "127.0.0.2"\n')
    settings = configuration()

    settings.read_file(file)
    settings.read_environment(
        {"TRUNKLINE_GATEWAY_PORT": "2", "TRUNKLINE_GATEWAY_HANGOVER_MS": "400"}
    )
    settings.read_flags("gateway", {"port": "3", "host": None})
    gateway = settings.section("gateway", GatewaySettings)

    assert (gateway.port, gateway.hangover_ms, gateway.host) == (3, 400, "127.0.0.2")


def test_unset_settings_have_defaults_and_are_known_as_unset() -> None:
    settings = configuration()
    settings.read_flags("gateway", {"port": 0})

    assert settings.section("redis", RedisSettings) == RedisSettings()
    assert settings.says("gateway", "port")
    assert not settings.says("redis", "url")


@pytest.mark.parametrize(
    ("content", "complaint"),
    [
        ("[gatway]\nport = 1", r"unknown section \[gatway\]; did you mean gateway"),
        ("[gateway]\nprt = 1", r"unknown setting prt under \[gateway\] in .*; did you mean port"),
        ("port = 1", r"unknown section \[port\]"),
        ("[gateway", "not a TOML file"),
    ],
)
def test_a_file_that_is_wrong_is_refused_by_name(
    tmp_path: Path, content: str, complaint: str
) -> None:
    file = tmp_path / "t.toml"
    file.write_text(content)

    with pytest.raises(ConfigurationError, match=complaint):
        configuration().read_file(file)


def test_a_wrong_value_is_refused_by_where_it_was_said(tmp_path: Path) -> None:
    file = tmp_path / "t.toml"
    file.write_text('[gateway]\nport = "many"\n')
    settings = configuration()
    settings.read_file(file)

    with pytest.raises(
        ConfigurationError, match=r"port under \[gateway\] in .*t.toml: Input should be"
    ):
        settings.section("gateway", GatewaySettings)


def test_a_wrong_value_is_not_repeated_for_it_may_be_a_secret() -> None:
    settings = configuration()
    settings.read_environment({"TRUNKLINE_GATEWAY_PORT": "hunter2"})

    with pytest.raises(ConfigurationError) as refused:
        settings.section("gateway", GatewaySettings)

    assert "hunter2" not in str(refused.value)


def test_names_of_others_are_left_alone() -> None:
    configuration().read_environment(
        {"PATH": "x", "TRUNKLINE_READY_FD": "3", "TRUNKLINE_CONFIG": "f"}
    )


def test_the_file_of_keys_has_a_short_name_in_the_environment() -> None:
    settings = configuration()

    settings.read_environment({"TRUNKLINE_KEYS": "keys.json", "TRUNKLINE_GATEWAY_HOST": "0.0.0.0"})

    assert settings.section("gateway", GatewaySettings).keys_file == "keys.json"


def test_a_gateway_that_others_can_reach_says_what_it_lacks() -> None:
    settings = configuration()
    settings.read_environment({"TRUNKLINE_GATEWAY_HOST": "0.0.0.0"})

    with pytest.raises(ConfigurationError, match=r"^gateway: 0\.0\.0\.0 .* set keys_file"):
        settings.section("gateway", GatewaySettings)
