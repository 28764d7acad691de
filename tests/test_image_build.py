"""The name of a build: the same inputs give the same one, and every change another."""

from __future__ import annotations

from dataclasses import replace

import pytest

from jupyterhub_tf29.image.build import Plan, content_hash, default_context, host_ca_bundle, kernel_id

BASE_ID = "sha256:" + "00" * 32


@pytest.fixture
def plan(tmp_path) -> Plan:
    context = tmp_path / "context"
    (context / "bin").mkdir(parents=True)
    (context / "Dockerfile").write_text("FROM scratch\n")
    (context / "kernel.lock").write_text("numpy==1.23.5\n")
    (context / "bin/start").write_text("#!/bin/sh\n")
    (context / ".dockerignore").write_text("*.md\n**/__pycache__\n")
    (tmp_path / "ca.pem").write_text("a certificate\n")
    return Plan(context=context, repository="r", installation="tf29hub", ca=tmp_path / "ca.pem")


def name(plan: Plan, base_id: str = BASE_ID, machine: str = "amd64") -> str:
    return content_hash(plan, base_id, machine)


def test_the_same_inputs_have_the_same_name(plan):
    before = name(plan)
    (plan.context / "kernel.lock").write_text("numpy==1.23.5\n")
    assert name(plan) == before


@pytest.mark.parametrize(
    "change",
    [
        pytest.param(lambda c: (c / "kernel.lock").write_text("numpy==1.22.0\n"), id="a file's content"),
        pytest.param(lambda c: (c / "bin/more").write_text(""), id="one more file"),
        pytest.param(lambda c: (c / "bin/start").unlink(), id="one file less"),
        pytest.param(lambda c: (c / "bin/start").rename(c / "bin/begin"), id="another file name"),
        pytest.param(lambda c: (c / "bin/start").chmod(0o755), id="a file that can be run"),
    ],
)
def test_every_change_in_the_context_gives_another_name(plan, change):
    before = name(plan)
    change(plan.context)
    assert name(plan) != before


def test_what_docker_ignores_does_not_count(plan):
    before = name(plan)
    (plan.context / "README.md").write_text("words")
    (plan.context / "bin/__pycache__").mkdir()
    (plan.context / "bin/__pycache__/x.pyc").write_text("")
    assert name(plan) == before


def test_base_architecture_and_installation_count(plan):
    names = {
        name(plan),
        name(plan, base_id="sha256:" + "11" * 32),
        name(plan, machine="arm64"),
        name(replace(plan, installation="other")),
    }
    assert len(names) == 4


def test_a_ca_bundle_counts_only_where_it_goes_into_the_image(plan, tmp_path):
    (tmp_path / "other.pem").write_text("another certificate\n")
    other = replace(plan, ca=tmp_path / "other.pem")
    assert name(plan) == name(other) == name(replace(plan, ca=None))
    into, other_into = replace(plan, ca_into_image=True), replace(other, ca_into_image=True)
    assert len({name(plan), name(into), name(other_into)}) == 3


def test_the_kernel_id_follows_the_kernels_lock_alone(plan):
    before = kernel_id(plan.context)
    (plan.context / "Dockerfile").write_text("FROM other\n")
    assert kernel_id(plan.context) == before
    (plan.context / "kernel.lock").write_text("numpy==1.22.0\n")
    assert kernel_id(plan.context) != before


def test_the_checkout_has_the_context():
    assert (default_context() / "kernel.lock").is_file()


def test_the_environment_names_the_ca_bundle(monkeypatch, tmp_path):
    bundle = tmp_path / "bundle.pem"
    bundle.write_text("")
    monkeypatch.setenv("SSL_CERT_FILE", str(bundle))
    assert host_ca_bundle() == bundle
    monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "missing.pem"))
    assert host_ca_bundle() != tmp_path / "missing.pem"
