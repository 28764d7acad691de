"""The store of accounts: what can be done, what is refused, and two processes at once."""

import multiprocessing
import os
import sqlite3
import stat
import subprocess
import sys
from concurrent.futures import ProcessPoolExecutor

import pytest

from jupyterhub_tf29.auth import accounts as module
from jupyterhub_tf29.auth.accounts import AccountStore, Outcome, Status
from jupyterhub_tf29.auth.errors import AccountError, StoreError
from jupyterhub_tf29.auth.passwords import hash_password
from tests.cheap import CHEAP

GOOD, OTHER = "walnut-harbour-seven", "quiet-lantern-orbit"


@pytest.fixture
def path(tmp_path):
    return tmp_path / "accounts.sqlite"


@pytest.fixture
def store(path):
    opened = AccountStore(path, hasher=CHEAP)
    yield opened
    opened.close()


def outcome(store, name, password):
    return store.verify(name, password)[0]


class TestAccounts:
    def test_a_new_account_lets_in_with_its_password_alone(self, store):
        store.add("Wang.Fang", GOOD, by="boss", note="  Wang\tFang,\n physics ")
        account = store.get("wang.fang")
        assert (account.name, account.status, account.approved_by) == ("wang.fang", "active", "boss")
        assert account.note == "Wang Fang, physics"
        assert account.last_sign_in is None
        assert outcome(store, "WANG.FANG", GOOD) is Outcome.ACTIVE
        assert outcome(store, "wang.fang", OTHER) is Outcome.WRONG
        assert outcome(store, "nobody", GOOD) is Outcome.WRONG
        assert store.get("wang.fang").last_sign_in.tzinfo is not None

    def test_a_name_is_given_once_in_any_spelling(self, store):
        store.add("wang", GOOD, by="boss")
        for spelling in ("wang", "WANG", "ｗａｎｇ"):
            with pytest.raises(AccountError, match="There is an account named wang already"):
                store.add(spelling, OTHER, by="boss")
        assert outcome(store, "wang", GOOD) is Outcome.ACTIVE

    @pytest.mark.parametrize(
        ("name", "password"), [("a/b", GOOD), ("", GOOD), ("wang", "short"), ("wang", "wang1234567")]
    )
    def test_illegal_names_and_weak_passwords_make_nothing(self, store, name, password):
        with pytest.raises(AccountError):
            store.add(name, password, by="boss")
        with pytest.raises(AccountError):
            store.sign_up(name, password)
        assert store.accounts() == []
        assert store.waiting() == []

    @pytest.mark.parametrize("name", ["nobody", "", "a\0b", "\ud800", "x" * 5000, "' OR 1=1 --", "%", "_"])
    def test_no_name_confuses_it(self, store, name):
        store.add("wang", GOOD, by="boss")
        assert store.get(name) is None
        assert outcome(store, name, GOOD) is Outcome.WRONG
        with pytest.raises(AccountError, match="There is no account named"):
            store.disable(name)

    def test_disabled_and_enabled(self, store):
        store.add("wang", GOOD, by="boss")
        store.disable("wang")
        assert outcome(store, "wang", GOOD) is Outcome.DISABLED
        assert outcome(store, "wang", OTHER) is Outcome.WRONG, "said after the right password alone"
        with pytest.raises(AccountError, match="disabled already"):
            store.disable("wang")
        store.enable("wang")
        assert outcome(store, "wang", GOOD) is Outcome.ACTIVE
        with pytest.raises(AccountError, match="is not disabled"):
            store.enable("wang")

    def test_another_password_ends_the_old_one_and_its_sessions(self, store):
        store.add("wang", GOOD, by="boss")
        store.set_password("wang", OTHER, temporary=True)
        account = store.get("wang")
        assert account.temporary_password
        assert account.end_sessions
        assert outcome(store, "wang", GOOD) is Outcome.WRONG
        assert outcome(store, "wang", OTHER) is Outcome.ACTIVE
        store.sessions_ended("wang")
        store.set_password("wang", GOOD)
        assert not store.get("wang").temporary_password

    def test_a_removed_name_is_remembered_for_the_sake_of_its_files(self, store):
        store.add("wang", GOOD, by="boss")
        store.remove("wang")
        assert store.get("wang") is None
        assert store.get("wang", also_removed=True).status == Status.REMOVED
        assert store.accounts() == []
        assert outcome(store, "wang", GOOD) is Outcome.WRONG
        with pytest.raises(AccountError, match="gets the files left"):
            store.add("wang", OTHER, by="boss")
        store.sign_up("wang", OTHER)
        with pytest.raises(AccountError, match="gets the files left"):
            store.approve("wang", by="boss")
        store.approve("wang", by="boss", reuse=True)
        assert outcome(store, "wang", OTHER) is Outcome.ACTIVE

    def test_a_hash_of_weaker_parameters_is_made_anew_at_sign_in(self, store, path):
        from argon2 import PasswordHasher

        store.add("wang", GOOD, by="boss")
        weak = PasswordHasher(time_cost=1, memory_cost=1024, parallelism=1).hash(GOOD)
        with sqlite3.connect(path) as database:
            database.execute("UPDATE account SET password_hash = ?", (weak,))
        assert outcome(store, "wang", OTHER) is Outcome.WRONG
        assert store.get("wang").password_hash == weak
        assert outcome(store, "wang", GOOD) is Outcome.ACTIVE
        assert store.get("wang").password_hash.split("$")[3] == hash_password(GOOD, CHEAP).split("$")[3]
        assert outcome(store, "wang", GOOD) is Outcome.ACTIVE

    def test_unknown_and_disabled_names_cost_the_same_work(self, store, monkeypatch):
        """Counted, not timed: one verification for each, whoever it is."""
        store.add("wang", GOOD, by="boss")
        store.add("off", GOOD, by="boss")
        store.disable("off")
        store.add("gone", GOOD, by="boss")
        store.remove("gone")
        checked = []
        real = module.verify_password
        monkeypatch.setattr(module, "verify_password", lambda *args: checked.append(args) or real(*args))
        counts = []
        for name in ("wang", "off", "gone", "nobody", "a/b", "\ud800"):
            checked.clear()
            assert outcome(store, name, OTHER) is Outcome.WRONG
            counts.append(len(checked))
        assert counts == [1] * 6


