"""`tf29hub user` as an admin types it."""

import json
import re

import pytest

from jupyterhub_tf29.auth.accounts import AccountStore, Outcome
from jupyterhub_tf29.cli import main
from tests.cheap import CHEAP

GOOD, OTHER = "walnut-harbour-seven", "quiet-lantern-orbit"
MADE_UP = re.compile(r"([a-z2-9]{5}-){3}[a-z2-9]{5}\n")


@pytest.fixture
def store(tmp_path, monkeypatch):
    monkeypatch.setenv("TF29HUB_STATE", str(tmp_path))
    opened = AccountStore(tmp_path / "accounts.sqlite", hasher=CHEAP)
    yield opened
    opened.close()


@pytest.fixture
def user(store, capsys):
    """`user("add", "wang")` → exit code, standard output, standard error."""

    def call(*words):
        code = main(["user", *words])
        return (code, *capsys.readouterr())

    return call


@pytest.fixture
def password_file(tmp_path):
    file = tmp_path / "password"
    file.write_text(f"{OTHER}\nnot this line\n")
    return str(file)


def outcome(store, name, password):
    return store.verify(name, password)[0]


def test_add_prints_the_made_up_password_alone(user, store):
    code, out, err = user("add", "Wang", "--note", "physics")
    assert code == 0
    assert MADE_UP.fullmatch(out)
    assert "The account wang is made." in err
    assert outcome(store, "wang", out.strip()) is Outcome.ACTIVE
    account = store.get("wang")
    assert (account.temporary_password, account.make_admin, account.note) == (True, False, "physics")


def test_add_an_admin_with_a_password_from_a_file(user, store, password_file):
    code, out, err = user("add", "boss", "--admin", "--password-file", password_file)
    assert (code, out) == (0, "")
    assert OTHER not in err
    account = store.get("boss")
    assert (account.temporary_password, account.make_admin) == (False, True)
    assert outcome(store, "boss", OTHER) is Outcome.ACTIVE


def test_passwd_from_standard_input(user, store, monkeypatch):
    import io

    store.add("wang", GOOD, by="test")
    monkeypatch.setattr("sys.stdin", io.StringIO(f"{OTHER}\n"))
    assert user("passwd", "wang", "--password-file", "-")[:2] == (0, "")
    assert outcome(store, "wang", OTHER) is Outcome.ACTIVE


def test_passwd_made_up(user, store):
    store.add("wang", GOOD, by="test")
    code, out, _ = user("passwd", "wang")
    assert code == 0
    assert outcome(store, "wang", out.strip()) is Outcome.ACTIVE
    assert outcome(store, "wang", GOOD) is Outcome.WRONG


def test_disable_enable_remove(user, store):
    store.add("wang", GOOD, by="test")
    assert user("disable", "wang")[0] == 0
    assert outcome(store, "wang", GOOD) is Outcome.DISABLED
    assert user("enable", "wang")[0] == 0
    assert outcome(store, "wang", GOOD) is Outcome.ACTIVE
    assert user("remove", "wang")[0] == 0
    assert outcome(store, "wang", GOOD) is Outcome.WRONG
    code, out, err = user("add", "wang")
    assert (code, out) == (1, "")
    assert "--reuse" in err
    assert user("add", "wang", "--reuse")[0] == 0


def test_approve_and_refuse(user, store):
    store.sign_up("wang", GOOD)
    store.sign_up("wang", OTHER)
    first, second = store.waiting()
    code, _, err = user("approve", "wang")
    assert code == 1
    assert f"{first.id}, {second.id}" in err
    assert user("approve", "wang", "--request", str(second.id))[0] == 0
    assert outcome(store, "wang", OTHER) is Outcome.ACTIVE
    assert user("refuse", "wang")[0] == 0
    assert store.waiting() == []


def test_list(user, store):
    assert "There is no account yet" in user("list")[2]
    store.add("wang", GOOD, by="test", note="physics")
    store.add("李", GOOD, by="test")
    store.disable("李")
    store.sign_up("zhao", GOOD, note="chemistry", address="192.0.2.1")
    _, out, _ = user("list")
    assert [re.split(" {2,}", line)[:2] for line in out.splitlines()] == [
        ["wang", "active"],
        ["李", "disabled"],
        ["zhao", "waiting"],
    ]
    rows = json.loads(user("list", "--json")[1])
    assert [(row["name"], row["status"]) for row in rows["accounts"]] == [("wang", "active"), ("李", "disabled")]
    assert [(row["name"], row["note"]) for row in rows["waiting"]] == [("zhao", "chemistry")]
    assert "argon2" not in json.dumps(rows)


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (["add", "a/b"], "'/' is none of these"),
        (["add", "wang", "--password-file", "/nonexistent"], "cannot be read from /nonexistent"),
        (["add", "wang", "--password-file", "/dev/null"], "it is empty"),
        (["disable", "nobody"], "There is no account named nobody"),
        (["enable", "nobody"], "There is no account named nobody"),
        (["passwd", "nobody"], "There is no account named nobody"),
        (["remove", "nobody"], "There is no account named nobody"),
        (["approve", "nobody"], "Nobody named nobody is waiting"),
        (["refuse", "nobody"], "Nobody named nobody is waiting"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)
def test_what_cannot_be_done_is_said_in_a_sentence_and_nothing_is_made(user, store, words, says):
    code, out, err = user(*words)
    assert (code, out) == (1, "")
    assert err.startswith("tf29hub user: ")
    assert says in err
    assert store.accounts() == []


def test_a_weak_password_is_refused(user, store, tmp_path):
    (tmp_path / "weak").write_text("password1234")
    code, _, err = user("add", "wang", "--password-file", str(tmp_path / "weak"))
    assert code == 1
    assert "too easy to guess" in err
    assert "password1234" not in err


def test_no_state_folder(monkeypatch, capsys, tmp_path):
    monkeypatch.setenv("TF29HUB_STATE", str(tmp_path / "nowhere"))
    assert main(["user", "list"]) == 1
    assert "its folder does not exist" in capsys.readouterr().err


@pytest.mark.parametrize(
    "words", [[], ["add"], ["add", "wang", "secret"], ["add", "wang", "--password", "x"], ["nod"]]
)
def test_called_wrongly(words):
    with pytest.raises(SystemExit) as ended:
        main(["user", *words])
    assert ended.value.code == 2
