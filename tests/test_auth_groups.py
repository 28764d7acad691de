"""Groups of the hub: from a directory, from rosters, by hand; none can pass for another."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from jupyterhub import orm, roles, scopes

from jupyterhub_tf29.auth.groups import Place, instructor_role, no_rosters, source_of, sourced, united_groups
from jupyterhub_tf29.auth.rosters import apply_rosters, ensure_roles


def one_course(user, groups):
    if user == "ada":
        yield Place("tf101")
    if user == "prof" or "ldap:assistants" in groups:
        yield Place("tf101", instructor=True)


@pytest.mark.parametrize(
    ("directory", "present", "expected"),
    [
        (["staff"], [], ["course:tf101", "ldap:staff"]),
        (["staff"], ["ldap:students", "course:old"], ["course:tf101", "ldap:staff"]),
        ([], ["ldap:students"], ["course:tf101"]),
        (None, ["ldap:students"], ["course:tf101", "ldap:students"]),
        (None, ["github:org", "ldap:students"], ["course:tf101", "ldap:students"]),
        ([], ["made by hand", "course:ml"], ["course:tf101", "made by hand"]),
        (["course:ml", "instructors:tf101"], [], ["course:tf101", "ldap:course:ml", "ldap:instructors:tf101"]),
        (["assistants"], [], ["course:tf101", "instructors:tf101", "ldap:assistants"]),
    ],
    ids=["new", "another", "none any more", "not asked", "another method", "by hand", "like a course", "teaches"],
)
def test_all_groups_of_somebody(directory, present, expected):
    assert united_groups("ada", "ldap", directory, present, one_course) == expected


@pytest.mark.parametrize(
    ("group", "name"),
    [
        ("staff", "ldap:staff"),
        ("  two\n words ", "ldap:two words"),
        ('研究生 (2024), "AI"', 'ldap:研究生 (2024), "AI"'),
        ("a/b", "ldap:a∕b"),
        ("", ""),
        ("\x00", ""),
        ("x" * 251, ""),
    ],
)
def test_a_groups_name(group, name):
    assert sourced("ldap", group) == name


@given(st.lists(st.text(max_size=40)), st.lists(st.text(max_size=40)))
def test_whatever_a_directory_calls_its_groups_none_is_a_course_or_made_by_hand(directory, before):
    present = united_groups("x", "ldap", before, [], no_rosters)
    groups = united_groups("x", "ldap", directory, present, no_rosters)
    assert {source_of(group) for group in groups} <= {"ldap"}
    assert all(0 < len(group) <= 255 and group.isprintable() and "/" not in group for group in groups)


class TestInTheHubsDatabase:
    @pytest.fixture
    def db(self):
        session = orm.new_session_factory("sqlite:///:memory:")()
        for role in roles.get_default_roles():
            roles.create_role(session, role)
        for name in ("ada", "prof", "li"):
            session.add(orm.User(name=name))
        session.commit()
        yield session
        session.close()

    def groups(self, db, name):
        return {group.name for group in orm.User.find(db, name).groups}

    def test_rosters_move_users_and_leave_other_groups_alone(self, db):
        for name in ("by hand", "ldap:staff", "course:old"):
            db.add(orm.Group(name=name))
        db.commit()
        orm.User.find(db, "ada").groups = list(db.query(orm.Group))
        db.commit()
        assert apply_rosters(db, one_course) == ["ada", "prof"]
        assert self.groups(db, "ada") == {"by hand", "ldap:staff", "course:tf101"}
        assert self.groups(db, "prof") == {"instructors:tf101"}
        assert apply_rosters(db, one_course) == [], "nothing to do"
        assert apply_rosters(db, no_rosters) == ["ada", "prof"]
        assert self.groups(db, "ada") == {"by hand", "ldap:staff"}

    def test_instructors_have_the_scopes_of_their_course_and_no_others(self, db):
        apply_rosters(db, one_course)
        of_prof = scopes.get_scopes_for(orm.User.find(db, "prof"))
        more = {scope for scope in of_prof if "!user=prof" not in scope and not scope.startswith("inherit")}
        beyond = {scope for scope in more if not scope.endswith("!group=course:tf101")}
        assert beyond == {"admin-ui"}
        assert {scope.partition("!")[0] for scope in more} >= {"servers", "list:users", "access:servers"}
        assert not any(scope.startswith(("admin:", "groups", "users!", "tokens")) for scope in more)
        assert "admin-ui" not in scopes.get_scopes_for(orm.User.find(db, "ada"))

    def test_a_role_is_made_once_and_mended_where_it_changed(self, db):
        ensure_roles(db, [Place("tf101", instructor=True), Place("ml")])
        role = orm.Role.find(db, "instructor-tf101")
        assert role.managed_by_auth, "or the hub would delete it at its next start"
        assert orm.Role.find(db, "instructor-ml") is None
        role.scopes = ["admin-ui"]
        db.commit()
        ensure_roles(db, [Place("tf101", instructor=True)])
        assert role.scopes == instructor_role("tf101")["scopes"]
