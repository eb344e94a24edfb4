"""The command that checks a file of rules."""

from pathlib import Path

import pytest

from cli.arguments import grammar
from cli.commands.rules import rules
from transcripts.live.rules import RuleError

VALID = """
rules:
  - name: Cancellation
    when: {said: [cancel my contract]}
    card: {title: Offer the discount}
  - name: Silence
    when: {silence_seconds: 20}
    card: {title: Nobody speaks}
"""


def check(file: Path) -> int:
    arguments = ["rules", "--check", str(file)]
    return rules(grammar(arguments).parse_args(arguments))


def test_a_valid_file_is_counted(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = tmp_path / "rules.yaml"
    file.write_text(VALID)

    assert check(file) == 0
    assert "2 valid rules (1 on phrases, 1 on silence)" in capsys.readouterr().out


def test_an_invalid_or_missing_file_is_named_with_its_fault(tmp_path: Path) -> None:
    file = tmp_path / "rules.yaml"
    file.write_text(VALID.replace("20", "soon"))

    with pytest.raises(RuleError, match=r"rules\.yaml: .*soon|rules\.yaml: .*float"):
        check(file)
    with pytest.raises(RuleError, match="No such file"):
        check(tmp_path / "none.yaml")
