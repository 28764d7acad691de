"""Runs in Canaille's own Python: reads {"users", "groups", "client"} as JSON and makes its database say so.

What is there already is changed: a user's password, a group's members, the lock of an account.
"""

import datetime
import json
import sys

from canaille import create_app
from canaille.app import models
from canaille.app.installation import install
from canaille.backends import Backend


def main() -> None:
    wanted = json.load(sys.stdin)
    app = create_app(init_backend=False)
    with app.app_context():
        if wanted.get("install"):
            install(app)
        with Backend.instance.session():
            for name, fields in wanted.get("users", {}).items():
                _user(name, fields)
            for name, members in wanted.get("groups", {}).items():
                _group(name, members)
            if "client" in wanted:
                client = models.Client(**wanted["client"])
                client.audience = [client]
                Backend.instance.save(client)


def _user(name, fields):
    user = Backend.instance.get(models.User, user_name=name) or models.User(user_name=name)
    for field, value in fields.items():
        setattr(user, field, value)
    if fields.get("lock_date"):
        user.lock_date = datetime.datetime.fromisoformat(fields["lock_date"])
    Backend.instance.save(user)
    if "password" in fields:
        Backend.instance.set_user_password(user, fields["password"])


def _group(name, members):
    group = Backend.instance.get(models.Group, display_name=name) or models.Group(display_name=name)
    group.members = [Backend.instance.get(models.User, user_name=member) for member in members]
    Backend.instance.save(group)


main()
