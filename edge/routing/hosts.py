"""Rules by host, and those of one host by what a call asks for."""

from __future__ import annotations

from edge.model.call import Call, Protocol
from edge.model.snapshot import Match
from edge.routing.bucket import Bucket
from edge.routing.conditions import HostPattern, normal_host
from edge.routing.rule import GrpcName, Rule
from edge.routing.template import PathTemplate, split_path
from edge.routing.tree import RadixTree


class HostRules:
    """The rules of one host. `add` all, `freeze`, then `match`."""

    __slots__ = ("_any_grpc", "_buckets", "_methods", "_services", "_static", "_tree", "_untargeted")

    def __init__(self) -> None:
        self._methods: dict[str, Bucket] = {}
        """By path on the wire."""
        self._services: dict[str, Bucket] = {}
        self._any_grpc = Bucket()
        self._tree: RadixTree[Bucket] = RadixTree()
        self._static: dict[str, Bucket] = {}
        """Some leaves of the tree, by path: no other template is as specific as one that takes one path only."""
        self._untargeted = Bucket()
        self._buckets = [self._any_grpc, self._untargeted]
        """Every bucket above, each once."""

    def add(self, rule: Rule) -> None:
        """Take in a rule."""
        target = rule.target
        if target is None:
            bucket = self._untargeted
        elif isinstance(target, GrpcName):
            bucket = self._grpc_bucket(target)
        else:
            bucket = self._http_bucket(target)
        bucket.add(rule)

    def _grpc_bucket(self, target: GrpcName) -> Bucket:
        if not target.service:
            return self._any_grpc
        if target.method:
            bucket = self._methods.setdefault(f"/{target.service}/{target.method}", Bucket())
        else:
            bucket = self._services.setdefault(target.service, Bucket())
        if not bucket:
            self._buckets.append(bucket)
        return bucket

    def _http_bucket(self, target: PathTemplate) -> Bucket:
        bucket = self._tree.insert(target, Bucket())
        if not bucket:
            self._buckets.append(bucket)
            texts = [segment.text for segment in target.segments]
            # a decoded `/` is not the `/` of a path, and a path with `%` has to be decoded: both are the tree's
            if target.static and not any("/" in text or "%" in text for text in texts):
                self._static["/" + "/".join(texts)] = bucket
        return bucket

    def freeze(self) -> None:
        """Put the rules of each place into the order in which they are tried."""
        for bucket in self._buckets:
            bucket.freeze()

    def match(self, call: Call) -> Match | None:
        """Return the match of the most specific rule a call meets, or None."""
        path = call.method
        if call.protocol is not Protocol.HTTP:
            bucket = self._methods.get(path)
            if bucket is not None and (rule := bucket.sure or bucket.first(call)) is not None:
                return rule.fixed
            if self._services or self._any_grpc:
                raw = path.split("/")
                if len(raw) == 3 and not raw[0] and raw[1] and raw[2]:  # as `is_grpc_path`, without calling it
                    bucket = self._services.get(raw[1])
                    if bucket is not None and (rule := bucket.sure or bucket.first(call)) is not None:
                        return rule.fixed
                    if (rule := self._any_grpc.sure or self._any_grpc.first(call)) is not None:
                        return rule.fixed
        bucket = self._static.get(path)
        if bucket is not None and (rule := bucket.sure or bucket.first(call)) is not None:
            return rule.fixed
        if self._tree:
            segments = split_path(path)
            for bucket in self._tree.find(segments):
                if (rule := bucket.sure or bucket.first(call)) is not None:
                    return rule.bind(segments)
        rule = self._untargeted.sure or self._untargeted.first(call)
        return None if rule is None else rule.fixed


class HostIndex:
    """The rules of a table by their hosts."""

    __slots__ = ("_any", "_exact", "_suffixes", "_width")

    def __init__(self) -> None:
        self._exact: dict[str, HostRules] = {}
        self._suffixes: dict[str, HostRules] = {}
        """Those of wildcards, by what follows `*.`."""
        self._width = 0
        """The most labels of a suffix, which bounds what a call's host can cost."""
        self._any = HostRules()

    @property
    def any(self) -> HostRules:
        """The rules for any host."""
        return self._any

    @property
    def specific(self) -> bool:
        """Whether any rule asks for a host."""
        return bool(self._exact or self._suffixes)

    def add(self, rule: Rule) -> None:
        """Take in a rule, for each of its hosts."""
        for host in rule.hosts:
            self._place(host).add(rule)
        if not rule.hosts:
            self._any.add(rule)

    def _place(self, host: HostPattern) -> HostRules:
        if not host.wildcard:
            return self._exact.setdefault(host.name, HostRules())
        self._width = max(self._width, host.name.count(".") + 1)
        return self._suffixes.setdefault(host.name, HostRules())

    def freeze(self) -> None:
        """Put the rules of each place into the order in which they are tried."""
        for rules in (*self._exact.values(), *self._suffixes.values(), self._any):
            rules.freeze()

    def match(self, call: Call) -> Match | None:
        """Return the match of the most specific rule a call meets, or None."""
        host = normal_host(call.host)
        rules = self._exact.get(host)
        if rules is not None and (found := rules.match(call)) is not None:
            return found
        if self._width:
            labels = host.rsplit(".", self._width)
            # the longest suffix first; what is in front of it must not be empty
            for start in range(2 if not labels[0] else 1, len(labels)):
                rules = self._suffixes.get(".".join(labels[start:]))
                if rules is not None and (found := rules.match(call)) is not None:
                    return found
        return self._any.match(call)
