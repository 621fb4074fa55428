"""Which methods the routes of a configuration offer to HTTP callers, and by which rules.

Made when the configuration or a schema changes, never on the path of a call. What did not change is kept: an offer is
compiled once for a route and a schema.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from google.api import annotations_pb2, http_pb2
from google.protobuf import descriptor_pb2
from google.protobuf.descriptor import MethodDescriptor

from edge.model.config import GrpcTarget, Route
from edge.model.hints import did_you_mean
from edge.model.schema import Method, SchemaSet
from edge.model.transcoding import Strictness, Transcoding
from transcoding.codec import Codec, CodecOptions
from transcoding.offer import Offer
from transcoding.rest.rule import RestRule
from transcoding.rules.binding import Problem, compile_rule, find_conflicts
from transcoding.rules.fields import Tables
from transcoding.unknown import UnknownFields

_UNKNOWN_FIELDS = {Strictness.STRICT: "refuse", Strictness.WARN: "report", Strictness.LENIENT: "ignore"}


@dataclass(frozen=True, slots=True, eq=False)
class RouteOffers:
    """What one route offers of one schema."""

    route: Route
    """The route."""

    offers: tuple[Offer, ...]
    """The methods."""

    rules: tuple[RestRule, ...]
    """The rules, in the order of the methods."""

    problems: tuple[Problem, ...]
    """The rules that could not be compiled; their methods are reached without them all the same."""


def codec_options(transcoding: Transcoding) -> CodecOptions:
    """Return how a route wants its JSON."""
    return CodecOptions(
        proto_field_names=transcoding.json.proto_field_names,
        print_defaults=transcoding.json.print_defaults,
        enums_as_numbers=transcoding.json.enums_as_numbers,
        strip_enum_prefix=transcoding.json.strip_enum_prefix,
        unknown_fields=_UNKNOWN_FIELDS[transcoding.strictness],  # type: ignore[arg-type] # the literals of the codec
    )


def compile_offers(route: Route, schema: SchemaSet) -> RouteOffers:
    """Compile what a route offers of a schema. A rule that is wrong costs nothing but itself.

    Raises:
        SchemaError: none of the schema's files links.
    """
    transcoding = route.transcoding
    assert transcoding is not None, "only routes that transcode offer anything"
    codec = Codec(schema.pool(), codec_options(transcoding))
    tables = Tables(strip_enum_prefix=transcoding.json.strip_enum_prefix)
    unknown = UnknownFields(route.name)
    own = {rule.selector: rule for rule in transcoding.http_rules()}
    offers: list[Offer] = []
    rules: list[RestRule] = []
    problems: list[Problem] = []
    for method, descriptor in _methods(route, schema):
        offer = Offer(route.name, transcoding, method, descriptor, codec, unknown)
        offers.append(offer)
        for rule in _rules(descriptor, method, own, rpc_paths=transcoding.rpc_paths):
            try:
                compiled, found = compile_rule(descriptor, rule, tables)
                rules += [RestRule(binding, offer, tables) for binding in compiled]
            except RecursionError:
                # protobuf's own classes are made recursively: some hundred types within each other are too many
                words = "its messages are nested too deeply to be transcoded; callers of gRPC reach it all the same"
                found = [Problem(descriptor.full_name, "", "", words)]
            problems += found
    problems += find_conflicts(rule.binding for rule in rules)
    return RouteOffers(route, tuple(offers), tuple(rules), tuple(problems))


def check_offers(offered: RouteOffers, schema: SchemaSet) -> list[Problem]:
    """Return all that is wrong with the rules of a route for a schema that is known, selectors included."""
    route, problems = offered.route, list(offered.problems)
    known = {path.lstrip("/").replace("/", ".") for path in schema.methods}
    assert route.transcoding is not None, "only routes that transcode have rules"
    for rule in route.transcoding.http_rules():
        if rule.selector not in known:
            hint = did_you_mean(rule.selector, known)
            problems.append(Problem(rule.selector, "selector", "", f"the schema has no such method{hint}"))
    return problems


def _methods(route: Route, schema: SchemaSet) -> Iterator[tuple[Method, MethodDescriptor]]:
    pool = schema.pool()
    for name, methods in schema.services.items():
        if name in schema.broken:
            continue
        service = pool.FindServiceByName(name)
        for method in methods:
            if _may_take(route, name, method):
                yield method, service.methods_by_name[method.path.rpartition("/")[2]]


def _may_take(route: Route, service: str, method: Method) -> bool:
    """Whether a route may take a method. Whether it does is the route table's to say, call by call."""
    if not route.matches:
        return True
    return any(_target_takes(match.target, service, method) for match in route.matches)


def _target_takes(target: object, service: str, method: Method) -> bool:
    if not isinstance(target, GrpcTarget):
        return True
    if target.service and target.service != service:
        return False
    return not target.method or target.method == method.path.rpartition("/")[2]


def _rules(
    descriptor: MethodDescriptor, method: Method, own: dict[str, http_pb2.HttpRule], *, rpc_paths: bool
) -> Iterable[http_pb2.HttpRule]:
    rule = own.get(descriptor.full_name)
    if rule is None:
        rule = _annotated(descriptor)
    if rule is not None:
        yield rule
    if rpc_paths:
        yield http_pb2.HttpRule(selector=descriptor.full_name, post=method.path, body="*")


def _annotated(descriptor: MethodDescriptor) -> http_pb2.HttpRule | None:
    """Return the rule that a method has in its options.

    Options come from a pool that may not know the extension; parsed anew they are in this process's own terms.
    """
    options = descriptor_pb2.MethodOptions.FromString(descriptor.GetOptions().SerializeToString())
    if not options.HasExtension(annotations_pb2.http):
        return None
    return options.Extensions[annotations_pb2.http]
