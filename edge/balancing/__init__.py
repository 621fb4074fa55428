"""How an endpoint is chosen among those that take calls.

A balancer is made anew whenever that set changes and knows nothing of health, connections or wires. `pick` is on the
path of every call: no lock, no clock (the time is an argument).
"""

from edge.balancing.base import Balancer
from edge.balancing.make import make_balancer
from edge.balancing.round_robin import RoundRobin
from edge.balancing.selection import Selection

__all__ = ["Balancer", "RoundRobin", "Selection", "make_balancer"]
