"""Asking a provider: bounded, never to the wrong place, and quoting nothing of what it answered."""

import json
from types import SimpleNamespace

import pytest

from jupyterhub_tf29.auth.oauth.client import MAX_ANSWER_BYTES, Client, parsed
from jupyterhub_tf29.auth.oauth.errors import NoLonger, ProviderDown
from jupyterhub_tf29.auth.oauth.googlegroups import GoogleGroups
from tests.openid.places import Google
from tests.openid.provider import Provider

SECRET = "the provider's answer holds this"


@pytest.fixture
def provider():
    with Provider() as running:
        yield running


def page(provider, status, content, headers=None):
    provider.pages["/page"] = lambda request: (status, content, headers or {})
    return f"{provider.origin}/page"


async def test_an_answer(provider):
    assert await Client(5).get(page(provider, 200, {"a": 1})) == {"a": 1}


@pytest.mark.parametrize(
    ("status", "content", "headers", "kind"),
    [
        (401, {}, {}, NoLonger),
        (403, {}, {}, NoLonger),
        (403, {}, {"Retry-After": "60"}, ProviderDown),
        (403, {}, {"X-RateLimit-Remaining": "0"}, ProviderDown),
        (403, {}, {"X-RateLimit-Remaining": "10"}, NoLonger),
        (404, {}, {}, ProviderDown),
        (429, {}, {}, ProviderDown),
        (500, {}, {}, ProviderDown),
        (302, "https://evil.example/", {}, ProviderDown),
    ],
)
async def test_what_a_status_means_to_who_is_signed_in(provider, status, content, headers, kind):
    with pytest.raises(kind) as caught:
        await Client(5).get(page(provider, status, content, headers), "the token")
    assert "the token" not in str(caught.value)


@pytest.mark.parametrize(
    ("status", "error", "kind"),
    [
        (400, "invalid_grant", NoLonger),
        (400, "invalid_client", ProviderDown),
        (401, "invalid_client", ProviderDown),
        (401, "unauthorized_client", ProviderDown),
        (400, "invalid_request", ProviderDown),
        (400, None, ProviderDown),
        (503, "temporarily_unavailable", ProviderDown),
    ],
)
async def test_a_mistyped_secret_signs_nobody_out(provider, status, error, kind):
    url = page(provider, status, {"error": error, "error_description": SECRET})
    with pytest.raises(kind) as caught:
        await Client(5).post(url, {"grant_type": "refresh_token"}, ("id", "secret"))
    assert SECRET not in str(caught.value)
    assert error is None or error in str(caught.value)


async def test_nothing_of_an_answer_is_quoted(provider):
    url = page(provider, 400, {"error": f"{SECRET} {SECRET}"})
    with pytest.raises(ProviderDown) as caught:
        await Client(5).post(f"{url}?code=seen", {"code": "seen"})
    assert SECRET not in str(caught.value)
    assert "seen" not in str(caught.value)


@pytest.mark.parametrize(
    "url", ["http://login.example.edu/token", "file:///etc/passwd", "ftp://127.0.0.1/", "", "https://a@b.example/"]
)
async def test_secrets_go_over_tls_or_nowhere(url):
    with pytest.raises(ProviderDown, match="no https address"):
        await Client(5).post(url, {"client_secret": SECRET})


async def test_redirects_are_not_followed(provider):
    """A token would go along, to whoever the answer names."""
    provider.pages["/elsewhere"] = lambda request: (200, {"a": 1})
    with pytest.raises(ProviderDown, match="302"):
        await Client(5).get(page(provider, 302, f"{provider.origin}/elsewhere"), "the token")
    assert "/elsewhere" not in provider.asked


async def test_a_place_that_is_not_there(free_port):
    with pytest.raises(ProviderDown):
        await Client(5).get(f"http://127.0.0.1:{free_port()}/")


async def test_an_endless_answer_is_cut(provider):
    with pytest.raises(ProviderDown):
        await Client(5).get(page(provider, 200, {"a": "x" * MAX_ANSWER_BYTES}))


async def test_a_slow_answer_is_given_up(provider):
    provider.slow_s = 1.5
    with pytest.raises(ProviderDown, match="599"):
        await Client(0.2).get(page(provider, 200, {}))


@pytest.mark.parametrize("body", [b"", b"<html>", b"\xff", b"{"])
def test_what_is_no_json(body):
    with pytest.raises(ProviderDown, match=r"^https://x\.example/y answered with something that is not JSON$"):
        parsed(SimpleNamespace(body=body), f"https://x.example/y?code={SECRET}")


class TestGoogleGroups:
    @pytest.fixture
    def google(self):
        with Google() as running:
            running.groups = {f"list-{number}@example.edu": ["ada@example.edu"] for number in range(4)}
            yield running

    def groups(self, google, admin="admin@example.edu", **key):
        return GoogleGroups(Client(5), json.dumps({**google.key_file, **key}), admin, google.origin)

    async def test_all_pages_and_one_token_for_many_questions(self, google):
        groups = self.groups(google)
        assert await groups.of("ada@example.edu") == [f"list-{number}@example.edu" for number in range(4)]
        assert await groups.of("grace@example.edu") == []
        assert google.asked.count("/service-token") == 1

    async def test_an_admin_who_did_not_delegate(self, google):
        with pytest.raises(ProviderDown, match="unauthorized_client"):
            await self.groups(google, admin="somebody@example.edu").of("ada@example.edu")

    @pytest.mark.parametrize("key", ["", "{}", "[]", '{"client_email": "x"}', "not JSON"])
    def test_a_key_that_is_none(self, key):
        with pytest.raises(ValueError, match="JSON key file"):
            GoogleGroups(Client(5), key, "admin@example.edu", "https://admin.googleapis.com")
