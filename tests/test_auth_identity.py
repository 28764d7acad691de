"""Whose a name is: the first one's, for ever, until an admin says otherwise."""

import threading

import pytest

from jupyterhub_tf29.auth.accounts import AccountStore
from jupyterhub_tf29.auth.identity import IdentityStore, NameTaken
from tests.cheap import CHEAP


@pytest.fixture
def store(tmp_path):
    opened = IdentityStore(tmp_path / "accounts.sqlite")
    yield opened
    opened.close()


def test_who_comes_first_has_the_name(store):
    assert store.claim("wang", "ldap", "uuid-1") == "wang"
    assert store.claim("wang", "ldap", "uuid-1") == "wang"
    for method, subject in (("ldap", "uuid-2"), ("github", "uuid-1"), ("local", "wang")):
        with pytest.raises(NameTaken, match="the name wang belongs to somebody who signs in by ldap"):
            store.claim("wang", method, subject)
    assert (store.method_of("wang"), store.subject_of("wang")) == ("ldap", "uuid-1")


def test_who_is_renamed_keeps_their_name_here(store):
    store.claim("maiden", "ldap", "uuid-1")
    assert store.claim("married", "ldap", "uuid-1") == "maiden"
    assert store.claim("married", "ldap", "uuid-2") == "married", "free for another"


def test_an_admin_gives_a_name_to_another_method_or_frees_it(store):
    store.claim("wang", "local", "wang")
    store.give("wang", "ldap")
    with pytest.raises(NameTaken):
        store.claim("wang", "local", "wang")
    assert store.claim("wang", "ldap", "uuid-1") == "wang"
    with pytest.raises(NameTaken):
        store.claim("wang", "ldap", "uuid-2")
    assert store.forget("wang")
    assert not store.forget("wang")
    assert store.claim("wang", "github", "7") == "wang"
    store.give("new", "github")
    assert store.method_of("new") == "github"
    assert [one.name for one in store.all()] == ["new", "wang"]


def test_a_local_account_of_before_keeps_its_name(store, tmp_path):
    accounts = AccountStore(tmp_path / "accounts.sqlite", hasher=CHEAP)
    accounts.add("wang", "walnut-harbour-seven", by="test")
    with pytest.raises(NameTaken, match="by local"):
        store.claim("wang", "ldap", "uuid-1", known=True)
    accounts.remove("wang")
    with pytest.raises(NameTaken):
        store.claim("wang", "ldap", "uuid-1", known=True)
    assert store.claim("wang", "local", "wang", known=True) == "wang"
    accounts.close()


def test_of_many_at_once_one_gets_it(store):
    got = []

    def claim(subject):
        try:
            got.append((store.claim("wang", "ldap", subject), subject))
        except NameTaken:
            got.append((None, subject))

    threads = [threading.Thread(target=claim, args=(f"uuid-{number}",)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len([name for name, _ in got if name]) == 1
