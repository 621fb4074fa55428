"""Which route takes a call.

    template    path templates: parse, compare, print
    tree        a radix tree over the segments of paths
    conditions  host, verb, headers, query parameters
    rule        one match of a route, compiled
    ties        refuses matches between which nothing decides
    bucket      the rules of one host and one target, in order
    hosts       rules by host, then by what a call asks for
    table       RadixRouteTable: build once, match many times
    explain     the same answer in words

Pure: no I/O, no clock, no state that changes after `RadixRouteTable.build`. Imports `edge.model` only.
"""

from edge.routing.conditions import HostPattern, normal_host, parse_host
from edge.routing.table import RadixRouteTable
from edge.routing.template import PathTemplate, Segment, SegmentKind, parse_template, split_path
from edge.routing.tree import RadixTree

__all__ = [
    "HostPattern",
    "PathTemplate",
    "RadixRouteTable",
    "RadixTree",
    "Segment",
    "SegmentKind",
    "normal_host",
    "parse_host",
    "parse_template",
    "split_path",
]
