"""The command `redact`: redacts a text or a stored call by a policy, and checks a policy against its own tests."""

import argparse
import contextlib
from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from protocol.clock import from_seconds
from protocol.events import Final, SegmentId, SegmentRevised, Span, Timing, Word
from protocol.events.event_codec import entry_of
from protocol.numbers.languages import SUPPORTED
from protocol.redaction.policy import PolicyError, PolicyTest, SitePolicies, read_policies
from protocol.redaction.whole_call import redacted_call
from transcripts.outbox import Recorded
from transcripts.settings import RecorderSettings
from transcripts.store import Store
from transcripts.transcript import StoredSegment

from ..call_source import local_calls
from ..common import settings_of, store_url

_LINE = from_seconds(2.0)
"""Length that a line of a text counts as, in samples of the call clock."""


def redact(options: argparse.Namespace) -> int:
    """Redact a text file or a stored call by a policy; `--check` runs the tests of the policy."""
    policies = _policies(options.policy)
    if options.check:
        return _check(policies)
    if not options.what:
        raise PolicyError("say which FILE or CALL to redact, or --check")
    path = Path(options.what)
    if path.is_file():
        return _redact_file(path, policies, options)
    return _redact_call(policies, options)


def _policies(path: str | None) -> SitePolicies:
    try:
        return read_policies(Path(path).read_text(encoding="utf-8")) if path else SitePolicies()
    except OSError as exc:
        raise PolicyError(f"the policy {path} cannot be read: {exc.strerror}") from exc


def _check(policies: SitePolicies) -> int:
    """Run the tests of a policy. Returns 1 if one fails."""
    failed = 0
    for test in policies.tests:
        shown = _shown(test, policies)
        if shown != test.shown:
            failed += 1
            print(f"said:     {test.said}\nexpected: {test.shown}\nshown:    {shown}\n")
    print(f"{len(policies.tests)} tests, {failed} failed")
    return 1 if failed else 0


def _shown(test: PolicyTest, policies: SitePolicies) -> str:
    """What is shown of a test: its lines are segments of one channel."""
    finals = _finals(test.said.splitlines(), test.language)
    return "\n".join(final.text for final in redacted_call(finals, policies.site))


def _redact_file(path: Path, policies: SitePolicies, options: argparse.Namespace) -> int:
    """Print a text, redacted. Each line is a segment; `agent:` and `customer:` before it name the channel."""
    if options.language not in SUPPORTED:
        raise PolicyError(
            f"redact knows {', '.join(sorted(SUPPORTED))}, and not {options.language}"
        )
    lines = path.read_text(encoding="utf-8").splitlines()
    finals = _finals(lines, options.language)
    policy = policies.of(options.tenant)
    after = redacted_call(finals, policy)
    _report(finals, after, dry_run=options.dry_run)
    return 0


def _finals(lines: Sequence[str], language: str) -> list[Final]:
    return [_final(line, place, language) for place, line in enumerate(lines)]


def _final(line: str, place: int, language: str) -> Final:
    channel = 1 if line.startswith("agent:") else 0
    span = Span(place * _LINE, (place + 1) * _LINE)
    words = tuple(map(Word, line.split()))
    return Final(SegmentId(channel, place), span, words, language, 0, (), "text", Timing(0, 0))


def _redact_call(policies: SitePolicies, options: argparse.Namespace) -> int:
    """Redact a stored call, each of its streams; with `--dry-run` only say what would be left out."""
    with local_calls(options) as calls:
        transcript = calls.whole(options.what)
    names = [piece.call_id for piece in transcript.pieces] or [transcript.call.call_id]
    url = store_url(settings_of(options, "recorder", RecorderSettings))
    with contextlib.closing(Store.open(url)) as store:
        for name in names:
            found = store.transcript(name)
            if found is None:
                continue
            finals = [_stored_final(one) for one in found.segments if one.words]
            tenant = name.partition("/")[0] if "/" in name else ""
            after = redacted_call(finals, policies.of(options.tenant or tenant))
            _report(finals, after, dry_run=options.dry_run)
            changed = [new for old, new in zip(finals, after, strict=True) if new != old]
            if not options.dry_run:
                store.record([Recorded(name, entry_of(SegmentRevised(one), 1)) for one in changed])
        store.erase_traces()
    return 0


def _stored_final(one: StoredSegment) -> Final:
    timing = one.timing or Timing(0, 0)
    return Final(
        one.segment,
        one.span,
        one.words,
        one.language,
        one.keywords_revision,
        one.keywords_found,
        one.engine,
        timing,
        one.flags,
    )


def _report(before: Sequence[Final], after: Sequence[Final], *, dry_run: bool) -> None:
    """Print the redacted text; with `dry_run` only the lines that change, and how many of each kind."""
    counts = Counter(one.kind for final in after for one in final.redactions)
    for old, new in zip(before, after, strict=True):
        if not dry_run:
            print(new.text)
        elif replace(new, redactions=()) != old:
            print(f"{new.segment}: {new.text}")
    if dry_run:
        said = ", ".join(f"{count} {kind}" for kind, count in sorted(counts.items()))
        print(f"would be left out: {said or 'nothing'}")
