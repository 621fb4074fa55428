"""What the gateway offers beyond the specification, and how the settings of a case are said in a route."""

from __future__ import annotations

from typing import Any

from tests.corpus.cases import Case, Json

FEATURES: dict[str, bool | str] = {
    # feature: True, or why it is not offered
    "emit_defaults": True,
    "query_map_syntax": True,
    "query_struct_as_json": True,
    "sse_stream": True,
    "case_insensitive_enum": "proto3 JSON compares enum names as they are written",
    "double_star_not_last": "google.api.http allows `**` as the last segment only; refused when loaded",
    "form_body_as_query": "a rule without `body` takes no request body (google.api.http)",
    "gateway_stream_format": "messages of a stream stand bare, not within `result`; only the error is within `error`",
    "ignored_query_parameters": "unknown parameters are refused, or all ignored by `strictness`",
    "match_unregistered_custom_verb": "a raw ':' that begins no registered verb belongs to the segment",
    "nested_body_path": "google.api.http: `body` names a top-level field; refused when loaded",
    "nested_variables": "the grammar of google.api.http has no variables within variables; refused when loaded",
    "query_plus_option": "'+' in a query is always a space, as forms have it",
    "reject_binding_body_collision": "the path wins over the body (google.api.http)",
    "url_unescape_spec": "not a setting: escapes are always decoded as by ALL_CHARACTERS_EXCEPT_SLASH",
}
"""The features cases may require. One that is not in here is not offered."""

ROUTE_OPTIONS: dict[str, Json] = {
    "emit_defaults": {"json": {"print_defaults": True}},
    "ignore_unknown_query_parameters": {"strictness": "STRICTNESS_LENIENT"},
    "ignore_unknown_fields": {"strictness": "STRICTNESS_LENIENT"},
    "always_print_enums_as_ints": {"json": {"enums_as_numbers": True}},
    "enums_as_numbers": {"json": {"enums_as_numbers": True}},
    "preserve_proto_field_names": {"json": {"proto_field_names": True}},
    "proto_field_names": {"json": {"proto_field_names": True}},
}
"""Settings and features of cases as `gateway.v1.Transcoding`."""

REQUEST_OPTIONS = {"send", "body_before_gzip"}
"""Settings that say how the request is sent."""


def missing(case: Case) -> tuple[str, ...]:
    """Return the features of a case that are not offered."""
    return tuple(name for name in case.requires if FEATURES.get(name) is not True)


def reason(feature: str) -> str:
    """Return why a feature is not offered."""
    found = FEATURES.get(feature)
    return found if isinstance(found, str) else "not known"


def transcoding(case: Case) -> Json:
    """Return the route's `transcoding` for a case.

    A setting is given by `options`, or implied by a feature the case requires.
    """
    found: dict[str, Any] = {}
    settings = dict.fromkeys(case.requires, True) | case.options
    for name, value in settings.items():
        if value and name in ROUTE_OPTIONS:
            for key, part in ROUTE_OPTIONS[name].items():
                found[key] = {**found.get(key, {}), **part} if isinstance(part, dict) else part
    return found


def unknown_options(case: Case) -> list[str]:
    """Return the settings of a case that no feature accounts for and that cannot be said in a route."""
    known = ROUTE_OPTIONS.keys() | REQUEST_OPTIONS | FEATURES.keys()
    return [] if case.requires else [name for name, value in case.options.items() if value and name not in known]
