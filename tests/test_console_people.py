import pytest

from jupyterhub_tf29.console.people import ADMIN, OWN, READ, READ_ALL, SCOPES, person_from_model


def person(*scopes, admin=False, kind="user", in_browser=False):
    model = {"name": "wang", "kind": kind, "admin": admin, "scopes": list(scopes)}
    return person_from_model(model, in_browser=in_browser)


def rights(person):
    return (person.may_read, person.may_act_for_self, person.sees_all, person.is_admin)


@pytest.mark.parametrize(
    ("scopes", "expected"),
    [
        ([], (False, False, False, False)),
        (["access:services!service=gpus"], (False, False, False, False)),
        ([READ], (True, False, False, False)),
        ([OWN], (True, True, False, False)),
        ([READ_ALL], (True, False, True, False)),
        ([ADMIN], (True, True, True, True)),
        (["admin:servers"], (True, True, True, True)),
        # the right to stop some servers is not the right to all
        (["admin:servers!user=wang", "servers!group=course"], (False, False, False, False)),
        (["read:metrics"], (False, False, False, False)),
    ],
    ids=lambda value: ",".join(map(str, value)) or "none",
)
def test_a_token_has_the_rights_that_its_scopes_name(scopes, expected):
    assert rights(person(*scopes)) == expected


def test_an_admins_token_with_few_scopes_has_few_rights():
    assert rights(person(READ, admin=True)) == (True, False, False, False)


def test_an_admin_of_the_hub_is_one_here_when_signed_in():
    assert rights(person(OWN, admin=True, in_browser=True)) == (True, True, True, True)


def test_names_of_others_are_for_whom_the_policy_says():
    user, admin = person(OWN), person(ADMIN)
    assert [user.sees_name("lin", names) for names in ("everyone", "admins")] == [True, False]
    assert admin.sees_name("lin", "admins")
    assert user.sees_name("wang", "admins"), "one's own name is no secret"


def test_a_service_owns_nothing_even_where_a_user_has_its_name():
    service = person(OWN, kind="service")
    assert not service.owns("wang")
    assert not service.may_act_on("wang")
    assert not service.sees_name("wang", "admins")


def test_who_may_act_for_oneself_may_not_act_for_others():
    user = person(OWN)
    assert user.may_act_on("wang")
    assert not user.may_act_on("lin")
    assert not person(READ_ALL).may_act_on("lin"), "to see is not to act"


def test_the_scopes_are_as_jupyterhub_wants_them():
    from jupyterhub.scopes import define_custom_scopes

    define_custom_scopes(SCOPES)  # raises where one is not
