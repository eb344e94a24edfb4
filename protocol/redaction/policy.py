"""Redaction policy: the kinds of data that are redacted, and what is shown in their place."""

import tomllib
from collections.abc import Iterable
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Any

from ..operator_error import OperatorError


class DataKind(StrEnum):
    """Kinds of data that can be redacted."""

    CARD_NUMBER = "card_number"
    SECURITY_CODE = "security_code"
    """Security codes of cards (CVV, CVC), and PINs."""

    EXPIRY = "expiry"
    IBAN = "iban"
    BANK_ACCOUNT = "bank_account"
    SSN = "ssn"
    """US social security numbers."""

    NATIONAL_ID = "national_id"
    """Identity, tax and insurance numbers, where the speaker names them."""

    TELEPHONE = "telephone"
    DATE_OF_BIRTH = "date_of_birth"
    EMAIL = "email"
    NAME = "name"
    ADDRESS = "address"
    """Names of places, and what belongs to them."""

    NUMBER = "number"
    """Every number of at least three digits."""


CARD_DATA = frozenset({DataKind.CARD_NUMBER, DataKind.SECURITY_CODE, DataKind.EXPIRY})


BY_ENGINE = frozenset({DataKind.NAME, DataKind.ADDRESS})
"""The kinds that an engine of the worker finds, in finals only."""


class PolicyError(OperatorError, ValueError):
    """The policy file is invalid. The text says what to change."""


@dataclass(frozen=True, slots=True)
class PolicyTest:
    """A test in a policy file: `said` must be shown as `shown`."""

    said: str
    shown: str
    language: str = "en"


@dataclass(frozen=True, slots=True)
class Policy:
    """What is redacted. The default is card data, on every call."""

    kinds: frozenset[DataKind] = CARD_DATA
    keep_last_four: bool = False
    """Show the last four digits of a card number that was recognised as a whole."""

    tags: tuple[tuple[DataKind, str], ...] = ()
    """Tags other than the default, which is the name of the kind: `[CARD_NUMBER]`."""

    def tag(self, kind: DataKind) -> str:
        """The text that stands for data of `kind`."""
        return dict(self.tags).get(kind, f"[{kind.name}]")

    def widened(self, kinds: Iterable[DataKind]) -> "Policy":
        """The policy with more kinds: a client may ask for more, never for less."""
        return replace(self, kinds=self.kinds | frozenset(kinds))


CARD_DATA_POLICY = Policy()
"""The policy of calls for which nothing else is configured."""

NO_REDACTION = Policy(frozenset())


@dataclass(frozen=True, slots=True)
class SitePolicies:
    """The policy of a site, and those of tenants that have their own."""

    site: Policy = CARD_DATA_POLICY
    tenants: tuple[tuple[str, Policy], ...] = ()
    tests: tuple[PolicyTest, ...] = ()

    def of(self, tenant: str) -> Policy:
        """The policy for calls of `tenant`."""
        return dict(self.tenants).get(tenant, self.site)


def read_policies(text: str) -> SitePolicies:
    """Read a policy file (TOML): the policy of the site, `[tenants.NAME]`, and `[[tests]]`. Raises PolicyError."""
    try:
        content = tomllib.loads(text)
    except tomllib.TOMLDecodeError as exc:
        raise PolicyError(f"the policy is not TOML: {exc}") from exc
    tenants = content.pop("tenants", {})
    tests = tuple(_test(one) for one in _list(content, "tests"))
    content.pop("tests", None)
    if not isinstance(tenants, dict) or not all(isinstance(one, dict) for one in tenants.values()):
        raise PolicyError("tenants must be tables: [tenants.NAME]")
    named = tuple((name, _policy(table)) for name, table in sorted(tenants.items()))
    return SitePolicies(_policy(content), named, tests)


def _policy(content: dict[str, Any]) -> Policy:
    if unknown := set(content) - {"kinds", "keep_last_four", "tags"}:
        raise PolicyError(f"the policy has an unknown key {min(unknown)!r}")
    keep = content.get("keep_last_four", False)
    if not isinstance(keep, bool):
        raise PolicyError("keep_last_four must be true or false")
    kinds = CARD_DATA
    if "kinds" in content:
        kinds = frozenset(_kind(name) for name in _list(content, "kinds"))
    return Policy(kinds, keep, _tags(content.get("tags", {})))


def _list(content: dict[str, Any], key: str) -> list[Any]:
    value = content.get(key, [])
    if not isinstance(value, list):
        raise PolicyError(f"{key} must be a list")
    return value


def _kind(name: object) -> DataKind:
    try:
        return DataKind(str(name))
    except ValueError as exc:
        raise PolicyError(f"{name!r} is not a kind: choose from {', '.join(DataKind)}") from exc


def _tags(tags: object) -> tuple[tuple[DataKind, str], ...]:
    if not isinstance(tags, dict):
        raise PolicyError("tags must be a table")
    for tag in tags.values():
        if not isinstance(tag, str) or not tag.strip() or any(one.isdigit() for one in tag):
            raise PolicyError("a tag must be a text without digits")
    return tuple((_kind(name), tag) for name, tag in sorted(tags.items()))


def _test(one: object) -> PolicyTest:
    if not isinstance(one, dict) or not {"said", "shown"} <= set(one) <= {
        "said",
        "shown",
        "language",
    }:
        raise PolicyError("a test has said, shown, and perhaps language")
    if not all(isinstance(value, str) for value in one.values()):
        raise PolicyError("said, shown and language of a test must be texts")
    return PolicyTest(**one)
