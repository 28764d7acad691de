"""The people and groups of the university, as LDIF."""

from __future__ import annotations

import base64

BASE = "dc=example,dc=edu"
PEOPLE, GROUPS, CLUBS = f"ou=people,{BASE}", f"ou=groups,{BASE}", f"ou=clubs,{BASE}"
SEARCH_DN, SEARCH_PASSWORD = f"cn=hub,ou=services,{BASE}", "search-lantern-grove"
LOCKED_FOR_EVER = "000001010000Z"
DOMAIN = f"dc=ad,{BASE}"
"""A part that looks as Active Directory does; its own rule for nested groups no slapd has."""
DOMAIN_PASSWORDS = {"alice": "alice-granite-river", "bob": "bob-disabled-harp"}
DEEPEST = 14
"""`level-14` holds `level-13`, … , `level-0`, which holds ada."""

PASSWORDS = {
    "ada": "ada-violin-harbour",
    "wang": "wang-copper-window",
    "李雷": "李雷的密码很长很长",
    "joerg": "joerg-bread-mountain",
    "li, wei (phys)": "comma-bracket-cloud",
    "o'brien": "obrien-apostrophe-sea",
    "boss": "boss-winter-engine",
    "prof": "prof-silver-orchard",
    "locked": "locked-marble-tower",
    "outsider": "outsider-paper-boat",
    "twin": "twin-mirror-lake",
    "two names": "two-names-one-hat",
}


def dn_of(uid: str) -> str:
    """Where a person's entry is; some have names that make a DN hard."""
    special = {
        "joerg": rf"cn=Müller\, Jörg (Physics) [ext],{PEOPLE}",
        "li, wei (phys)": rf"uid=li\, wei (phys),{PEOPLE}",
        "twin": f"uid=twin,ou=visitors,{PEOPLE}",
        "two names": f"cn=two names,{PEOPLE}",
    }
    return special.get(uid, f"uid={uid},{PEOPLE}")


def ldif() -> str:
    """All entries, for slapadd."""
    entries = [
        _entry(BASE, objectClass=["dcObject", "organization"], dc="example", o="Example University"),
        *(_unit(dn) for dn in (PEOPLE, f"ou=visitors,{PEOPLE}", GROUPS, CLUBS)),
        *(_unit(f"ou={name},{BASE}") for name in ("services", "policies")),
        _entry(
            SEARCH_DN,
            objectClass=["organizationalRole", "simpleSecurityObject"],
            cn="hub",
            userPassword=SEARCH_PASSWORD,
        ),
        _entry(
            f"cn=default,ou=policies,{BASE}",
            objectClass=["namedPolicy", "pwdPolicy"],
            cn="default",
            pwdAttribute="userPassword",
            pwdLockout="TRUE",
            pwdMaxFailure="0",
        ),
        *(_person(uid) for uid in PASSWORDS),
        _entry(  # a second one whose uid is twin
            f"uid=twin,{PEOPLE}",
            objectClass=["inetOrgPerson"],
            uid="twin",
            cn="the other twin",
            sn="twin",
            userPassword="the-other-mirror",
        ),
        *_groups(),
        *_domain(),
    ]
    return "\n".join(entries)


def _groups() -> list[str]:
    people = {uid: dn_of(uid) for uid in PASSWORDS}
    named = {
        "cs-students": [
            people[uid] for uid in ("ada", "wang", "李雷", "joerg", "li, wei (phys)", "o'brien", "locked")
        ],
        "students": [_group_dn("cs-students")],
        "staff": [people["boss"], people["prof"]],
        "gpu-users": [_group_dn("students"), _group_dn("staff")],
        "admins": [people["boss"]],
        "circle-a": [_group_dn("circle-b")],
        "circle-b": [_group_dn("circle-a"), people["ada"]],
        "course:tf101": [people["ada"]],
        '研究生 (2024), "AI"': [people["李雷"]],
        "level-0": [people["ada"]],
        **{f"level-{level}": [_group_dn(f"level-{level - 1}")] for level in range(1, DEEPEST + 1)},
    }
    return [
        *(group(name, *members) for name, members in named.items()),
        group("gpu-users", people["outsider"], below=CLUBS),
        _entry(
            f"cn=readers,{GROUPS}",
            objectClass=["groupOfUniqueNames"],
            cn="readers",
            uniqueMember=[people["wang"]],
        ),
        _entry(
            f"cn=lab,{GROUPS}", objectClass=["posixGroup"], cn="lab", gidNumber="2000", memberUid=["wang", "joerg"]
        ),
    ]


def _domain() -> list[str]:
    """alice may work, bob's account is disabled; both are in groups whose names have blanks."""
    users = f"cn=users,{DOMAIN}"
    people = [
        _entry(
            f"cn={name.title()} Müller,{users}",
            objectClass=["inetOrgPerson", "extensibleObject"],
            cn=f"{name.title()} Müller",
            sn="Müller",
            sAMAccountName=name,
            userAccountControl="512" if name == "alice" else "514",  # 2: disabled
            objectGUID=bytes([0x80 + len(name), *range(15)]),
            userPassword=password,
        )
        for name, password in DOMAIN_PASSWORDS.items()
    ]
    students = [f"cn={name.title()} Müller,{users}" for name in DOMAIN_PASSWORDS]
    return [
        _entry(DOMAIN, objectClass=["dcObject", "organization"], dc="ad", o="Domain"),
        _entry(users, objectClass=["organizationalRole"], cn="users"),
        *people,
        group("CS Students", *students, below=users),
        group("GPU Users", f"cn=CS Students,{users}", below=users),
    ]


def group(name: str, *members: str, below: str = GROUPS) -> str:
    """The entry of a groupOfNames."""
    return _entry(_group_dn(name, below), objectClass=["groupOfNames"], cn=name, member=list(members))


def _group_dn(name: str, below: str = GROUPS) -> str:
    escaped = "".join(f"\\{letter}" if letter in ',"\\+<>;=#' else letter for letter in name)
    return f"cn={escaped},{below}"


def _person(uid: str) -> str:
    names = {"wang": "王小明", "joerg": "Müller, Jörg (Physics) [ext]", "two names": "two names"}
    locked = {"pwdAccountLockedTime": LOCKED_FOR_EVER} if uid == "locked" else {}
    return _entry(
        dn_of(uid),
        objectClass=["inetOrgPerson"],
        uid=["two", "names"] if uid == "two names" else uid,
        cn=names.get(uid, uid),
        sn=uid,
        mail=f"{uid if uid.isascii() and uid.isalnum() else 'someone'}@example.edu",
        userPassword=PASSWORDS[uid],
        **locked,
    )


def _unit(dn: str) -> str:
    return _entry(dn, objectClass=["organizationalUnit"], ou=dn.partition("=")[2].partition(",")[0])


def _entry(dn: str, **attributes: str | bytes | list[str]) -> str:
    lines = [_line("dn", dn)]
    for name, values in attributes.items():
        lines += [_line(name, value) for value in (values if isinstance(values, list) else [values])]
    return "\n".join(lines) + "\n"


def _line(name: str, value: str | bytes) -> str:
    plain = value.encode() if isinstance(value, str) else value
    return f"{name}:: {base64.b64encode(plain).decode()}"
