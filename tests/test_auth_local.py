"""The authenticator, as JupyterHub calls it: through `get_authenticated_user` and `refresh_user`."""

import asyncio
import logging
import sqlite3
import threading
from types import SimpleNamespace

import pytest
from jupyterhub import orm
from tornado import web
from traitlets.config import Config

from jupyterhub_tf29.auth import local as module
from jupyterhub_tf29.auth.configure import configure_sign_in
from jupyterhub_tf29.auth.errors import AccountError
from jupyterhub_tf29.auth.local import LocalAuthenticator
from jupyterhub_tf29.settings import Paths, Settings
from tests.cheap import CHEAP

GOOD, OTHER = "walnut-harbour-seven", "quiet-lantern-orbit"


class Request:
    """As much of a handler as authenticators see: who asks, in which language, and the hub's database."""

    def __init__(self, db, address="192.0.2.1", language="en", token=False):
        self.request = SimpleNamespace(remote_ip=address, headers={"Accept-Language": language})
        self.db = db
        self._token_authenticated = token

    def find_user(self, name):
        found = orm.User.find(self.db, name)
        return found and SimpleNamespace(name=found.name, orm_user=found, admin=found.admin)


@pytest.fixture
def db():
    session = orm.new_session_factory("sqlite:///:memory:")()
    yield session
    session.close()


@pytest.fixture
def make(tmp_path):
    """`make(**traits)`: an authenticator with an account wang."""

    def made(**traits):
        authenticator = LocalAuthenticator(accounts=str(tmp_path / "accounts.sqlite"), hasher=CHEAP, **traits)
        if authenticator.store.get("wang") is None:
            authenticator.store.add("wang", GOOD, by="test")
        return authenticator

    return made


async def sign_in(authenticator, request, name="wang", password=GOOD):
    return await authenticator.get_authenticated_user(request, {"username": name, "password": password})


def break_store(folder):
    with sqlite3.connect(folder / "accounts.sqlite") as database:
        database.execute("DROP TABLE account")


