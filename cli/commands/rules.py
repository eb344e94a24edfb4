"""The command `rules`: checks a file of rules."""

import argparse
from collections import Counter
from pathlib import Path

from transcripts.live.rules import Rule, RuleError, read_yaml


def rules(options: argparse.Namespace) -> int:
    """Check a rule file, and print what it has.  Raises RuleError."""
    path = Path(options.check)
    try:
        found = read_yaml(path.read_bytes())
    except OSError as exc:
        raise RuleError(f"{path}: {exc.strerror}") from exc
    except RuleError as exc:
        raise RuleError(f"{path}: {exc}") from exc
    kinds = Counter(map(_kind, found))
    listed = ", ".join(f"{number} on {kind}" for kind, number in kinds.items())
    print(f"{path}: {len(found)} valid rules" + (f" ({listed})" if listed else ""))
    return 0


def _kind(rule: Rule) -> str:
    when = rule.when
    if when.said is not None:
        return "phrases"
    if when.keyword is not None:
        return "keywords"
    return "silence" if when.silence_seconds is not None else "talk-over"
