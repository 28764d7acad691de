"""What a profile may ask for, and what is refused."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from jupyterhub_tf29.gpu.request import Request, RequestError, is_model, profile_slices

REQUESTS = st.one_of(
    st.builds(Request, count=st.integers(1, 16), model=st.sampled_from([None, "A100"])),
    st.builds(Request, st.just("share"), share_mib=st.integers(1, 80000)),
    st.builds(Request, st.just("mig"), count=st.integers(1, 7), mig_profile=st.just("1g.5gb")),
)


@given(REQUESTS)
def test_json_and_back(request_):
    again = Request.from_json(request_.to_json())
    assert again == request_
    assert (again.key, hash(again)) == (request_.key, hash(request_))


@pytest.mark.parametrize(
    ("data", "says"),
    [
        ({"kind": "half"}, "one of whole, share, mig"),
        ({"count": 0}, "count: expected a whole number of at least 1"),
        ({"count": True}, "count"),
        ({"count": "2"}, "found '2'"),
        ({"kind": "share"}, "share_mib"),
        ({"kind": "share", "share_mib": 4000, "count": 2}, "always of one GPU"),
        ({"share_mib": 4000}, "share_mib: belongs to kind share"),
        ({"kind": "mig"}, "mig_profile"),
        ({"model": " "}, "expected a name"),
        ({"gpu": 1}, "gpu: there is no such field"),
        ([1], "expected an object"),
        ({"min_memory_mib": 1.5}, "min_memory_mib"),
    ],
)
def test_what_makes_no_sense_is_refused_with_what_is_allowed(data, says):
    with pytest.raises(RequestError, match=says):
        Request.from_json(data)


@pytest.mark.parametrize(
    ("request_", "usable_mib", "slices", "weight"),
    [
        (Request(count=3), None, None, 3.0),
        (Request("share", share_mib=10000), 40000, None, 0.25),
        (Request("share", share_mib=10000), None, None, 1.0),
        (Request("mig", count=2, mig_profile="2g.10gb"), None, None, 4 / 7),
        (Request("mig", mig_profile="1c.3g.20gb"), None, None, 3 / 7),
        (Request("mig", mig_profile="1g.5gb"), None, 1, 1 / 7),
    ],
)
def test_weight_is_in_whole_gpus(request_, usable_mib, slices, weight):
    assert request_.weight(usable_mib=usable_mib, slices=slices) == pytest.approx(weight)


@pytest.mark.parametrize(
    ("name", "wanted", "fits"),
    [
        ("NVIDIA A100-SXM4-40GB", "A100", True),
        ("NVIDIA A100-SXM4-40GB", "a100-sxm4", True),
        ("Tesla T4", "T4", True),
        ("NVIDIA T400", "T4", False),
        ("NVIDIA GeForce RTX 3090", "RTX 3090", True),
        ("NVIDIA A10", "A100", False),
        ("NVIDIA A100-SXM4-40GB", "A10", False),
        ("NVIDIA GeForce (test)", ".", False),
    ],
)
def test_a_model_is_words_of_its_name(name, wanted, fits):
    assert is_model(name, wanted) is fits


def test_a_profile_that_says_nothing_counts_one_slice():
    assert profile_slices("strange") == 1
