"""`tf29hub check`: the whole main job once, as a new user, against the running hub.

It makes an account with a random name, signs in through the front, starts a workspace from the menu, trains a
model in a kernel, stops, starts again, finds the file of before, and takes everything away again.
"""

from __future__ import annotations

import argparse
import json
import secrets
import sys
import time
from collections.abc import Callable
from contextlib import suppress
from typing import Any, TypeVar
from urllib.parse import quote

import docker
import requests

from .auth.accounts import AccountStore
from .auth.errors import AccountError
from .auth.identity import IdentityStore
from .cli import CommandError
from .front.ourselves import front_context, front_url, session_to_front
from .kernel import run_in_kernel
from .profiles import Profile, load_profiles
from .secretfiles import read_secret
from .settings import Paths, Settings, load_settings
from .spawner import labels
from .visitor import VisitFailed, Visitor
from .yamlfile import ConfigError

SERVICE = "main-job-check"
SCOPES = ("delete:users",)
"""All that its token is for: taking the user away again that it made."""

FILE = "check-result.json"
TRAINING_WITHIN_S = 300
STOP_WITHIN_S = 90
ACCURACY_FLOOR = 0.8
"""After five quick rounds a working TensorFlow is beyond 0.9 on this data, and guessing is 0.1."""

TRAINING = f"""
import json
import tensorflow as tf
from sklearn.datasets import load_digits
from sklearn.model_selection import train_test_split

tf.keras.utils.set_random_seed(29)
images, labels = load_digits(return_X_y=True)
x_train, x_test, y_train, y_test = train_test_split(images / 16.0, labels, random_state=29)
model = tf.keras.Sequential([tf.keras.layers.Dense(64, "relu"), tf.keras.layers.Dense(10, "softmax")])
model.compile("adam", "sparse_categorical_crossentropy", metrics=["accuracy"])
model.fit(x_train, y_train, epochs=5, batch_size=16, verbose=0)
accuracy = float(model.evaluate(x_test, y_test, verbose=0)[1])
result = json.dumps({{"tensorflow": tf.__version__, "accuracy": round(accuracy, 3)}})
open("{FILE}", "w").write(result)
print(result)
"""

Result = TypeVar("Result")


def check_service(c: Any, settings: Settings, paths: Paths) -> None:
    """Make the check known to the Hub, by its token and with SCOPES only. Raises SecretError."""
    c.JupyterHub.services.append({"name": SERVICE, "api_token": read_secret(paths, "check-token")})
    c.JupyterHub.load_roles.append({"name": SERVICE, "services": [SERVICE], "scopes": list(SCOPES)})


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--url", help="where the hub answers; default: as hub.yaml says")
    parser.add_argument("--profile", help="the workspace to start; default: the smallest without a GPU")


def run(args: argparse.Namespace) -> int:
    """0: everything went well. 1: a step failed and was told. Raises ConfigError and CommandError."""
    paths = Paths.from_environment()
    settings = load_settings(paths.config)
    profiles = load_profiles(paths.config / "profiles.yaml", settings.limits)
    profile = args.profile or smallest_profile(profiles.on_menu(gpus_managed=False)).slug
    front = args.url or front_url(settings)
    local = settings.sign_in.local
    if local is None:
        raise CommandError("the check signs in with a local account, and hub.yaml has no method of type local")
    prefix, context = settings.sign_in.prefix(local), front_context(settings, paths)
    name = f"{prefix}check-{secrets.token_hex(5)}"
    person = Visitor(front, name, secrets.token_urlsafe(24), context, prefix)
    return Check(settings, paths, person, profile).run()


def smallest_profile(profiles: list[Profile]) -> Profile:
    """The one with the least memory, since that fits on any machine. Raises ConfigError for an empty menu."""
    if not profiles:
        raise ConfigError("profiles.yaml: there is no profile without a GPU, so there is nothing to start")
    return min(profiles, key=lambda profile: profile.override.mem_limit or float("inf"))


