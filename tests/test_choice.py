"""The gate: what passes, what is refused, and that nothing a user sends reaches beyond the menu."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from jupyterhub_tf29.i18n import in_language
from jupyterhub_tf29.profiles import load_profiles
from jupyterhub_tf29.settings import Limits
from jupyterhub_tf29.spawner.choice import ChoiceError, choose

LIMITS = Limits()
MENU = load_profiles(Path(__file__).parent.parent / "config" / "profiles.yaml", LIMITS)
GiB = 2**30
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(st.text(max_size=4), inner, max_size=2),
    max_leaves=4,
)
NEAR_MISSES = st.dictionaries(
    st.sampled_from(["profile", "memory", "memory-other", "cpus", "home", "image", "cmd"]) | st.text(max_size=6),
    st.sampled_from(["cpu-small", "cpu-large", "gpu", "8g", "16g", "other", "4", "33", "own", "shared"]) | JSON,
    max_size=4,
)


def pick(options, **kwargs):
    return choose(MENU, options, limits=LIMITS, **kwargs)


def test_no_options_mean_the_default_workspace():
    chosen = pick({})
    assert chosen.options == {"profile": "cpu-small"}
    assert (chosen.override.mem_limit, chosen.override.cpu_limit) == (4 * GiB, 2)


def test_what_is_left_out_takes_its_default_and_is_remembered_whole():
    chosen = pick({"profile": "cpu-large", "memory": "16g"})
    assert chosen.options == {"profile": "cpu-large", "memory": "16g", "cpus": "4"}
    assert (chosen.override.mem_limit, chosen.override.mem_guarantee) == (16 * GiB, 2 * GiB)


@pytest.mark.parametrize("typed", ["3", 3], ids=["text", "number"])
def test_a_typed_number_fills_the_override(typed):
    chosen = pick({"profile": "cpu-large", "memory": "other", "memory-other": typed})
    assert chosen.override.mem_limit == 3 * GiB
    assert chosen.options["memory-other"] == "3"


@pytest.mark.parametrize(
    ("options", "says"),
    [
        ({"profile": "root"}, "There is no workspace 'root'. You can choose: cpu-small, cpu-large."),
        ({"profile": "gpu"}, "The workspace 'gpu' needs a GPU, and this hub hands out none."),
        ({"profile": "cpu-large", "memory": "1t"}, "cannot be '1t'. You can choose: 8g, 16g, other."),
        ({"profile": "cpu-small", "memory": "8g"}, "“CPU, small” has no option 'memory'. Its options are: -."),
        ({"image": "evil"}, "has no option 'image'"),
        ({"mem_limit": "1T"}, "has no option 'mem_limit'"),
        ({"profile": ["cpu-small"]}, "The option profile must be a word or a number, found ['cpu-small']."),
        ({"profile": None}, "The option profile must be a word or a number, found None."),
        ({"profile": "cpu-large", "memory": "other"}, "a whole number from 1 to 32, found None."),
        ({"profile": "cpu-large", "memory": "other", "memory-other": "33"}, "from 1 to 32, found '33'."),
        ({"profile": "cpu-large", "memory": "other", "memory-other": "0"}, "from 1 to 32, found '0'."),
        ({"profile": "cpu-large", "memory": "other", "memory-other": "1_0"}, "from 1 to 32"),
        ({"profile": "cpu-large", "memory": "other", "memory-other": "٣"}, "from 1 to 32"),
        ({"profile": "cpu-large", "memory": "other", "memory-other": "9" * 5000}, "from 1 to 32"),
        ({"home": "own"}, "has no option 'home'"),
    ],
    ids=["unknown", "hidden GPU", "choice", "other profile's option", "image", "raw limit", "list", "null",
         "no number", "too many", "too few", "underscore", "Arabic digit", "endless", "home not asked"],
)  # fmt: skip
def test_a_tampered_or_stale_choice_is_refused_with_what_is_allowed(options, says):
    with pytest.raises(ChoiceError) as error:
        pick(options)
    assert says in str(error.value)


def test_a_home_is_chosen_where_it_is_asked():
    assert pick({}, homes=("shared", "own")).options["home"] == "shared"
    assert pick({"home": "own"}, homes=("shared", "own")).options["home"] == "own"
    with pytest.raises(ChoiceError, match="You can choose: shared, own"):
        pick({"home": "../.."}, homes=("shared", "own"))


def test_gpu_workspaces_can_be_chosen_where_gpus_are_managed():
    assert pick({"profile": "gpu-2"}, gpus_managed=True).override.gpu.count == 2


def test_the_refusal_is_told_in_chinese_too():
    with pytest.raises(ChoiceError) as error:
        pick({"profile": "x"})
    assert "没有" in error.value.in_words(in_language("zh"))


@given(NEAR_MISSES)
def test_whatever_is_sent_the_server_stays_within_bounds_or_is_refused(options):
    try:
        chosen = pick(options, homes=("shared", "own"))
    except ChoiceError:
        return
    assert chosen.override.mem_limit <= LIMITS.max_memory
    assert chosen.override.cpu_limit <= LIMITS.max_cpus
    assert chosen.override.gpu is None
    assert not chosen.override.environment


@given(NEAR_MISSES)
def test_what_was_accepted_is_accepted_again_and_means_the_same(options):
    try:
        chosen = pick(options, homes=("shared", "own"))
    except ChoiceError:
        return
    assert pick(chosen.options, homes=("shared", "own")) == chosen
