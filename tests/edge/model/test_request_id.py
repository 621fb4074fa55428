from __future__ import annotations

import os

from edge.model.request_id import new_request_id


def test_ids_are_32_digits_and_none_comes_twice() -> None:
    made = {new_request_id() for _ in range(1000)}
    assert len(made) == 1000
    assert all(len(each) == 32 and set(each) <= set("0123456789abcdef") for each in made)


def test_a_forked_process_has_ids_of_its_own() -> None:
    new_request_id()
    reader, writer = os.pipe()
    child = os.fork()
    if not child:
        os.write(writer, new_request_id().encode())
        os._exit(0)
    os.waitpid(child, 0)
    told = os.read(reader, 100).decode()
    os.close(reader)
    os.close(writer)
    assert told not in {new_request_id() for _ in range(200)}
