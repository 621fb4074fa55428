from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from edge.routing.template import parse_template, split_path
from edge.routing.tree import RadixTree


def grow(*texts: str) -> RadixTree[str]:
    tree: RadixTree[str] = RadixTree()
    for text in texts:
        tree.insert(parse_template(text), text)
    return tree


def find(tree: RadixTree[str], path: str) -> list[str]:
    return list(tree.find(split_path(path)))


def test_the_most_specific_comes_first() -> None:
    tree = grow("/**", "/{x}/{y}", "/a/**", "/a/{y}", "/a/b", "/{x}/b")
    assert find(tree, "/a/b") == ["/a/b", "/a/{y}", "/a/**", "/{x}/b", "/{x}/{y}", "/**"]


def test_a_run_is_split_where_templates_part() -> None:
    tree = grow("/api/v1/users/all", "/api/v1/orders/all", "/api", "/api/v1/users/{id}/x", "/api/v1/users/")
    assert find(tree, "/api/v1/users/all") == ["/api/v1/users/all"]
    assert find(tree, "/api/v1/orders/all") == ["/api/v1/orders/all"]
    assert find(tree, "/api") == ["/api"]
    assert find(tree, "/api/v1") == []
    assert find(tree, "/api/v1/users/7/x") == ["/api/v1/users/{id}/x"]
    assert find(tree, "/api/v1/users/") == ["/api/v1/users/"]
    assert find(tree, "/api/v1/users/all/more") == []


def test_a_dead_end_is_walked_back() -> None:
    tree = grow("/a/b/c/d", "/a/{x}/c/{y}", "/{x}/b/**")
    assert find(tree, "/a/b/c/e") == ["/a/{x}/c/{y}", "/{x}/b/**"]
    assert find(tree, "/a/b/z") == ["/{x}/b/**"]


def test_the_rest_may_be_nothing() -> None:
    tree = grow("/a", "/a/", "/a/**")
    assert find(tree, "/a") == ["/a", "/a/**"]
    assert find(tree, "/a/") == ["/a/", "/a/**"]
    assert find(tree, "/a/b") == ["/a/**"]


def test_names_of_parameters_share_a_leaf() -> None:
    tree: RadixTree[list[str]] = RadixTree()
    first = tree.insert(parse_template("/a/{x}"), [])
    assert tree.insert(parse_template("/a/{y}"), []) is first
    assert tree.insert(parse_template("/a/*"), []) is first
    assert len(tree) == 1
    rest = tree.insert(parse_template("/a/**"), [])
    assert tree.insert(parse_template("/a/{r=**}"), []) is rest
    assert len(tree) == 2


def test_what_is_no_path_finds_nothing() -> None:
    tree = grow("/**", "/", "/{x}")
    for path in ("", "*", "a", "a/b", "host:443"):
        assert find(tree, path) == []


def test_depth_is_not_bounded_by_recursion() -> None:
    text = "/{x}" + "/a/*" * 3000
    tree = grow(text, "/**")
    assert find(tree, "/x" + "/a/b" * 3000) == [text, "/**"]
    assert find(tree, "/x" * 100_000) == ["/**"]


pieces = st.sampled_from(["a", "b", "c", "*"])
texts = st.builds(
    lambda segments, end: "/" + "/".join([*segments, *end]),
    st.lists(pieces, max_size=5),
    st.sampled_from([["**"], [""], ["a"], ["*"]]),
)
paths = st.lists(st.sampled_from(["a", "b", "c", "d", ""]), min_size=1, max_size=6).map(
    lambda each: "/" + "/".join(each)
)


@given(st.lists(texts, max_size=15, unique=True), st.lists(paths, max_size=10))
def test_the_tree_finds_what_templates_take_in_order_of_rank(written: list[str], asked: list[str]) -> None:
    tree = grow(*written)
    assert len(tree) == len(written)
    parsed = [parse_template(text) for text in written]
    for path in asked:
        fitting = sorted((t for t in parsed if t.takes(split_path(path))), key=lambda t: t.rank, reverse=True)
        assert find(tree, path) == [str(template) for template in fitting]
