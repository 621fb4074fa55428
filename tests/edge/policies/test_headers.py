from __future__ import annotations

from edge.model.call import Call
from edge.model.config import CorsPolicy, HeaderChange, HeaderPolicy, Policy
from edge.policies import changed, compile_policies


def test_entries_are_removed_then_set_then_appended() -> None:
    change = HeaderChange(remove=frozenset({"gone"}), set=(("x-a", "new"),), append=(("x-b", "2"),))
    before = (("x-a", "1"), ("gone", "1"), ("x-b", "1"), ("x-a", "2"), ("k-bin", b"\0"))
    assert changed(before, change) == (("x-b", "1"), ("k-bin", b"\0"), ("x-a", "new"), ("x-b", "2"))


def test_policies_run_in_the_routes_order_and_those_for_everything_first() -> None:
    def policy(name: str, value: str, *, everywhere: bool = False) -> Policy:
        kind = HeaderPolicy(request=HeaderChange(append=(("x-order", value),)))
        return Policy(name=f"policies/{name}", kind=kind, everywhere=everywhere)

    policies = {p.name: p for p in (policy("a", "a"), policy("b", "b"), policy("all", "all", everywhere=True))}
    compiled = compile_policies(["policies/b", "policies/a"], policies)
    call = Call("/a/B")
    for admission in compiled.admissions:
        assert admission.admit(call) is None
    assert [value for _, value in call.metadata] == ["all", "b", "a"]
    assert compiled.response_changes == ()


def test_a_policy_for_answers_only_costs_requests_nothing() -> None:
    change = HeaderChange(set=(("x-a", "1"),))
    policy = Policy(name="policies/a", kind=HeaderPolicy(response=change))
    compiled = compile_policies(["policies/a"], {policy.name: policy})
    assert compiled.admissions == ()
    assert compiled.response_changes == (change,)


def test_of_several_cors_policies_the_last_one_counts_and_a_header_policy_is_none() -> None:
    def policy(name: str, *origins: str, everywhere: bool = False) -> Policy:
        return Policy(name=f"policies/{name}", kind=CorsPolicy(allow_origins=origins), everywhere=everywhere)

    policies = {
        p.name: p
        for p in (
            policy("all", "https://all", everywhere=True),
            policy("own", "https://own"),
            Policy(name="policies/h", kind=HeaderPolicy()),
        )
    }
    assert compile_policies(["policies/h"], policies).cors == CorsPolicy(allow_origins=("https://all",))
    assert compile_policies(["policies/own", "policies/h"], policies).cors == CorsPolicy(allow_origins=("https://own",))
    assert compile_policies([], {}).cors is None
