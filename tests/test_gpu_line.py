"""The buttons of a place in the line: only one's own, and an answer whatever the broker says."""

import pytest

from jupyterhub_tf29.gpu.client import BrokerClient
from jupyterhub_tf29.i18n import in_language
from jupyterhub_tf29.spawner.gpumenu import LEAVE_FIELD, OFFER_FIELD
from jupyterhub_tf29.spawner.line import in_line, press
from jupyterhub_tf29.spawner.refusal import refuse
from tests.brokerlike import BrokerLike


@pytest.fixture
async def broker(tmp_path):
    async with BrokerLike(tmp_path / "broker.sock") as broker:
        broker.answers["GET /v1/tickets"] = {"tickets": [{"id": "t1"}]}
        broker.answers["DELETE /v1/tickets/t1"] = {}
        broker.answers["POST /v1/tickets/t1/accept"] = {"ticket": {"id": "t1"}}
        yield broker


async def pressed(broker, button, ticket="t1", language="en"):
    client = BrokerClient(broker.path)
    try:
        answer = await press(client, "ada", button, ticket, language)
    finally:
        await client.close()
    return refuse(answer, in_language(language))


@pytest.mark.parametrize(
    ("button", "asked", "says"),
    [
        (LEAVE_FIELD, "DELETE /v1/tickets/t1", "You have given up your place"),
        (OFFER_FIELD, "POST /v1/tickets/t1/accept", "Your server starts in a moment."),
    ],
    ids=["give up", "take the offer"],
)
async def test_a_button_does_what_it_says(broker, button, asked, says):
    answer = await pressed(broker, button)
    assert asked in broker.asked
    assert says in answer.jupyterhub_message
    assert answer.jupyterhub_message.level == "info"
    assert answer.status_code == 200


@pytest.mark.parametrize("button", [LEAVE_FIELD, OFFER_FIELD])
async def test_the_ticket_of_somebody_else_is_not_touched(broker, button):
    answer = await pressed(broker, button, ticket="t2")
    assert "gone already" in answer.jupyterhub_message
    assert broker.asked == ["GET /v1/tickets"]


async def test_an_offer_that_is_gone_is_told_in_the_brokers_words(broker):
    del broker.answers["POST /v1/tickets/t1/accept"]
    assert "没有" in (await pressed(broker, OFFER_FIELD, language="zh")).jupyterhub_message


async def test_a_silent_broker_is_told(tmp_path):
    answer = await pressed(BrokerLike(tmp_path / "nobody.sock"), LEAVE_FIELD)
    assert "cannot be handed out right now" in answer.jupyterhub_message
    assert answer.jupyterhub_message.level == "error"
    assert answer.status_code == 503


def test_a_place_in_the_line_is_no_failure_and_links_to_the_line():
    ticket = {"id": "t1", "place": 3, "estimate_s": 1440.0}
    refused = refuse(in_line(ticket, "/services/gpus/", "en"), in_language("en"))
    assert "you are third, in about 25 minutes (an estimate)" in refused.jupyterhub_message
    assert refused.jupyterhub_message.level == "line"
    assert (refused.status_code, refused.reason) == (409, "gpu_line")
    assert '<a href="/services/gpus/">See the line.</a>' in refused.jupyterhub_html_message
    assert "ticket t1" in str(refused), "for the log"