class Check:
    """The steps in their order, each timed and told in one line."""

    def __init__(self, settings: Settings, paths: Paths, person: Visitor, profile: str) -> None:
        self.settings, self.paths, self.person, self.profile = settings, paths, person, profile
        start = settings.start
        self.start_within_s = start.queue_timeout + start.timeout + 60
        self.began = time.monotonic()

    def run(self) -> int:
        """All steps and the cleaning up, whatever happens. 0: all well."""
        done = False
        try:
            self._steps()
            done = True
        except (VisitFailed, AccountError) as error:
            print(f"failed: {error}", file=sys.stderr)
        finally:
            cleaned = self._clean_up()
        if done and cleaned:
            print(f"{time.monotonic() - self.began:6.1f} s  everything works")
            return 0
        print(f"The Hub's log, {self.paths.logs / 'hub.log'}, says more.", file=sys.stderr)
        return 1

    def _steps(self) -> None:
        person = self.person
        self._step(f"an account is made: {person.username}", self._make_account)
        self._step("signs in through the form", person.sign_in)
        self._step(f"starts the workspace {self.profile!r} from the menu", self._start)
        self._step("opens JupyterLab", person.open_lab)
        said = self._step("trains a model in a kernel", self._train)
        print(f"          {said}")
        self._step("stops the workspace", lambda: person.stop(STOP_WITHIN_S))
        self._step("starts it again", self._start)
        self._step("opens JupyterLab", person.open_lab)
        self._step(f"finds the file of before: {FILE}", lambda: self._find_file(said))
        self._step("stops the workspace", lambda: person.stop(STOP_WITHIN_S))

    def _step(self, text: str, action: Callable[[], Result]) -> Result:
        began = time.monotonic()
        try:
            result = action()
        except Exception:
            print(f"{time.monotonic() - began:6.1f} s  NOT: {text}", flush=True)
            raise
        print(f"{time.monotonic() - began:6.1f} s  {text}", flush=True)
        return result

    def _make_account(self) -> None:
        store = AccountStore(self.paths.accounts)
        try:
            store.add(self.person.account, self.person._password, by=SERVICE, note="made by tf29hub check")
        finally:
            store.close()

    def _start(self) -> list[str]:
        return self.person.start(self.profile, self.start_within_s)

    def _train(self) -> str:
        said = run_in_kernel(self.person, TRAINING, TRAINING_WITHIN_S).strip().splitlines()[-1]
        if json.loads(said)["accuracy"] < ACCURACY_FLOOR:
            raise VisitFailed(f"the training ended below an accuracy of {ACCURACY_FLOOR}: {said}")
        return said

    def _find_file(self, expected: str) -> None:
        found = self.person.read_file(FILE)
        if found != expected:
            raise VisitFailed(f"{FILE} held {expected!r} before the stop and {found!r} after it")

    # cleaning up

    def _clean_up(self) -> bool:
        """Take away the user with the server, the account and the volumes; True where nothing is left."""
        problems = [text for text in (self._delete_user(), self._delete_volumes()) if text]
        for text in problems:
            print(f"left behind: {text}", file=sys.stderr)
        if not problems:
            print(f"          cleaned up: {self.person.username}, account and volumes")
        return not problems

    def _delete_user(self) -> str:
        """Through the Hub, which stops what still runs; the account alone where the Hub does not know it."""
        headers = {"Authorization": f"token {read_secret(self.paths, 'check-token')}"}
        url = f"{self.person.front}/hub/api/users/{quote(self.person.username)}"
        deadline = time.monotonic() + STOP_WITHIN_S
        with session_to_front(front_context(self.settings, self.paths)) as session:
            while True:
                try:
                    answer = session.delete(url, headers=headers, timeout=STOP_WITHIN_S)
                except requests.RequestException as error:
                    self._remove_account()
                    return f"the user {self.person.username} at the Hub, which does not answer: {error}"
                if answer.status_code in (204, 404):
                    self._remove_account()
                    return ""
                if time.monotonic() > deadline:
                    self._remove_account()
                    return f"the user {self.person.username} at the Hub: {answer.status_code} {answer.text[:200]}"
                time.sleep(1)  # a start or stop is under way; the Hub refuses until it has ended

    def _remove_account(self) -> None:
        store = AccountStore(self.paths.accounts)
        with suppress(AccountError):  # the Hub removes it too, with the user
            store.remove(self.person.account)
        store.close()
        identities = IdentityStore(self.paths.accounts)
        identities.forget(self.person.username)
        identities.close()

    def _delete_volumes(self) -> str:
        """The volumes of this user only: those that bear our label with this very name."""
        filters = [f"{labels.NAME}={self.settings.name}", f"{labels.USER}={self.person.username}"]
        try:
            client = docker.DockerClient.from_env()
            for container in client.containers.list(all=True, filters={"label": filters}):
                container.remove(force=True)
            for volume in client.volumes.list(filters={"label": filters}):
                volume.remove()
            client.close()
        except docker.errors.DockerException as error:
            return f"volumes of {self.person.username}: {error}"
        return ""