class TestSignIn:
    async def test_an_active_account_comes_in_under_its_normal_name(self, make, db):
        user = await sign_in(make(), Request(db), name="ＷＡＮＧ")
        assert (user["name"], user["admin"]) == ("wang", None)

    @pytest.mark.parametrize(("name", "password"), [("wang", OTHER), ("nobody", GOOD), ("a/b", GOOD), ("", "")])
    async def test_what_does_not_fit_is_nothing(self, make, db, name, password):
        assert await sign_in(make(), Request(db), name, password) is None

    @pytest.mark.parametrize("data", [{}, {"username": "wang"}, {"username": 1, "password": ["x"]}])
    async def test_a_form_with_parts_missing(self, make, db, data):
        with pytest.raises(web.HTTPError) as refused:
            await make().get_authenticated_user(Request(db), data)
        assert refused.value.status_code == 400

    async def test_a_disabled_account_is_told_so_after_the_right_password_alone(self, make, db):
        authenticator = make()
        authenticator.store.disable("wang")
        assert await sign_in(authenticator, Request(db), password=OTHER) is None
        with pytest.raises(web.HTTPError, match="This account is disabled"):
            await sign_in(authenticator, Request(db))

    async def test_who_waits_is_told_so_in_their_language(self, make, db):
        authenticator = make()
        authenticator.store.sign_up("li", GOOD)
        assert await sign_in(authenticator, Request(db), "li", OTHER) is None
        with pytest.raises(web.HTTPError, match="正在等待管理员批准"):
            await sign_in(authenticator, Request(db, language="zh-CN"), "li")

    async def test_wrong_passwords_slow_down_their_sender_and_nobody_else(self, make, db):
        authenticator, attacker = make(), Request(db, address="198.51.100.7")
        for name in ("wang", "nobody"):
            for _ in range(4):
                assert await sign_in(authenticator, attacker, name, OTHER) is None
            with pytest.raises(web.HTTPError, match=r"Too many wrong passwords\. Try again in \d s") as slow:
                await sign_in(authenticator, attacker, name, GOOD)
            assert slow.value.status_code == 429
        assert (await sign_in(authenticator, Request(db)))["name"] == "wang"

    async def test_tries_at_once_are_counted_each(self, make, db):
        authenticator = make()
        tries = [sign_in(authenticator, Request(db), password=OTHER) for _ in range(20)]
        outcomes = await asyncio.gather(*tries, return_exceptions=True)
        assert outcomes.count(None) == 4

    async def test_passwords_are_checked_off_the_event_loop_and_not_without_end(self, make, db, monkeypatch):
        authenticator = make()
        go, threads = threading.Event(), []

        def slow(name, password):
            threads.append(threading.current_thread())
            go.wait(30)
            return module.Outcome.WRONG, None

        monkeypatch.setattr(authenticator.store, "verify", slow)
        waiting = [
            asyncio.create_task(sign_in(authenticator, Request(db), name=f"user{number}"))
            for number in range(module.MAX_HASHES_UNDER_WAY)
        ]
        await asyncio.sleep(0)  # each goes up to its thread
        with pytest.raises(web.HTTPError) as busy:
            await sign_in(authenticator, Request(db))
        assert busy.value.status_code == 503
        assert await authenticator.refresh_user(SimpleNamespace(name="wang", admin=False), Request(db))
        go.set()
        assert await asyncio.gather(*waiting) == [None] * len(waiting)
        assert len(set(threads)) == module.HASHING_THREADS
        assert threading.main_thread() not in threads

    async def test_a_store_that_fails_is_said_and_logged(self, make, db, tmp_path, caplog):
        authenticator = make()
        authenticator.log = logging.getLogger("test")
        break_store(tmp_path)
        with pytest.raises(web.HTTPError, match="Sign-in does not work at the moment") as broken:
            await sign_in(authenticator, Request(db))
        assert broken.value.status_code == 503
        assert "The accounts cannot be used" in caplog.text

    async def test_an_admin_made_on_the_command_line_is_made_one_once(self, make, db):
        authenticator = make()
        authenticator.store.add("boss", GOOD, by="test", make_admin=True)
        assert (await sign_in(authenticator, Request(db), "boss"))["admin"] is True
        assert (await sign_in(authenticator, Request(db), "boss"))["admin"] is None, "the hub's word from now on"

    async def test_admins_of_the_configuration(self, make, db):
        assert (await sign_in(make(admin_users={"wang"}), Request(db)))["admin"] is True

    async def test_no_password_reaches_the_log(self, make, db, caplog):
        caplog.set_level(logging.DEBUG)
        authenticator = make()
        authenticator.log = logging.getLogger("test")
        await sign_in(authenticator, Request(db))
        await sign_in(authenticator, Request(db), password=OTHER)
        await sign_in(authenticator, Request(db), name=OTHER, password=GOOD)
        assert "Wrong name or password from 192.0.2.1" in caplog.text
        assert GOOD not in caplog.text
        assert OTHER not in caplog.text, "people type their password into the wrong field"


class TestWhoMayComeIn:
    async def test_no_account_no_way_in_whatever_the_allow_settings_say(self, make, db):
        for traits in ({"allow_all": True}, {"allowed_users": {"li"}}, {"allow_existing_users": True}):
            authenticator = make(**traits)
            authenticator.add_user(SimpleNamespace(name="li"))
            assert await sign_in(authenticator, Request(db), "li") is None

    async def test_allowed_and_blocked_users_narrow_it(self, make, db):
        assert await sign_in(make(allowed_users={"li"}), Request(db)) is None
        assert await sign_in(make(allowed_users={"wang"}), Request(db))
        assert await sign_in(make(blocked_users={"wang"}), Request(db)) is None

    def test_an_empty_store_says_so_at_start(self, make, caplog):
        authenticator = make()
        authenticator.log = logging.getLogger("test")
        authenticator.check_allow_config()
        assert caplog.text == ""
        authenticator.store.disable("wang")
        authenticator.check_allow_config()
        assert "There is no local account: nobody can sign in" in caplog.text


