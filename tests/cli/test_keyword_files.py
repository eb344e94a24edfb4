"""`--keywords @FILE`."""

from pathlib import Path

import pytest

from cli.commands.calls import terms_of
from protocol.operator_error import OperatorError


def test_a_file_has_one_term_in_each_line(tmp_path: Path) -> None:
    names = tmp_path / "names.txt"
    names.write_bytes("\ufeffAcme\r\n\r\nPriya Raman\r\nZo\u00eb, Orvanta".encode())

    assert terms_of(f"@{names}") == ("Acme", "Priya Raman", "Zo\u00eb", "Orvanta")
    assert terms_of("Acme, Priya Raman") == ("Acme", "Priya Raman")


@pytest.mark.parametrize("content", [None, b"\xff\xfe\x00"])
def test_a_file_that_cannot_be_read_is_named(content: bytes | None, tmp_path: Path) -> None:
    names = tmp_path / "names.txt"
    if content is not None:
        names.write_bytes(content)

    with pytest.raises(OperatorError, match=r"names\.txt"):
        terms_of(f"@{names}")
