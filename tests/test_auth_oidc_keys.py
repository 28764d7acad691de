"""The provider's keys: kept, found anew after a rotation, not asked for by every stranger."""

import asyncio

import jwt
import pytest

from jupyterhub_tf29.auth.oauth.idtoken import IdTokenError
from jupyterhub_tf29.auth.oauth.keys import ASK_AGAIN_S, KEEP_AT_MOST_S, KEEP_S, KeyStore
from tests.openid.provider import Key

ONE, TWO = Key("one"), Key("two")


class Page:
    """A key page and a clock."""

    def __init__(self, *rows):
        self.rows, self.asked, self.now, self.down = list(rows), 0, 1000.0, False
        self.store = KeyStore(self.fetch, lambda: self.now)

    async def fetch(self):
        self.asked += 1
        await asyncio.sleep(0)
        if self.down:
            raise OSError("refused")
        return {"keys": self.rows}

    async def key(self, kid, alg="RS256"):
        return await self.store.key_for({"kid": kid, "alg": alg} if kid else {"alg": alg})


async def test_keys_are_asked_for_once():
    page = Page(ONE.jwk(), TWO.jwk())
    found = await asyncio.gather(*(page.key(kid) for kid in ["one", "two"] * 10))
    assert [key.key_id for key in found] == ["one", "two"] * 10
    assert page.asked == 1


async def test_after_a_rotation_the_page_is_asked_again():
    page = Page(ONE.jwk())
    await page.key("one")
    page.rows, page.now = [TWO.jwk()], page.now + ASK_AGAIN_S
    assert (await page.key("two")).key_id == "two"
    with pytest.raises(IdTokenError, match="no such key"):
        await page.key("one")


async def test_strangers_do_not_make_us_ask_all_the_time():
    page = Page(ONE.jwk())
    for number in range(50):
        with pytest.raises(IdTokenError, match="no such key"):
            await page.key(f"made-up-{number}")
    assert page.asked == 1
    assert (await page.key("one")).key_id == "one"


async def test_a_page_that_is_down_leaves_yesterdays_keys_and_no_older_ones():
    page = Page(ONE.jwk())
    await page.key("one")
    page.down = True
    page.now += KEEP_S + 1
    assert (await page.key("one")).key_id == "one"
    asked = page.asked
    assert (await page.key("one")).key_id == "one"
    assert page.asked == asked, "a page that is down is not asked by everybody"
    page.now += KEEP_AT_MOST_S
    with pytest.raises(OSError, match="refused"):
        await page.key("one")


async def test_a_withdrawn_key_goes_out_of_use():
    page = Page(ONE.jwk(), TWO.jwk())
    await page.key("one")
    page.rows, page.now = [TWO.jwk()], page.now + KEEP_S + 1
    with pytest.raises(IdTokenError, match="no such key"):
        await page.key("one")


@pytest.mark.parametrize("document", [None, [], "keys", {}, {"keys": None}, {"keys": {"one": 1}}])
async def test_a_page_without_keys_is_an_error(document):
    async def fetch():
        return document

    with pytest.raises(IdTokenError, match="holds no keys"):
        await KeyStore(fetch).key_for({"kid": "one", "alg": "RS256"})


@pytest.mark.parametrize(
    "row",
    [
        {"kty": "oct", "k": "c2VjcmV0", "kid": "one"},
        {"kty": "oct", "k": "c2VjcmV0", "kid": "one", "alg": "RS256"},
        {**ONE.jwk(), "use": "enc"},
        {**ONE.jwk(), "alg": "RS512"},
        {"kty": "RSA", "kid": "one"},
        {"kty": "RSA", "kid": "one", "n": 7, "e": []},
        {"kty": "what", "kid": "one"},
        {"kid": "one"},
        "one",
    ],
)
async def test_only_public_keys_for_this_kind_of_signature_serve(row):
    with pytest.raises(IdTokenError, match="no such key"):
        await Page(row).key("one")


async def test_shared_secrets_are_never_looked_for():
    page = Page({"kty": "oct", "k": "c2VjcmV0", "kid": "one", "alg": "HS256"})
    for name in ("HS256", "none", None):
        with pytest.raises(IdTokenError, match="not allowed"):
            await page.key("one", name)


async def test_without_a_name_the_only_key_is_meant():
    assert (await Page(ONE.jwk()).key(None)).key_id == "one"
    with pytest.raises(IdTokenError, match="which key"):
        await Page(ONE.jwk(), TWO.jwk()).key(None)


async def test_a_key_that_does_not_name_its_algorithm_serves_what_the_token_says():
    row = {name: value for name, value in ONE.jwk().items() if name != "alg"}
    key = await Page(row).key("one", "PS256")
    token = jwt.encode({"sub": "1"}, ONE.private, "PS256")
    assert jwt.decode(token, key, algorithms=["PS256"]) == {"sub": "1"}
