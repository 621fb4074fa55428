from __future__ import annotations

import asyncio

from edge.model.watch import Watch


async def test_followers_see_the_current_value_then_the_latest() -> None:
    watch = Watch(1)
    follower = watch.follow()
    assert await anext(follower) == 1
    watch.set(2)
    watch.set(3)
    assert await anext(follower) == 3, "a slow follower sees the latest value, not every value"
    await follower.aclose()


async def test_a_change_while_the_follower_works_is_not_lost() -> None:
    watch = Watch("a")
    seen: list[str] = []

    async def follow() -> None:
        async for value in watch.follow():
            seen.append(value)
            if value == "a":
                watch.set("b")
            else:
                return

    await asyncio.wait_for(follow(), 1)
    assert seen == ["a", "b"]


def test_listeners_hear_each_change_until_they_end_it() -> None:
    watch = Watch(0)
    heard: list[int] = []
    end = watch.listen(heard.append)
    watch.set(1)
    watch.set(1)
    end()
    end()
    watch.set(2)
    assert heard == [1, 1]
    assert watch.value == 2
