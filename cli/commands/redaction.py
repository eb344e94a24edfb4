"""The command `redact`: redacts a text or a stored call by a policy, and checks a policy against its own tests."""

import argparse
import contextlib
import sys
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

from protocol.clock import from_seconds
from protocol.events import Final, SegmentId, SegmentRevised, Span, Timing, Word
from protocol.events.event_codec import entry_of
from protocol.numbers.languages import SUPPORTED
from protocol.redaction.policy import (
    BY_ENGINE,
    PolicyError,
    PolicyTest,
    SitePolicies,
    read_policies,
)
from protocol.redaction.whole_call import redacted_call
from transcripts.outbox import Recorded
from transcripts.settings import RecorderSettings
from transcripts.store import Store
from transcripts.text_forms import as_said, final_of
from transcripts.transcript import Transcript

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
        policies = read_policies(Path(path).read_text(encoding="utf-8")) if path else SitePolicies()
    except OSError as exc:
        raise PolicyError(f"the policy {path} cannot be read: {exc.strerror}") from exc
    if any(one.kinds & BY_ENGINE for one in (policies.site, *dict(policies.tenants).values())):
        print("name and address are left out here: only workers find them", file=sys.stderr)
    return policies


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
            finals = _stored_finals(found)
            _warn_of_languages(name, finals)
            tenant = name.partition("/")[0] if "/" in name else ""
            after = redacted_call(finals, policies.of(options.tenant or tenant))
            _report(finals, after, dry_run=options.dry_run)
            changed = [
                _as_stored(new, found)
                for old, new in zip(finals, after, strict=True)
                if new.words != old.words
            ]
            if not options.dry_run:
                store.record([Recorded(name, entry_of(SegmentRevised(one), 1)) for one in changed])
        store.erase_traces()
    return 0


def _warn_of_languages(name: str, finals: Sequence[Final]) -> None:
    if unknown := {final.language for final in finals} - SUPPORTED:
        said = ", ".join(sorted(unknown))
        print(f"{name}: in {said}, only written digits are found, no number words", file=sys.stderr)


def _stored_finals(transcript: Transcript) -> list[Final]:
    """The finals as they were said.  Redaction knows spoken numbers; what it leaves is formatted again."""
    return [as_said(final_of(one)) for one in transcript.segments if one.words]


def _as_stored(final: Final, transcript: Transcript) -> Final:
    """A redacted final, formatted if the stored one is."""
    from protocol.formatting.formatter import formatted

    is_formatted = any(one.segment == final.segment and one.lexical for one in transcript.segments)
    return formatted(final) if is_formatted else final


def _report(before: Sequence[Final], after: Sequence[Final], *, dry_run: bool) -> None:
    """Print the redacted text; with `dry_run` only the lines that change, and how many of each kind."""
    known = Counter(one.kind for final in before for one in final.redactions)
    counts = Counter(one.kind for final in after for one in final.redactions) - known
    for old, new in zip(before, after, strict=True):
        if not dry_run:
            print(new.text)
        elif new.words != old.words:
            print(f"{new.segment}: {new.text}")
    if dry_run:
        said = ", ".join(f"{count} {kind}" for kind, count in sorted(counts.items()))
        print(f"would be left out: {said or 'nothing'}")
