"""What a provider says about itself: read, checked, retried, kept."""

import logging

import pytest

from jupyterhub_tf29.auth.oauth.metadata import (
    ASK_AGAIN_S,
    KEEP_S,
    LONGEST_RETRY_S,
    MetadataError,
    MetadataStore,
    is_safe_url,
    parse,
)

ISSUER = "https://login.example.edu/realms/all"
LOG = logging.getLogger("test")


def document(**changes):
    whole = {
        "issuer": ISSUER,
        "authorization_endpoint": f"{ISSUER}/auth",
        "token_endpoint": f"{ISSUER}/token",
        "jwks_uri": f"{ISSUER}/certs",
        **changes,
    }
    return {name: value for name, value in whole.items() if value is not None}


def test_a_document_is_read():
    found = parse(document(scopes_supported=["openid", "groups"], userinfo_endpoint=f"{ISSUER}/me"), ISSUER)
    assert found.issuer == ISSUER
    assert found.userinfo_endpoint == f"{ISSUER}/me"
    assert found.scopes == {"openid", "groups"}
    assert not found.secret_by_post_only
    assert not found.names_itself


def test_a_slash_at_the_end_is_the_providers_choice():
    assert parse(document(issuer=ISSUER + "/"), ISSUER).issuer == ISSUER + "/"


@pytest.mark.parametrize(
    ("methods", "by_post"),
    [
        (None, False),
        (["client_secret_basic", "client_secret_post"], False),
        (["client_secret_post"], True),
        (["private_key_jwt"], False),
    ],
)
def test_how_the_secret_is_given(methods, by_post):
    found = parse(document(token_endpoint_auth_methods_supported=methods), ISSUER)
    assert found.secret_by_post_only == by_post


@pytest.mark.parametrize(
    ("found", "why"),
    [
        (None, "not a JSON object"),
        (["issuer"], "not a JSON object"),
        (document(issuer="https://evil.example"), "must be the same"),
        (document(issuer=None), "must be the same"),
        (document(issuer=["x"]), "must be the same"),
        (document(token_endpoint=None), "token_endpoint"),
        (document(token_endpoint="http://login.example.edu/token"), "token_endpoint"),
        (document(jwks_uri="file:///etc/passwd"), "jwks_uri"),
        (document(authorization_endpoint="javascript:alert(1)"), "authorization_endpoint"),
        (document(userinfo_endpoint="http://login.example.edu/me"), "userinfo_endpoint"),
    ],
)
def test_a_document_that_cannot_be_used_says_why(found, why):
    with pytest.raises(MetadataError, match=why):
        parse(found, ISSUER)


@pytest.mark.parametrize(
    ("url", "safe"),
    [
        ("https://a.example/x", True),
        ("http://127.0.0.1:8080/x", True),
        ("http://[::1]:8080/x", True),
        ("http://localhost/x", True),
        ("http://localhost.evil.example/x", False),
        ("http://127.0.0.1.evil.example/x", False),
        ("http://127.0.0.1@evil.example/x", False),
        ("https://user@evil.example/x", False),
        ("https://", False),
        ("https://[", False),
        ("ftp://a.example", False),
        ("", False),
        (None, False),
    ],
)
def test_secrets_go_over_tls_or_nowhere(url, safe):
    assert is_safe_url(url) == safe


class Issuer:
    """A provider and a clock."""

    def __init__(self):
        self.answers, self.asked, self.now, self.pauses = [], 0, 1000.0, []
        self.store = MetadataStore(ISSUER, self.fetch, LOG, lambda: self.now)

    async def fetch(self, url):
        assert url == ISSUER + "/.well-known/openid-configuration"
        self.asked += 1
        answer = self.answers.pop(0) if self.answers else document()
        if isinstance(answer, Exception):
            raise answer
        return answer

    async def pause(self, seconds):
        self.pauses.append(seconds)
        self.now += max(seconds, ASK_AGAIN_S)


async def test_a_provider_that_is_down_is_tried_again_ever_more_seldom():
    issuer = Issuer()
    issuer.answers = [OSError("refused")] * 9 + [document(issuer="https://evil.example")]
    await issuer.store.keep_trying(issuer.pause)
    assert issuer.store.known.token_endpoint == f"{ISSUER}/token"
    assert issuer.pauses == [
        1,
        2,
        4,
        8,
        16,
        32,
        LONGEST_RETRY_S,
        LONGEST_RETRY_S,
        LONGEST_RETRY_S,
        LONGEST_RETRY_S,
    ]


async def test_those_who_sign_in_meanwhile_do_not_ask_all_at_once(caplog):
    issuer = Issuer()
    issuer.answers = [OSError("refused")] * 5
    assert [await issuer.store.get() for _ in range(20)] == [None] * 20
    assert issuer.asked == 1
    assert "refused" in caplog.text
    issuer.answers, issuer.now = [], issuer.now + ASK_AGAIN_S
    assert (await issuer.store.get()).issuer == ISSUER


async def test_what_is_known_is_kept_a_day_and_longer_where_the_provider_is_down():
    issuer = Issuer()
    known = await issuer.store.get()
    issuer.now += KEEP_S - 1
    assert await issuer.store.get() is known
    assert issuer.asked == 1
    issuer.now, issuer.answers = issuer.now + 2, [OSError("refused")]
    assert await issuer.store.get() is known
    assert issuer.asked == 2
