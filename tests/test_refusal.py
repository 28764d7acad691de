"""Each cause has a sentence for the user that gives nothing away, and a line for the admin that does."""

import docker.errors
import pytest
import requests
from tornado.web import HTTPError

from jupyterhub_tf29.i18n import in_language
from jupyterhub_tf29.spawner.refusal import StartFailed, explain, refuse


def engine_error(status, explanation, kind=docker.errors.APIError):
    response = requests.Response()
    response.status_code = status
    return kind("500 Server Error", response=response, explanation=explanation)


@pytest.mark.parametrize(
    ("error", "reason"),
    [
        (requests.exceptions.ConnectionError("refused"), "engine_down"),
        (requests.exceptions.ReadTimeout("slow"), "engine_down"),
        (docker.errors.DockerException("Error while fetching server API version"), "engine_down"),
        (docker.errors.DockerException("PermissionError(13, 'Permission denied')"), "engine_refused"),
        (engine_error(404, "No such image: x", docker.errors.ImageNotFound), "image_missing"),
        (engine_error(404, "network tf29hub not found", docker.errors.NotFound), "network_missing"),
        (engine_error(500, "write /x: no space left on device"), "disk_full"),
        (engine_error(500, "write /x: disk quota exceeded"), "disk_full"),
        (engine_error(400, "bind source path does not exist: /srv"), "storage_missing"),
        (engine_error(500, "something new"), "engine_error"),
        (KeyError("Id"), "engine_error"),
        (StartFailed("memory", "Too little."), "memory"),
    ],
    ids=["refused", "slow", "no engine", "permission", "image", "network", "full", "quota", "folder",
         "unknown 500", "a bug", "known already"],
)  # fmt: skip
def test_causes_are_told_apart(error, reason):
    assert explain(error).reason == reason


def test_the_user_reads_no_detail_and_the_admin_does():
    failure = explain(engine_error(500, "layer /var/lib/docker/secret is broken"))
    exception = refuse(failure, in_language("en"))
    assert "secret" not in exception.jupyterhub_message
    assert "Nothing of yours is lost" in exception.jupyterhub_message
    assert "secret" in str(failure)


def test_the_hub_takes_it_for_a_refusal_and_not_for_a_crash():
    exception = refuse(StartFailed("options", "No <b>{x}</b>.", status_code=400, x="<i>"), in_language("en"))
    assert isinstance(exception, HTTPError)
    assert (exception.status_code, exception.reason) == (400, "options")
    assert exception.jupyterhub_message == "No <b><i></b>."
    assert exception.jupyterhub_html_message == "No &lt;b&gt;&lt;i&gt;&lt;/b&gt;."


def test_the_user_reads_it_in_chinese():
    failure = explain(requests.exceptions.ConnectionError("refused"))
    assert "容器引擎" in refuse(failure, in_language("zh")).jupyterhub_message
