"""Boot slots are never over-committed, never lost, and handed on in order, whoever is cancelled when."""

import asyncio

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from jupyterhub_tf29.spawner.bootslots import BootSlots


async def settle():
    """Let everything that can run now run."""
    for _ in range(5):
        await asyncio.sleep(0)


async def test_the_line_is_first_come_first_served_and_hears_its_places():
    slots, places = BootSlots(1), {"b": [], "c": []}
    await slots.acquire("a")
    b = asyncio.ensure_future(slots.acquire("b", places["b"].append))
    await settle()
    c = asyncio.ensure_future(slots.acquire("c", places["c"].append))
    await settle()
    assert places == {"b": [1], "c": [2]}
    slots.release("a")
    await settle()
    assert (b.done(), c.done()) == (True, False)
    assert places["c"] == [2, 1]
    slots.release("b")
    await c
    assert slots.held == 1


async def test_a_slot_that_was_given_to_a_cancelled_waiter_goes_to_the_next():
    slots = BootSlots(1)
    await slots.acquire("a")
    b = asyncio.ensure_future(slots.acquire("b"))
    c = asyncio.ensure_future(slots.acquire("c"))
    await settle()
    slots.release("a")  # b's turn has come, but b has not run yet
    b.cancel()
    await asyncio.wait_for(c, 1)
    assert b.cancelled()
    assert (slots.held, slots.waiting) == (1, 0)


async def test_holding_twice_is_an_error_and_releasing_twice_is_not():
    slots = BootSlots(2)
    await slots.acquire("a")
    with pytest.raises(RuntimeError, match="holds a boot slot already"):
        await slots.acquire("a")
    slots.release("a")
    slots.release("a")
    assert slots.held == 0


@settings(max_examples=200)
@given(
    st.integers(1, 3), st.lists(st.tuples(st.sampled_from(["come", "leave", "cancel", "run"]), st.integers(0, 7)))
)
def test_any_history_keeps_the_books(size, history):
    async def play():
        slots, tasks = BootSlots(size), {}
        for act, who in history:
            task = tasks.get(who)
            if act == "come" and (task is None or task.cancelled()):
                tasks[who] = asyncio.ensure_future(slots.acquire(who))
            elif act == "leave" and task is not None and task.done() and not task.cancelled():
                slots.release(who)
                del tasks[who]
            elif act == "cancel" and task is not None:
                task.cancel()
                await settle()
            elif act == "run":
                await settle()
            assert slots.held <= size
            assert slots.waiting == 0 or slots.held == size
        await settle()
        holding = [task for task in tasks.values() if task.done() and not task.cancelled()]
        assert len(holding) == slots.held
        for task in tasks.values():
            task.cancel()
        await settle()

    asyncio.run(play())