class TestRefresh:
    @pytest.fixture
    def user(self, db):
        found = orm.User(name="wang")
        db.add(found)
        db.commit()
        return SimpleNamespace(name="wang", orm_user=found, admin=False)

    async def test_active_goes_on_and_disabled_ends_for_browsers_and_tokens(self, make, db, user):
        authenticator = make()
        for token in (False, True):
            assert await authenticator.refresh_user(user, Request(db, token=token))
        cookie = user.orm_user.cookie_id
        authenticator.store.disable("wang")
        for token in (False, True):
            assert not await authenticator.refresh_user(user, Request(db, token=token))
        assert user.orm_user.cookie_id != cookie
        assert getattr(authenticator, "auth_refresh_strict", True), "or JupyterHub 6.1 lets tokens go on"
        assert authenticator.auth_refresh_age <= 60

    async def test_a_removed_account_is_out(self, make, db, user):
        authenticator = make()
        authenticator.store.remove("wang")
        assert not await authenticator.refresh_user(user, Request(db))
        assert not await authenticator.refresh_user(user, Request(db, token=True))

    async def test_a_new_password_signs_out_browsers_once_and_leaves_the_servers_own_tokens(self, make, db, user):
        authenticator = make()
        db.add(orm.OAuthClient(identifier="jupyterhub"))
        user.orm_user.new_api_token(note="Server at /user/wang/")
        user.orm_user.new_api_token(session_id="a browser's session")
        authenticator.store.set_password("wang", OTHER)
        cookie = user.orm_user.cookie_id
        assert not await authenticator.refresh_user(user, Request(db))
        assert user.orm_user.cookie_id != cookie
        assert [token.note for token in user.orm_user.api_tokens] == ["Server at /user/wang/"]
        assert await authenticator.refresh_user(user, Request(db))

    async def test_a_sign_in_with_the_new_password_is_not_undone_by_the_old_order(self, make, db, user):
        authenticator = make()
        authenticator.store.set_password("wang", OTHER)
        cookie = user.orm_user.cookie_id
        assert await sign_in(authenticator, Request(db), password=OTHER)
        assert user.orm_user.cookie_id != cookie, "before the new cookie is set"
        assert await authenticator.refresh_user(user, Request(db))

    async def test_a_user_without_an_account_has_tokens_but_no_browser(self, make, db):
        bot = SimpleNamespace(name="bot", admin=False)
        assert await make().refresh_user(bot, Request(db, token=True))
        assert not await make().refresh_user(bot, Request(db))

    async def test_a_store_that_fails_throws_nobody_out(self, make, db, user, tmp_path):
        authenticator = make()
        break_store(tmp_path)
        assert await authenticator.refresh_user(user, Request(db))


class TestUsersOfTheHub:
    @pytest.mark.parametrize("name", ["Wang", "ｗａｎｇ", "a b", "аdmin", "a%2fb"])
    def test_a_name_that_is_none_is_refused(self, make, name):
        with pytest.raises((ValueError, AccountError)):
            make().add_user(SimpleNamespace(name=name))

    async def test_deleting_the_user_removes_the_account(self, make, db):
        authenticator = make()
        await authenticator.delete_user(SimpleNamespace(name="wang"))
        assert await sign_in(authenticator, Request(db)) is None
        await authenticator.delete_user(SimpleNamespace(name="wang"))  # and one without an account


def test_configure(tmp_path):
    config = Config()
    settings = Settings(sign_in={"admins": ["boss"], "sign_up": "closed"})
    configure_sign_in(config, settings, Paths(config=tmp_path, state=tmp_path, logs=tmp_path))
    authenticator = config.JupyterHub.authenticator_class(config=config)
    assert authenticator.admin_users == {"boss"}
    assert [method.name for method in authenticator.methods] == ["local"]
    assert authenticator.local.sign_up == "closed"
    assert authenticator.local.store.accounts() == []
    assert (tmp_path / "accounts.sqlite").exists()
