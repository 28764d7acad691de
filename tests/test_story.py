"""The progress page: everything is told to everyone, in order, and it ends."""

import asyncio

from hypothesis import given
from hypothesis import strategies as st

from jupyterhub_tf29.spawner.story import Story


async def hear(story):
    return [event["message"] async for event in story.events()]


async def test_a_late_reader_hears_everything():
    story = Story()
    story.tell(10, "image")
    early = asyncio.ensure_future(hear(story))
    await asyncio.sleep(0)
    story.tell(50, "container")
    late = asyncio.ensure_future(hear(story))
    await asyncio.sleep(0)
    story.tell(90, "server")
    story.end()
    assert await early == await late == ["image", "container", "server"]


async def test_readers_of_a_story_that_has_ended_do_not_wait():
    story = Story()
    story.tell(10, "image")
    story.end()
    assert await asyncio.wait_for(hear(story), 1) == ["image"]


@given(st.lists(st.integers(0, 100), min_size=1))
def test_progress_never_goes_back(steps):
    async def play():
        story = Story()
        for step in steps:
            story.tell(step, "x")
        story.end()
        return [event["progress"] async for event in story.events()]

    told = asyncio.run(play())
    assert told == sorted(told)
    assert max(told) == max(steps)
