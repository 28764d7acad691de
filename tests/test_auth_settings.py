"""`sign_in` of hub.yaml: what is allowed, and what is told where it is not."""

import pytest
from pydantic import ValidationError

from jupyterhub_tf29.auth.kinds import KINDS, authenticator_of
from jupyterhub_tf29.auth.method import LABELS, Method
from jupyterhub_tf29.auth.settings import SignIn

LDAP = {"type": "ldap", "servers": ["ldaps://x"], "users": {"base": "dc=x"}}
LOCAL = {"type": "local"}


def test_as_it_was_written_before_there_were_several():
    old = SignIn.model_validate({"method": "local", "admins": ["ada"], "sign_up": "closed"})
    assert old == SignIn.model_validate({"methods": [{"type": "local", "admins": ["ada"], "sign_up": "closed"}]})
    assert SignIn.model_validate({}) == SignIn.model_validate({"method": "local"})


def test_names_and_prefixes():
    sign_in = SignIn.model_validate({"methods": [{**LDAP, "name": "university"}, LOCAL, {**LDAP, "prefix": "ad"}]})
    assert [method.name for method in sign_in.methods] == ["university", "local", "ldap"]
    assert [sign_in.prefix(method) for method in sign_in.methods] == ["", "local:", "ad:"]
    kept = SignIn.model_validate({"methods": [{**LDAP, "prefix": "uni"}, {**LOCAL, "prefix": ""}]})
    assert [kept.prefix(method) for method in kept.methods] == ["uni:", ""]


@pytest.mark.parametrize(
    ("sign_in", "says"),
    [
        ({"methods": []}, "at least 1 item"),
        ({"methods": [{"type": "pam"}]}, "'local', 'ldap', 'oidc', 'github'"),
        ({"methods": [LDAP, LDAP]}, "two methods are named ldap"),
        ({"methods": [{**LOCAL, "name": "other"}]}, "Input should be 'local'"),
        ({"methods": [LOCAL, {**LDAP, "prefix": ""}]}, "the users of two methods would have the same names"),
        ({"methods": [{**LDAP, "name": "course"}]}, "course means something here already"),
        ({"methods": [{**LDAP, "prefix": "break-glass"}]}, "break-glass means something here already"),
        ({"methods": [{**LDAP, "name": "Uni:x"}]}, "should match pattern"),
        ({"methods": [LOCAL], "break_glass": "ada"}, "break_glass is for hubs without a method of type local"),
        ({"methods": [{**LDAP, "allowed_groups": ["x"]}]}, "need groups: where the directory has them"),
        ({"methods": [{**LDAP, "bind_dn": "uid={username}"}]}, "either bind_dn (bind) or users (search-and-bind)"),
        ({"methods": [{**LDAP, "users": None}]}, "either bind_dn (bind) or users (search-and-bind)"),
        ({"methods": [{**LDAP, "servers": ["ldap.example.edu"]}]}, "expected ldaps://host[:port] or ldap://host"),
        ({"methods": [{**LDAP, "servers": ["ldaps://x/dc=y"]}]}, "expected ldaps://host[:port] or ldap://host"),
        ({"methods": [{**LDAP, "users": {"base": "x", "filter": "(uid=%s)"}}]}, "expected {username} in it"),
    ],
)
def test_what_cannot_be_is_told(sign_in, says):
    with pytest.raises(ValidationError) as told:
        SignIn.model_validate(sign_in)
    assert says in str(told.value)


@pytest.mark.parametrize("block", [{}, {"allowed_groups": []}])
def test_closed_by_default(block):
    ldap = SignIn.model_validate({"methods": [{**LDAP, **block}]}).methods[0]
    assert not ldap.lets_somebody_in


@pytest.mark.parametrize("opening", [{"allow_all": True}, {"allowed_users": ["x"]}, {"admins": ["x"]}])
def test_opened_by_any_list(opening):
    assert SignIn.model_validate({"methods": [{**LDAP, **opening}]}).methods[0].lets_somebody_in


def test_the_account_that_the_set_up_makes():
    assert SignIn().first_admin == "admin"
    assert SignIn.model_validate({"methods": [LDAP]}).first_admin == ""
    assert SignIn.model_validate({"methods": [LDAP], "break_glass": "key"}).first_admin == "key"


def test_each_type_has_an_authenticator_and_a_label():
    assert KINDS.keys() - {"break-glass"} == LABELS.keys()
    for kind in KINDS:
        assert issubclass(authenticator_of(kind), Method)