class TestSignUp:
    def test_asked_for_waiting_approved(self, store):
        store.sign_up("Wang", GOOD, note="physics", address="192.0.2.1")
        assert [(one.name, one.note, one.address) for one in store.waiting()] == [("wang", "physics", "192.0.2.1")]
        assert store.count_waiting() == 1
        assert outcome(store, "wang", GOOD) is Outcome.WAITING
        assert outcome(store, "wang", OTHER) is Outcome.WRONG
        store.approve("wang", by="boss")
        assert store.count_waiting() == 0
        assert outcome(store, "wang", GOOD) is Outcome.ACTIVE
        assert (store.get("wang").note, store.get("wang").approved_by) == ("physics", "boss")

    def test_refused(self, store):
        store.sign_up("wang", GOOD)
        assert store.refuse("wang") == 1
        assert outcome(store, "wang", GOOD) is Outcome.WRONG
        with pytest.raises(AccountError, match="Nobody named wang is waiting"):
            store.refuse("wang")
        with pytest.raises(AccountError, match="Nobody named wang is waiting"):
            store.approve("wang", by="boss")

    def test_asking_for_a_taken_name_looks_the_same_and_takes_nothing(self, store):
        store.add("wang", GOOD, by="boss")
        store.sign_up("wang", OTHER)
        assert outcome(store, "wang", GOOD) is Outcome.ACTIVE
        assert outcome(store, "wang", OTHER) is Outcome.WAITING, "as for a free name"
        with pytest.raises(AccountError, match="There is an account named wang already"):
            store.approve("wang", by="boss")
        assert outcome(store, "wang", GOOD) is Outcome.ACTIVE

    def test_two_people_ask_for_one_name(self, store):
        store.sign_up("wang", GOOD, note="first")
        store.sign_up("wang", OTHER, note="second")
        first, second = store.waiting()
        with pytest.raises(AccountError, match=f"{first.id}, {second.id}"):
            store.approve("wang", by="boss")
        store.approve("wang", by="boss", request=second.id)
        assert store.get("wang").note == "second"
        assert [one.note for one in store.waiting()] == ["first"]

    def test_a_request_is_approved_under_its_own_name_only(self, store):
        store.sign_up("wang", GOOD)
        with pytest.raises(AccountError, match="Nobody named boss"):
            store.approve("boss", by="boss", request=store.waiting()[0].id)

    def test_nobody_fills_the_disk(self, store, monkeypatch):
        monkeypatch.setattr(module, "MAX_WAITING", 5)
        for _ in range(5):
            store.sign_up("wang", GOOD)
        assert store.count_waiting() == module.MAX_WAITING_PER_NAME
        for name in ("li", "lin"):
            store.sign_up(name, GOOD)
        with pytest.raises(AccountError, match="Too many people are waiting"):
            store.sign_up("zhao", GOOD)


