"""The menu: its shape, its bounds, and what a broken one says."""

from pathlib import Path

import pytest

from jupyterhub_tf29.profiles import in_words, load_profiles
from jupyterhub_tf29.settings import Limits, Settings
from jupyterhub_tf29.yamlfile import ConfigError, load

EXAMPLES = Path(__file__).parent.parent / "config"


@pytest.fixture
def load_text(tmp_path):
    def load_it(text, limits=None):
        path = tmp_path / "profiles.yaml"
        path.write_text(text, encoding="utf-8")
        return load_profiles(path, limits or Limits())

    return load_it


def test_the_example_is_a_valid_menu_with_hidden_gpu_profiles():
    profiles = load_profiles(EXAMPLES / "profiles.yaml", Limits())
    assert [profile.slug for profile in profiles.on_menu(gpus_managed=False)] == ["cpu-small", "cpu-large"]
    assert {"gpu", "gpu-2", "gpu-share"} <= {profile.slug for profile in profiles.on_menu(gpus_managed=True)}
    assert profiles.default_on_menu(gpus_managed=False).slug == "cpu-small"


def test_the_example_of_the_settings_says_what_the_defaults_are():
    assert load(EXAMPLES / "hub.yaml", Settings) == Settings()


def test_every_setting_is_in_the_example():
    text = (EXAMPLES / "hub.yaml").read_text(encoding="utf-8")

    def names(model):
        for name, field in model.model_fields.items():
            yield name
            if hasattr(field.annotation, "model_fields"):
                yield from names(field.annotation)

    missing = [name for name in names(Settings) if f"{name}:" not in text]
    assert missing == []


@pytest.mark.parametrize(
    ("text", "line", "says"),
    [
        ("profiles: []\n", 1, "profiles: list should have at least 1 item"),
        ("profiles:\n- slug: A b\n  display_name: x\n", 2, "profiles[0].slug: string should match pattern"),
        (
            "profiles:\n- {slug: a, display_name: a}\n- {slug: a, display_name: b}\n",
            1,
            "'a' is used by two profiles",
        ),
        (
            "profiles:\n- slug: a\n  display_name: a\n  override:\n    mem_limit: 100G\n",
            4,
            "mem_limit 100 GiB is more than limits.max_memory in hub.yaml, 64 GiB",
        ),
        (
            "profiles:\n- slug: a\n  display_name: a\n  profile_options:\n    cpus:\n      display_name: c\n"
            "      choices: {x: {display_name: x, override: {cpu_limit: 99}}}\n",
            7,
            "cpu_limit 99 is more than limits.max_cpus in hub.yaml, 32",
        ),
        (
            "profiles:\n- slug: a\n  display_name: a\n  profile_options:\n    m:\n      display_name: m\n"
            "      choices: {x: {display_name: x}}\n"
            "      unlisted_choice: {display_name: o, min: 1, max: 999, override: {mem_limit: '{value}G'}}\n",
            8,
            "mem_limit 999 GiB is more than limits.max_memory",
        ),
        ("profiles:\n- {slug: a, display_name: a, privileged: true}\n", 2, "privileged: there is no such setting"),
        (
            "profiles:\n- slug: a\n  display_name: a\n  profile_options:\n    image:\n      display_name: m\n"
            "      choices: {x: {display_name: x}}\n",
            4,
            "an option cannot be called 'image'",
        ),
        (
            "profiles:\n- {slug: a, display_name: a, default: true}\n"
            "- {slug: b, display_name: b, default: true}\n",
            1,
            "only one can be the default, found a, b",
        ),
    ],
    ids=["empty", "slug", "same slug", "memory", "choice's CPUs", "typed memory", "unknown key", "reserved",
         "two defaults"],
)  # fmt: skip
def test_a_broken_menu_says_where_and_why(load_text, text, line, says):
    with pytest.raises(ConfigError) as error:
        load_text(text)
    assert f"profiles.yaml:{line}: " in str(error.value)
    assert says in str(error.value)


def test_a_gpu_in_a_choice_hides_the_profile_too(load_text):
    profiles = load_text(
        "profiles:\n- slug: a\n  display_name: a\n  profile_options:\n    g:\n      display_name: g\n"
        "      choices: {x: {display_name: x, override: {gpu: {count: 1}}}}\n"
    )
    assert profiles.on_menu(gpus_managed=False) == []
    assert profiles.default_on_menu(gpus_managed=False) is None


@pytest.mark.parametrize(
    ("text", "language", "words"),
    [("Small", "zh", "Small"), ({"en": "Small", "zh": "小型"}, "zh", "小型"), ({"en": "Small"}, "zh", "Small"),
     ({"zh": "小型"}, "en", "小型"), ({}, "en", "")],
    ids=["one text", "own language", "falls back to English", "falls back to what there is", "nothing"],
)  # fmt: skip
def test_words_in_the_readers_language(text, language, words):
    assert in_words(text, language) == words


def menu_with(gpu):
    return f"profiles:\n- slug: a\n  display_name: a\n  override:\n    gpu: {gpu}\n"


@pytest.mark.parametrize(
    ("gpu", "asked", "lease"),
    [
        ("{}", "1 GPU", None),
        ("{count: 2, model: A100, min_memory: 20G, lease: 4h}", "2 GPUs (A100, 20480 MiB or more)", 14400),
        ("{share: 4G}", "a share of 4096 MiB", None),
        ("{mig: 1g.5gb, count: 2}", "2 MIG slices 1g.5gb", None),
    ],
    ids=["one", "narrowed", "share", "MIG"],
)
def test_what_a_workspace_asks_of_the_gpus(load_text, gpu, asked, lease):
    (profile,) = load_text(menu_with(gpu)).profiles
    assert profile.override.gpu.request.in_words() == asked
    assert profile.override.gpu.lease == lease
    assert profile.needs_gpu


@pytest.mark.parametrize(
    ("gpu", "says"),
    [
        ("{share: 4G, mig: 1g.5gb}", "share and mig exclude one another"),
        ("{share: 4G, count: 2}", "share is of one GPU"),
        ("{share: 4K}", "greater than or equal to"),
        ("{count: 0}", "greater than or equal to 1"),
        ("{mig: small}", "string should match pattern"),
        ("{lease: 0s}", "greater than or equal to 1"),
        ("{gpus: 2}", "there is no such setting"),
    ],
    ids=["two kinds", "shares", "tiny share", "none", "no MIG profile", "short lease", "unknown key"],
)
def test_a_wish_for_gpus_that_makes_no_sense_says_so(load_text, gpu, says):
    with pytest.raises(ConfigError) as error:
        load_text(menu_with(gpu))
    assert says in str(error.value)
    assert "profiles[0].override.gpu" in str(error.value)


def test_a_typed_number_may_be_about_gpus(load_text):
    (profile,) = load_text(
        "profiles:\n- slug: a\n  display_name: a\n  profile_options:\n    m:\n      display_name: m\n"
        "      choices: {x: {display_name: x}}\n"
        "      unlisted_choice: {display_name: o, min: 1, max: 9, override: {gpu: {share: '{value}G'}}}\n"
    ).profiles
    assert profile.needs_gpu
    assert profile.profile_options["m"].unlisted_choice.override_for(3).gpu.request.share_mib == 3072
