import pytest
from support.quick_install import settings_of, uv_options


def test_options_of_all_sections_count_and_the_environment_goes_first() -> None:
    listed = [
        ":env:.index-url='https://three.example/simple'",
        "global.find-links='/wheels /more'",
        "global.index-url='https://one.example/simple'",
        "install.index-url='https://two.example/simple'",
        "download.no-deps='true'",
    ]

    assert settings_of(listed) == {
        "find-links": "/wheels /more",
        "index-url": "https://three.example/simple",
    }


@pytest.mark.parametrize(
    ("settings", "options"),
    [
        ({}, []),
        ({"index-url": "https://a/simple"}, ["--default-index", "https://a/simple"]),
        (
            {"extra-index-url": "https://a https://b"},
            ["--index", "https://a", "--index", "https://b"],
        ),
        ({"find-links": "\n/wheels\n/more"}, ["--find-links", "/wheels", "--find-links", "/more"]),
        ({"constraint": "c.txt", "timeout": "60", "cert": "/ca.pem"}, ["--constraint", "c.txt"]),
        ({"trusted-host": "mirror"}, ["--allow-insecure-host", "mirror"]),
    ],
)
def test_options_of_pip_become_those_of_uv(settings: dict[str, str], options: list[str]) -> None:
    assert uv_options(settings) == options


def test_an_option_without_counterpart_leaves_the_installation_to_pip() -> None:
    assert uv_options({"index-url": "https://a/simple", "client-cert": "/me.pem"}) is None
