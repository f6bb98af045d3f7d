"""The program itself: completion in the user's shell."""

from __future__ import annotations

import pytest


@pytest.mark.parametrize(
    ("shell", "file"),
    [
        ("bash", ".bash_completions/counterpoise.sh"),
        ("zsh", ".zfunc/_counterpoise"),
        ("fish", ".config/fish/completions/counterpoise.fish"),
    ],
)
def test_completion_is_shown_and_installed(counterpoise, shell, file, tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("_TYPER_COMPLETE_TEST_DISABLE_SHELL_DETECTION", "1")  # else the shell is found, not named
    shown = counterpoise("--show-completion", shell)
    assert "_COUNTERPOISE_COMPLETE" in shown.out
    assert list(tmp_path.iterdir()) == []
    assert counterpoise("--install-completion", shell).code == 0
    assert (tmp_path / file).read_text(encoding="utf-8").strip() == shown.out.strip()


@pytest.mark.parametrize(
    ("typed", "offered"), [("counterpoise pre", ["predict"]), ("counterpoise export m.keras --f", ["--format"])]
)
def test_commands_and_options_are_completed(counterpoise, typed, offered, monkeypatch):
    monkeypatch.setenv("_COUNTERPOISE_COMPLETE", "complete_bash")
    monkeypatch.setenv("COMP_WORDS", typed)
    monkeypatch.setenv("COMP_CWORD", str(len(typed.split()) - 1))
    assert counterpoise().out.split() == offered
