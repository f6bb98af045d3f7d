"""A panic of polars is raised and not printed; what others print meanwhile is."""

from __future__ import annotations

import os
import threading

import pytest

from counterpoise.core.panics import is_panic, without_panics


class PanicException(BaseException):
    """As Rust's bindings call theirs."""


def test_what_is_printed_meanwhile_comes_afterwards(capfd):
    with without_panics:
        os.write(2, b"from a library\n")
        assert capfd.readouterr().err == ""
    assert capfd.readouterr().err == "from a library\n"


def test_of_a_panic_nothing_is_printed(capfd):
    def panic():
        with without_panics:
            os.write(2, b"thread panicked\nstack backtrace:\n")
            raise PanicException("called `unwrap` on a `None` value")

    with pytest.raises(PanicException):
        panic()
    os.write(2, b"later\n")
    assert capfd.readouterr().err == "later\n"
    assert is_panic(PanicException)
    assert not is_panic(ValueError)


def test_a_thread_that_is_still_inside_holds_nothing_back(capfd):
    entered, leave = threading.Event(), threading.Event()

    def stay():
        with without_panics:
            entered.set()
            leave.wait()

    with without_panics:
        thread = threading.Thread(target=stay)
        thread.start()
        entered.wait()
    os.write(2, b"an error\n")
    assert capfd.readouterr().err == "an error\n"
    leave.set()
    thread.join()


def test_threads_may_hold_back_together(capfd):
    def work():
        for _ in range(50):
            with without_panics:
                os.write(2, b"x")

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    os.write(2, b"\n")
    assert capfd.readouterr().err == "x" * 200 + "\n"


def test_without_a_standard_error_nothing_is_held_back(monkeypatch):
    def refused(*_):
        raise OSError(24, "Too many open files")

    monkeypatch.setattr(os, "dup", refused)
    with without_panics:
        pass
