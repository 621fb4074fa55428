"""Whether what was observed is an outcome of a case. Every function returns what is wrong, or an empty text."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import grpc
from google.protobuf import message_factory
from google.protobuf.descriptor_pool import DescriptorPool
from google.protobuf.message import DecodeError, Message

from tests.corpus.backend import Call
from tests.corpus.bodies import body, content_type, lines, problem_of_length
from tests.corpus.cases import Case, Json
from tests.corpus.compare import contains_json, parse_json, rule_problem, same_json, same_message, same_variables, shown
from tests.corpus.http1 import Answer
from tests.corpus.masks import made_mask
from tests.corpus.requests import Sent
from tests.corpus.services import Method

EXPECTATIONS = {
    *("http_status", "http_status_any_of", "error", "unsupported", "match", "vars", "vars_rule"),
    *("json", "json_rule", "messages", "grpc_code", "grpc_code_in_body", "name", "accepted", "rule"),
    *("content_type", "content_type_media", "content_type_any_of", "content_length", "headers", "body_rule"),
    *("body_json", "body_json_contains", "body_json_lines", "body_json_lines_last"),
    *("body_text", "body_text_contains", "body_base64"),
}
"""What an outcome may say. Anything else fails, for it would not be looked at."""

CODES = {code.name: code.value[0] for code in grpc.StatusCode}
UNSUPPORTED = (400, 404, 405, 501)
"""What a method that was not mapped may be answered with, when the case does not say."""


@dataclass
class Observed:
    """What became of one request."""

    sent: Sent
    """The request."""

    answer: Answer
    """What the caller got."""

    calls: list[Call] = field(default_factory=list)
    """What reached the upstream."""

    def got(self) -> str:
        """Return it in few words."""
        words = f"{self.answer.status} {self.answer.media_type} {self.answer.body[:160]!r}"
        if not self.answer.complete:
            words += " (cut off)"
        return f"{words}, upstream got {', '.join(call.method for call in self.calls) or 'nothing'}"


class Checker:
    """Compares what was observed with outcomes.

    Args:
        pool: The types of the run.
    """

    def __init__(self, pool: DescriptorPool) -> None:
        self.pool = pool

    def of(self, kind: str) -> Callable[[Case, Json, Observed, list[Method]], str]:
        """Return the check of a kind of case."""
        return {
            "path_match": self.match,
            "percent_decoding": self.match,
            "query_binding": self.binding,
            "body_binding": self.binding,
            "response": self.response,
            "status_map": self.status,
        }[kind]

    def message(self, name: str, data: bytes) -> Message:
        """Return a message of the run's types.

        Raises:
            DecodeError: the bytes are none.
        """
        found = message_factory.GetMessageClass(self.pool.FindMessageTypeByName(name))()
        found.ParseFromString(data)
        return found

    def match(self, case: Case, outcome: Json, seen: Observed, methods: list[Method]) -> str:
        """Check which template was matched, and its variables."""
        if outcome.get("match") is None:
            if seen.calls:
                return "a template was matched"
            allowed = outcome.get("http_status_any_of") or [outcome.get("http_status", 404)]
            return "" if seen.answer.status in allowed else f"the status is none of {allowed}"
        if problem := self._one_call(seen):
            return problem
        call = seen.calls[0]
        keys = {method.name: entry["key"] for method, entry in zip(methods, case.raw["templates"], strict=True)}
        if keys.get(call.method) != outcome["match"]:
            return f"{keys.get(call.method)} was matched, not {outcome['match']}"
        method = next(method for method in methods if method.name == call.method)
        message = self.message(method.request, call.messages[0])
        if "vars_rule" in outcome:
            return rule_problem(outcome["vars_rule"], message, seen.sent)
        return same_variables(message, outcome["vars"])

    def binding(self, case: Case, outcome: Json, seen: Observed, methods: list[Method]) -> str:
        """Check the message the upstream got, or the refusal."""
        if outcome.get("unsupported"):
            allowed = outcome.get("http_status_any_of", UNSUPPORTED)
            return "" if seen.answer.status in allowed and not seen.calls else f"the status is none of {allowed}"
        if "error" in outcome:
            return refused(outcome, seen)
        expected = outcome.get("messages", [None])
        if problem := self._one_call(seen, len(expected)):
            return problem
        for number, data in enumerate(seen.calls[0].messages):
            message = self.message(methods[0].request, data)
            if "messages" in outcome:
                problem = same_message(message, expected[number], self.pool)
            elif "json_rule" in outcome:
                problem = self._json_rule(case, outcome["json_rule"], message, seen.sent)
            else:
                problem = self._json(case, outcome["json"], message, seen.sent)
            if problem:
                return f"message {number + 1}: {problem}"
        return ""

    def _json(self, case: Case, expected: Any, message: Message, sent: Sent) -> str:
        """Compare a request message. A mask made of the body has to be right, though the case does not speak of it."""
        if wanted := made_mask(case.http, expected, message, sent):
            mask = message.update_mask  # type: ignore[attr-defined] # `made_mask` saw the field
            if set(mask.paths) != wanted:
                return f"update_mask is {list(mask.paths)}, the body names {sorted(wanted)}"
            message.ClearField("update_mask")
        return same_message(message, expected, self.pool)

    def _json_rule(self, case: Case, rule: str, message: Message, sent: Sent) -> str:
        if re.search(r"\b(?:nested|deep|depth|levels|same as|equals the body)\b", rule) is None:
            return rule_problem(rule, message, sent)
        expected = parse_json(sent.request.body or b"")
        field = case.http["body"]
        return same_message(message, expected if field == "*" else {field: expected}, self.pool)

    def _one_call(self, seen: Observed, messages: int = 1) -> str:
        if seen.answer.status != 200:
            return "the status is not 200"
        if not seen.answer.complete:
            return "the answer was cut off"
        if len(seen.calls) != 1:
            return f"{len(seen.calls)} calls reached the upstream, not one"
        if (count := len(seen.calls[0].messages)) != messages:
            return f"{count} messages reached the upstream, not {messages}"
        return ""

    def response(self, case: Case, outcome: Json, seen: Observed, methods: list[Method]) -> str:
        """Check what the caller got."""
        answer = seen.answer
        allowed = outcome.get("http_status_any_of") or [outcome.get("http_status", 200)]
        if answer.status not in allowed:
            return f"the status is none of {allowed}"
        rule = outcome.get("body_rule")
        if not answer.complete and not (rule and "abort" in rule):
            return "the answer was cut off"
        if problem := content_type(outcome, answer):
            return problem
        for name, value in outcome.get("headers", {}).items():
            if answer.header(name.lower()) != value:
                return f"the header {name} is {answer.header(name.lower())}, not {value}"
        if (length := outcome.get("content_length")) is not None and problem_of_length(answer, length):
            return problem_of_length(answer, length)
        if rule is not None:
            return self._rule(case, rule, seen, methods[0])
        try:
            return body(outcome, answer)
        except ValueError as error:
            return f"the body is no JSON: {error}"

    def _rule(self, case: Case, rule: str, seen: Observed, method: Method) -> str:
        if rule.startswith("not JSON of the message"):
            try:
                found = parse_json(seen.answer.body)
            except ValueError:
                return ""
            fields = self.pool.FindMessageTypeByName(method.response).fields
            names = {field.json_name for field in fields} | {field.name for field in fields}
            real = isinstance(found, dict) and names.issuperset(found) and seen.answer.status == 200
            return "the body is a message" if real else ""
        if "failure is visible" in rule:
            expected = case.raw["upstream"]["messages"]
            values = lines(seen.answer)
            begin = [value.get("result", value) if isinstance(value, dict) else value for value in values]
            if problem := same_json(begin[: len(expected)], expected):
                return f"the messages before the failure: {problem}"
            last = values[-1] if len(values) > len(expected) else None
            named = isinstance(last, dict) and ("error" in last or {"code", "message"} <= last.keys())
            return "" if named or not seen.answer.complete else "the body looks complete"
        return f"unknown body_rule: {rule}"

    def status(self, case: Case, outcome: Json, seen: Observed, methods: list[Method]) -> str:
        """Check the status, of HTTP or of gRPC within the body."""
        return refused(outcome, seen)


def refused(outcome: Json, seen: Observed) -> str:
    """Check a refusal: its HTTP status, and the code within its JSON body."""
    allowed = outcome.get("http_status_any_of") or [outcome[key] for key in ("http_status",) if key in outcome]
    if allowed and seen.answer.status not in allowed:
        return f"the status is none of {allowed}"
    if not seen.answer.complete:
        return "the answer was cut off"
    if "error" in outcome and seen.answer.status == 200:
        return "it was not refused"
    code = outcome.get("grpc_code", outcome.get("grpc_code_in_body"))
    if code is None and "error" in outcome:
        code = CODES[outcome["error"]]
    if code is None or seen.answer.body == b"":
        return "" if code is None or seen.sent.request.method == "HEAD" else "there is no body that tells the code"
    try:
        found = parse_json(seen.answer.body)
    except ValueError as error:
        return f"the body is no JSON: {error}"
    return contains_json(found, {"code": code})


def any_of(check: Callable[[Json], str], outcomes: list[Json], seen: Observed) -> str:
    """Return nothing when one outcome fits, and otherwise what is wrong with the first, with what was got."""
    problems = []
    for outcome in outcomes:
        try:
            unknown = outcome.keys() - EXPECTATIONS
            problem = f"unknown expectations: {', '.join(sorted(unknown))}" if unknown else check(outcome)
        except DecodeError as error:
            problem = f"what the upstream got is no message: {error}"
        except ValueError as error:
            problem = f"not readable: {error}"
        if not problem:
            return ""
        problems.append(problem)
    where = f"{seen.sent.about}: " if seen.sent.about else ""
    return f"{where}{problems[0]}; got {seen.got()}; for {shown(seen.sent.request.target)}"
