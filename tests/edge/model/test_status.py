from __future__ import annotations

import pytest

from edge.model.status import HTTP_STATUS, Code, code_of_http


@pytest.mark.parametrize(
    ("status", "code"),
    [
        (101, Code.OK),
        (200, Code.OK),
        (304, Code.OK),
        (400, Code.INVALID_ARGUMENT),
        (402, Code.FAILED_PRECONDITION),
        (405, Code.FAILED_PRECONDITION),
        (409, Code.ABORTED),
        (418, Code.FAILED_PRECONDITION),
        (500, Code.INTERNAL),
        (502, Code.UNAVAILABLE),
        (599, Code.INTERNAL),
        (999, Code.INTERNAL),
    ],
)
def test_the_code_of_an_http_status(status: int, code: Code) -> None:
    assert code_of_http(status) is code


@pytest.mark.parametrize("code", [code for code in Code if HTTP_STATUS[code] not in (400, 409, 500)])
def test_a_status_that_one_code_has_leads_back_to_it(code: Code) -> None:
    assert code_of_http(HTTP_STATUS[code]) is code
