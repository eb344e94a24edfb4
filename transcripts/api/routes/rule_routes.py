"""Routes of rules, and the rules that the process uses: those of the file, and those that tenants have set."""

import asyncio
from dataclasses import dataclass, field
from pathlib import Path

import msgspec
import structlog
from starlette.requests import Request
from starlette.responses import Response

from broker.http.middleware import permit_of
from protocol.auth.credentials import Scope

from ...database.audit_log import AuditLine
from ...live.follower import CallFollower
from ...live.rule_runner import RuleRunner, RuleSets
from ...live.rules import Rule, RuleError, RuleFile, checked, read_json, read_yaml, write_json
from ..messages.errors import ApiError
from ..messages.parameters import single
from ..messages.responses import json_response
from ..operations import Answer, Operation
from ..operations import read_json as read_body
from ..threads import StoreThreads

_EVERY_SECONDS = 5.0
"""Seconds between two reads of the rules that other processes may have changed."""

logger = structlog.get_logger()


class RulesBody(msgspec.Struct):
    """The rules for the calls of a tenant: `site` from the site's file, `rules` set by this API."""

    site: list[Rule]
    rules: list[Rule]


def rules_in(path: str) -> tuple[Rule, ...]:
    """Read a rule file; no path means no rules.  Raises RuleError."""
    if not path:
        return ()
    try:
        return read_yaml(Path(path).read_bytes())
    except OSError as exc:
        raise RuleError(f"{path}: {exc.strerror}") from exc
    except RuleError as exc:
        raise RuleError(f"{path}: {exc}") from exc


@dataclass(frozen=True, slots=True)
class RuleRoutes:
    """Handlers of rules."""

    store: StoreThreads
    runner: RuleRunner
    follower: CallFollower
    _bodies: dict[str, str] = field(default_factory=dict)
    """The stored rules that the runner has, by tenant."""

    _refreshing: asyncio.Lock = field(default_factory=asyncio.Lock)

    async def read_rules(self, request: Request) -> Response:
        """Return the rules for the calls of the tenant."""
        single(request.query_params.multi_items(), ())
        await self.refresh()
        return json_response(self._body(permit_of(request).tenant))

    async def replace_rules(self, request: Request) -> Response:
        """Replace the rules that the tenant has set."""
        single(request.query_params.multi_items(), ())
        permit = permit_of(request)
        body = await read_body(request, RuleFile)
        try:
            rules = await asyncio.to_thread(checked, body.rules)
        except RuleError as exc:
            raise ApiError(422, "bad_rules", str(exc)) from exc
        if any(rule.tenant not in (None, permit.tenant) for rule in rules):
            raise ApiError(
                422, "bad_rules", "a rule set by the API is for the calls of your tenant"
            )
        names = {
            rule.name for rule in self.runner.sets.file if rule.tenant in (None, permit.tenant)
        }
        if taken := names & {rule.name for rule in rules}:
            raise ApiError(422, "bad_rules", f"the site's file has a rule named {min(taken)}")
        line = AuditLine(permit.name, permit.tenant, "change rules", "")
        await self.store.run(lambda store: store.audit(line))
        await self.store.run(lambda store: store.set_rules(permit.tenant, write_json(rules)))
        await self.refresh()
        return json_response(self._body(permit.tenant))

    def _body(self, tenant: str) -> RulesBody:
        sets = self.runner.sets
        file = [rule for rule in sets.file if rule.tenant in (None, tenant)]
        return RulesBody(file, list(sets.by_tenant.get(tenant, ())))

    async def refresh(self) -> None:
        """Read the rules that tenants have set.  Raises ApiError if the database does not answer."""
        async with self._refreshing:
            stored = await self.store.run(lambda store: store.rules())
            if stored == self._bodies:
                return
            by_tenant = await asyncio.to_thread(self._parsed, stored)
            self._bodies.clear()
            self._bodies.update(stored)
            self.runner.change(RuleSets(self.runner.sets.file, by_tenant))
            self.follower.look()

    def _parsed(self, stored: dict[str, str]) -> dict[str, tuple[Rule, ...]]:
        """Parse the rules that have changed, and keep the others."""
        known = self.runner.sets.by_tenant
        return {
            tenant: known[tenant] if self._bodies.get(tenant) == body else _readable(body)
            for tenant, body in stored.items()
        }

    async def run(self) -> None:
        """Read the rules again every few seconds, until cancelled."""
        while True:
            try:
                await self.refresh()
            except ApiError as exc:
                logger.warning("rules_not_read", code=exc.code)
            await asyncio.sleep(_EVERY_SECONDS)

    def operations(self) -> list[Operation]:
        """The operations with their descriptions."""
        return [
            Operation(
                "GET",
                "/v1/rules",
                Scope.READ,
                self.read_rules,
                "read_rules",
                "The rules that add cards to calls",
                {200: Answer("the rules", RulesBody)},
                errors=(400,),
            ),
            Operation(
                "PUT",
                "/v1/rules",
                Scope.ADMIN,
                self.replace_rules,
                "replace_rules",
                "Replace the rules of the tenant; those of the site's file stay",
                {200: Answer("the rules", RulesBody)},
                body=RuleFile,
                errors=(400, 408, 413, 422),
                details="Every API process uses the new rules within five seconds.",
            ),
        ]


def _readable(body: str) -> tuple[Rule, ...]:
    try:
        return read_json(body)
    except RuleError:  # of a newer version
        logger.warning("rules_not_read", reason="they were set by another version of Trunkline")
        return ()
