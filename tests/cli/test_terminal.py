"""What is printed cannot steer the terminal, and is never too much for its encoding."""

from __future__ import annotations

import io
import sys

import pytest
from rich.table import Table
from rich.text import Text

from counterpoise.cli import terminal
from counterpoise.cli.terminal import Terminal, print_line, write_data
from counterpoise.core.errors import OptionError
from counterpoise.core.terminal_text import terminal_text

STEERING = "a\x1b]0;title\x07b\rc\x9bd\u202ee\u2028f\udcffg"
WRITTEN = r"a\x1b]0;title\x07b\x0dc\x9bd\u202ee\u2028f\xffg"


def test_characters_that_steer_are_written_out_and_others_stay():
    assert terminal_text(STEERING) == WRITTEN
    assert terminal_text("naïve 日本 \u200d\u00a0 [bold] line\n") == "naïve 日本 \u200d\u00a0 [bold] line\n"


def test_a_line_is_printed_as_text(capsys):
    print_line(f"saved {STEERING}")
    print_line(STEERING, error=True)
    assert capsys.readouterr() == (f"saved {WRITTEN}\n", f"{WRITTEN}\n")


def test_a_terminal_gets_lines_broken_between_words_and_commands_whole(monkeypatch):
    monkeypatch.setenv("COLUMNS", "20")
    out = Raw("utf-8", terminal=True)
    monkeypatch.setattr(sys, "stdout", out)
    print_line("average precision 0.386 (held-out rows)")
    print_line("Next: counterpoise evaluate m.keras rows.csv")
    out.flush()
    lines = ["average precision", "0.386 (held-out", "rows)", "Next: counterpoise evaluate m.keras rows.csv"]
    assert out.buffer.getvalue().decode().splitlines() == lines


def printed(*renderables, **options) -> str:
    out = io.StringIO()
    Terminal(file=out, width=100, **options).print(*renderables)
    return out.getvalue()


def test_tables_and_texts_of_rich_are_escaped_and_hold_no_markup():
    table = Table("label[/x]", box=None)
    table.add_row("[red]a\x1b[31mb")
    text = printed(table, Text("\x1b[2J", style="bold"), "[x]\x9b", force_terminal=True, color_system="standard")
    for part in ("label[/x]", r"[red]a\x1b[31mb", r"\x1b[2J", r"\x9b"):
        assert part in text
    assert "\x1b[2J" not in text
    assert "\x1b[1m" in text  # a style of ours still is one


class Raw(io.TextIOWrapper):
    """Standard output over bytes."""

    def __init__(self, encoding: str, terminal: bool) -> None:
        super().__init__(io.BytesIO(), encoding=encoding, errors="backslashreplace", newline="\n")
        self.terminal = terminal

    def isatty(self) -> bool:
        return self.terminal


@pytest.mark.parametrize("encoding", ["utf-8", "latin-1", "ascii"])
def test_data_is_utf8_in_a_pipe_and_escaped_at_a_terminal(monkeypatch, encoding):
    text = "label\né\x1b[31m\n"
    for is_terminal in (False, True):
        out = Raw(encoding, is_terminal)
        monkeypatch.setattr(sys, "stdout", out)
        write_data(text)
        out.flush()
        raw = out.buffer.getvalue()
        assert raw == ("label\né\\x1b[31m\n".encode(encoding, "backslashreplace") if is_terminal else text.encode())


def test_what_an_encoding_lacks_is_written_out(monkeypatch):
    out = io.TextIOWrapper(io.BytesIO(), encoding="ascii")
    monkeypatch.setattr(sys, "stdout", out)
    terminal.escape_unencodable()
    print("é\udcff")
    out.flush()
    assert out.buffer.getvalue() == b"\\xe9\\udcff\n"


def test_data_for_a_closed_output_are_refused(monkeypatch):
    monkeypatch.setattr(sys, "stdout", None)
    with pytest.raises(OptionError, match="--out"):
        write_data("a\n")
