"""What keeps faults of endpoints from becoming faults of callers: pure state machines, given the time as an argument.

Nothing here knows connections, calls on the wire or the event loop; `edge.upstream` and `edge.proxy` feed these
machines and do what they say.
"""
