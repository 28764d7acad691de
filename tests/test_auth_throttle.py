"""The growing delay after wrong passwords."""

import pytest

from jupyterhub_tf29.auth import throttle
from jupyterhub_tf29.auth.lockout_settings import Lockout
from jupyterhub_tf29.auth.throttle import FORGET_AFTER_S, FREE_TRIES, LONGEST_DELAY_S, Throttle
from jupyterhub_tf29.auth.throttlefile import locked_rows, release_row
from tests.waiting import wait_until

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
    subject = Throttle(Clock(), settings=Lockout(address_tries=100_000))
    for _ in range(FREE_TRIES):
        subject.attempt("first", HOME)
    for number in range(200):
        subject.attempt(f"guess{number}", HOME)
    assert subject.attempt("first", HOME) == 0, "forgotten"
    assert len(subject._book.pairs) == 100
    assert len(subject._book.buckets) == 100


class TestLocks:
    SETTINGS = Lockout(account_tries=10, address_tries=20, lock=600)

    @pytest.fixture
    def clock(self):
        return Clock()

    @pytest.fixture
    def subject(self, clock):
        return Throttle(clock, settings=self.SETTINGS)

    def test_one_password_on_many_names_locks_the_address(self, subject, clock):
        waits = [subject.attempt(f"local:user{number}", AWAY) for number in range(25)]
        assert waits[:21] == [0] * 21
        assert waits[21:] == [600] * 4
        assert subject.attempt("local:somebody", HOME) == 0, "another address"
        assert [(lock.kind, lock.what) for lock in subject.locks()] == [("address", AWAY)]
        clock.now += 601
        assert subject.attempt("local:somebody", AWAY) == 0
        assert subject.locks() == []

    def test_many_addresses_lock_the_account_but_not_for_its_owner(self, subject):
        subject.attempt("local:wang", HOME)
        subject.succeeded("local:wang", HOME)
        waits = [subject.attempt("local:wang", f"203.0.113.{number}") for number in range(20)]
        assert waits[:11] == [0] * 11
        assert waits[11:] == [600] * 9
        assert subject.attempt("local:wang", HOME) == 0, "an address that is known to the account"
        assert subject.attempt("local:wang", "127.0.0.1") == 0, "this machine"
        assert subject.attempt("local:li", "203.0.113.99") == 0, "another account"

    def test_a_name_that_nobody_has_is_locked_just_so(self, subject):
        def waits(name):
            return [subject.attempt(name, f"203.0.113.{number}") for number in range(15)]

        subject.succeeded("local:wang", HOME)
        assert waits("local:wang") == waits("local:nobody-at-all")

    def test_this_machine_is_never_locked_out_but_it_is_slowed_down(self, subject):
        waits = [subject.attempt("local:admin", "127.0.0.1") for _ in range(40)]
        assert max(waits) == 2
        assert [subject.attempt(f"local:user{number}", "::1") for number in range(50)] == [0] * 50

    def test_right_passwords_do_not_count(self, subject):
        for number in range(200):
            assert subject.attempt(f"local:user{number}", AWAY) == 0
            subject.succeeded(f"local:user{number}", AWAY)

    def test_an_attack_that_goes_on_is_let_in_ever_so_little_and_ends_with_it(self, subject, clock):
        tries = 0
        for second in range(0, 24 * 3600, 20):
            clock.now += 20
            tries += subject.attempt("local:admin", f"2001:db8:{second:x}::1") == 0
        assert 0 < tries < 1000, "in a day, from as many addresses as there are"
        clock.now += 3600
        assert subject.attempt("local:admin", HOME) == 0

    def test_released(self, subject):
        for number in range(15):
            subject.attempt("local:wang", f"203.0.113.{number}")
        (lock,) = subject.locks()
        assert subject.release(lock.kind, lock.id)
        assert subject.attempt("local:wang", "203.0.113.77") == 0
        assert not subject.release("account", "nothing")


class TestTheFile:
    SETTINGS = Lockout(account_tries=10, address_tries=20, lock=600)

    @pytest.fixture
    def path(self, tmp_path):
        return tmp_path / "throttle.sqlite"

    def throttle(self, path):
        return Throttle(path=path, settings=self.SETTINGS)

    def test_tries_outlive_the_process(self, path):
        first = self.throttle(path)
        first.attempt("local:li", HOME)
        first.succeeded("local:li", HOME)
        for _ in range(FREE_TRIES):
            first.attempt("local:wang", HOME)
        for number in range(15):
            first.attempt("local:li", f"203.0.113.{number}")
        first.close()
        second = self.throttle(path)
        assert 0 < second.attempt("local:wang", HOME) <= 2
        assert second.attempt("local:li", AWAY) > 590
        assert second.attempt("local:li", HOME) == 0, "known before the restart"
        assert [lock.what for lock in second.locks()] == ["local:li"]
        second.close()

    def test_it_is_its_owners_and_holds_no_name_that_never_was_right(self, path):
        subject = self.throttle(path)
        subject.succeeded("local:wang", HOME)
        for number in range(15):
            subject.attempt("local:my secret password", f"203.0.113.{number}")
        subject.close()
        assert path.stat().st_mode & 0o777 == 0o600
        content = b"".join(file.read_bytes() for file in path.parent.iterdir())
        assert b"local:wang" in content
        assert b"secret" not in content

    def test_the_command_line_sees_and_releases(self, path):
        subject = self.throttle(path)
        for number in range(15):
            subject.attempt("local:wang", f"203.0.113.{number}")
            subject.attempt("local:li", f"203.0.113.{number}")
        for number in range(25):
            subject.attempt(f"local:x{number}", AWAY)
        wait_until(lambda: len(locked_rows(path, [])) == 3, "the locks are in the file", 10)
        rows = {row.clear: row for row in locked_rows(path, ["local:wang", "local:li"])}
        assert set(rows) == {"local:wang", "local:li", AWAY}
        release_row(path, rows["local:wang"])
        release_row(path, rows[AWAY])
        wait_until(lambda: len(subject.locks()) == 1, "the hub has noticed", 10)
        assert subject.attempt("local:wang", AWAY) == 0
        assert subject.attempt("local:li", HOME) > 0
        assert [row.clear for row in locked_rows(path, ["local:li"])] == ["local:li"]
        subject.close()

    def test_a_file_that_cannot_be_used_is_told_and_does_without(self, tmp_path, caplog):
        broken = tmp_path / "throttle.sqlite"
        broken.write_bytes(b"this is no database, and it is longer than a header " * 50)
        subject = self.throttle(broken)
        for _ in range(FREE_TRIES):
            subject.attempt("local:wang", HOME)
        assert subject.attempt("local:wang", HOME) > 0
        subject.close()
        assert "cannot be read" in caplog.text
