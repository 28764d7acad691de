"""The growing delay after wrong passwords."""

from jupyterhub_tf29.auth import throttle
from jupyterhub_tf29.auth.throttle import FORGET_AFTER_S, FREE_TRIES, LONGEST_DELAY_S, Throttle

HOME, AWAY = "192.0.2.1", "198.51.100.7"


class Clock:
    def __init__(self):
        self.now = 1000.0

    def __call__(self):
        return self.now


def test_the_first_tries_are_free_and_then_the_delay_doubles_up_to_a_limit():
    clock = Clock()
    subject = Throttle(clock)
    assert [subject.attempt("wang", HOME) for _ in range(FREE_TRIES)] == [0] * FREE_TRIES
    delays = []
    for _ in range(8):
        delays.append(subject.attempt("wang", HOME))
        clock.now += delays[-1]
        assert subject.attempt("wang", HOME) == 0
    assert delays == [2, 4, 8, 16, 32, LONGEST_DELAY_S, LONGEST_DELAY_S, LONGEST_DELAY_S]


def test_asking_while_waiting_changes_nothing():
    clock = Clock()
    subject = Throttle(clock)
    for _ in range(FREE_TRIES):
        subject.attempt("wang", HOME)
    assert [subject.attempt("wang", HOME) for _ in range(50)] == [2] * 50


def test_nobody_else_has_to_wait():
    clock = Clock()
    subject = Throttle(clock)
    for _ in range(50):
        subject.attempt("admin", AWAY)
    assert subject.attempt("admin", AWAY) > 0
    assert subject.attempt("admin", HOME) == 0, "the admin, from another address"
    assert subject.attempt("wang", AWAY) == 0, "another account, from that address"


def test_a_right_password_and_time_both_forgive():
    clock = Clock()
    subject = Throttle(clock)
    for _ in range(FREE_TRIES):
        subject.attempt("wang", HOME)
    subject.succeeded("wang", HOME)
    assert subject.attempt("wang", HOME) == 0
    for _ in range(20):
        clock.now += subject.attempt("wang", HOME)
    clock.now += FORGET_AFTER_S + 1
    assert [subject.attempt("wang", HOME) for _ in range(FREE_TRIES)] == [0] * FREE_TRIES


def test_a_subscriber_with_many_ipv6_addresses_is_one():
    subject = Throttle(Clock())
    for number in range(FREE_TRIES):
        subject.attempt("wang", f"2001:db8:1:2::{number}")
    assert subject.attempt("wang", "2001:db8:1:2:ffff::1") > 0
    assert subject.attempt("wang", "2001:db8:1:3::1") == 0


def test_memory_is_bounded_and_the_oldest_go(monkeypatch):
    monkeypatch.setattr(throttle, "MAX_REMEMBERED", 100)
    subject = Throttle(Clock())
    for _ in range(FREE_TRIES):
        subject.attempt("first", HOME)
    for number in range(200):
        subject.attempt(f"guess{number}", HOME)
    assert subject.attempt("first", HOME) == 0, "forgotten"
    assert len(subject._tries) == 100