class TestDatabase:
    def test_the_file_is_its_owners_alone(self, path, store):
        store.add("wang", GOOD, by="boss")
        for file in path.parent.iterdir():
            assert stat.S_IMODE(file.stat().st_mode) == 0o600, file

    def test_a_file_that_others_could_read_is_closed(self, path, store):
        store.close()
        path.chmod(0o644)
        AccountStore(path).close()
        assert stat.S_IMODE(path.stat().st_mode) == 0o600

    def test_no_folder(self, tmp_path):
        with pytest.raises(StoreError, match="its folder does not exist"):
            AccountStore(tmp_path / "nowhere" / "accounts.sqlite")

    def test_not_a_database(self, path):
        path.write_text("this is a letter to my aunt, and no database" * 20)
        with pytest.raises(StoreError, match="file is not a database"):
            AccountStore(path)

    def test_a_url(self, path):
        by_url = AccountStore(f"sqlite:///{path}")
        by_url.add("wang", GOOD, by="boss")
        by_url.close()
        assert outcome(AccountStore(path, hasher=CHEAP), "wang", GOOD) is Outcome.ACTIVE

    @pytest.mark.parametrize("url", ["nonsense://x/y", "postgresql+nothing://x/y"])
    def test_a_url_of_nothing(self, url):
        with pytest.raises(StoreError, match="cannot be used"):
            AccountStore(url)

    def test_processes_at_once_neither_lose_nor_double_anything(self, path, store):
        spawn = multiprocessing.get_context("spawn")  # a fork would share SQLite's locks
        with ProcessPoolExecutor(3, mp_context=spawn) as pool:
            made = sum(pool.map(add_some, [path] * 3))
        assert made == 4, "each name was made by exactly one of the three"
        assert {account.name for account in store.accounts()} == {f"user{number}" for number in range(4)}

    @pytest.mark.root
    def test_root_makes_the_file_for_the_account_of_the_hub(self, tmp_path):
        """root adds an account to a hub that runs as someone else, before and while that one has it open."""
        folder = tmp_path / "state"
        folder.mkdir(mode=0o700)
        os.chown(folder, 65534, 65534)
        for parent in folder.parents:  # pytest's folders are closed to others
            if parent.stat().st_uid == os.geteuid() and parent.name.startswith(("pytest", "popen", "test_root")):
                parent.chmod(parent.stat().st_mode | 0o011)
        by_root = AccountStore(folder / "accounts.sqlite")
        by_root.add("wang", GOOD, by="root")
        as_hub = (
            "import os, sys\n"
            "from jupyterhub_tf29.auth.accounts import AccountStore\n"
            "AccountStore('sqlite://')  # imports all that the account may not read itself\n"
            "os.setgroups([]); os.setgid(65534); os.setuid(65534)\n"
            "store = AccountStore(sys.argv[1]); print(store.verify('wang', sys.argv[2])[0].value)\n"
            "store.add('li', sys.argv[2], by='hub')"
        )
        done = subprocess.run(
            [sys.executable, "-c", as_hub, folder / "accounts.sqlite", GOOD],
            capture_output=True,
            text=True,
            check=False,
        )
        assert (done.stdout.strip(), done.stderr) == ("active", "")
        assert outcome(by_root, "li", GOOD) is Outcome.ACTIVE
        by_root.close()


def add_some(path):
    """Add four accounts that others add at the same time; how many were made by this one."""
    store, made = AccountStore(path, hasher=CHEAP), 0
    for number in range(4):
        try:
            store.add(f"user{number}", GOOD, by="test")
        except AccountError:  # another process was faster
            continue
        made += 1
    return made
