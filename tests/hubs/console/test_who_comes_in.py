"""Who is let in: browsers by the Hub's sign-in, programs by their tokens' scopes."""

from __future__ import annotations

import pytest

from tests.hubs.browser import words
from tests.hubs.console.person import API, PAGE, get, new_name, token_of

pytestmark = [pytest.mark.hub, pytest.mark.docker]


def test_nobody_is_sent_to_the_sign_in_and_comes_back(hub, broker, person):
    answer = get(hub, PAGE)
    assert answer.status_code == 302
    assert answer.headers["Location"].startswith("/hub/api/oauth2/authorize")
    assert person.page().url == hub.url + PAGE, "signed in to the Hub, nothing more is asked"


def test_a_sign_in_that_was_not_begun_here_is_refused_in_words(hub, broker):
    for query in ("", "?code=made-up", "?code=made-up&state=made-up", "?error=access_denied"):
        answer = get(hub, f"{PAGE}oauth_callback{query}")
        assert answer.status_code in (400, 403), query
        assert "You could not be recognised" in words(answer.text), query
        assert answer.headers["X-Frame-Options"] == "DENY"
        assert "made-up" not in answer.text


def test_programs_without_a_token_get_401_in_words_and_no_page(hub, broker):
    for path in ("devices", "claims", "line", "usage", "events", "history", "overview", ""):
        answer = get(hub, API + path)
        assert (answer.status_code, answer.json()["code"]) == (401, "signed-out"), path
    assert get(hub, PAGE + "metrics").status_code == 401
    assert get(hub, API + "nothing").json() == {"error": "There is nothing at this address.", "code": "unknown"}


def test_a_made_up_token_is_nobodys(hub, broker):
    assert get(hub, API, {"Authorization": "token " + "0" * 32}).status_code == 401


@pytest.mark.parametrize(
    ("scopes", "may"),
    [
        (("custom:gpus:read",), {"read"}),
        (("custom:gpus:own",), {"read", "act_for_self"}),
        ((), {"read", "act_for_self"}),
    ],
    ids=["read", "own", "all of a user's"],
)
def test_a_users_token_may_what_its_scopes_say(hub, broker, scopes, may):
    name = new_name()
    told = get(hub, API, token_of(hub, name, *scopes)).json()
    assert (told["name"], told["kind"]) == (name, "user")
    assert {right for right, has in told["may"].items() if has} == may


def test_a_user_cannot_make_a_token_for_more(hub, broker):
    answer = hub.api.call(
        "POST", f"/users/{new_name()}/tokens", {"scopes": ["custom:gpus:admin", "access:services!service=gpus"]}
    )
    assert answer.status_code in (400, 403, 404)


def test_a_token_without_access_or_without_a_scope_is_refused(hub, broker):
    hub.api.add_user(name := new_name())
    made = hub.api.call("POST", f"/users/{name}/tokens", {"scopes": ["custom:gpus:read"]}).json()
    answer = get(hub, API + "devices", {"Authorization": f"token {made['token']}"})
    assert (answer.status_code, answer.json()["code"]) == (403, "scope")
    bare = hub.api.call("POST", f"/users/{name}/tokens", {"scopes": ["access:services!service=gpus"]}).json()
    assert get(hub, API + "devices", {"Authorization": f"token {bare['token']}"}).status_code == 403


def test_an_admin_of_the_hub_is_one_here_by_sign_in_and_by_a_full_token(hub, broker, admin):
    assert admin.call("GET", "").json()["may"]["admin"]
    assert get(hub, API, token_of(hub, admin.name)).json()["may"]["admin"]
    few = get(hub, API, token_of(hub, admin.name, "custom:gpus:own")).json()["may"]
    assert not few["admin"], "a token with few scopes has few rights, whoever made it"
