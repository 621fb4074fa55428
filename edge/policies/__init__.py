"""Policies compiled to admissions: what is done to every call of the routes that name them.

A policy is compiled once, when the configuration changes; its `admit` then looks at one call's metadata. The phases and
their order are `PHASES`; within one the route's order counts. This version has the header policy; others join here.
"""

from edge.policies.compile import PHASES, compile_policies
from edge.policies.headers import HeaderAdmission, changed

__all__ = ["PHASES", "HeaderAdmission", "changed", "compile_policies"]
