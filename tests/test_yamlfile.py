"""An error in a configuration file names the file, the line, the key path, what was found and what is allowed."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from jupyterhub_tf29.settings import Settings
from jupyterhub_tf29.yamlfile import ConfigError, load


@pytest.fixture
def load_text(tmp_path):
    def load_it(text):
        path = tmp_path / "hub.yaml"
        path.write_text(text, encoding="utf-8")
        return load(path, Settings)

    return load_it


def test_an_empty_file_means_the_defaults(load_text):
    assert load_text("# nothing\n") == Settings()


@pytest.mark.parametrize(
    ("text", "line", "says"),
    [
        ("name: a1\nlimits:\n  memroy: 8G\n", 3, "limits.memroy: there is no such setting"),
        ("limits:\n\n  memory: 8 bananas\n", 3, "limits.memory: expected a size such as 512M"),
        ("listen: {port: 99999}\n", 1, "listen.port: input should be less than or equal to 65535, found 99999"),
        (
            "sign_in:\n  methods:\n  - type: local\n    admins:\n    - ada\n    - [x]\n",
            6,
            "sign_in.methods[0].admins[1]: input should be a valid string",
        ),
        ("sign_in:\n  methods:\n  - type: ldap\n", 3, "sign_in.methods[0].servers: this setting is needed"),
        ("title: a\nname: b1\ntitle: c\n", 3, "title: this key is here twice"),
        ("limits: {cpus: 64}\n", 1, "limits: limits.cpus cannot be more than limits.max_cpus"),
        ("- a list\n", 1, "input should be a valid dictionary"),
        ("name: [unclosed\n", 2, "this is not valid YAML"),
        ("name: x\n\tport: 1\n", 2, "this is not valid YAML"),
        ("network: {subnet: 10.0.0.0/33}\n", 1, "network: '10.0.0.0/33' does not appear to be an IPv4"),
    ],
    ids=["unknown key", "bad size", "out of range", "in a list", "of a type", "twice", "do not fit", "no mapping",
         "unclosed", "tab", "subnet"],
)  # fmt: skip
def test_where_and_what(load_text, text, line, says):
    with pytest.raises(ConfigError) as error:
        load_text(text)
    assert f"hub.yaml:{line}: " in str(error.value)
    assert says in str(error.value)


def test_all_problems_are_told_at_once(load_text):
    with pytest.raises(ConfigError) as error:
        load_text("one: 1\ntwo: 2\n")
    assert str(error.value).count("there is no such setting") == 2


def test_a_missing_file_is_named(tmp_path):
    with pytest.raises(ConfigError, match=r"nowhere\.yaml: there is no such file"):
        load(tmp_path / "nowhere.yaml", Settings)


@given(st.text())
def test_any_text_is_settings_or_a_config_error(tmp_path_factory, text):
    path = tmp_path_factory.getbasetemp() / "any.yaml"
    path.write_text(text, encoding="utf-8", errors="surrogatepass")
    try:
        assert isinstance(load(path, Settings), Settings)
    except ConfigError as error:
        assert "any.yaml" in str(error)  # noqa: PT017  (either outcome is right)
