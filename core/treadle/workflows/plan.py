"""From a signature to a graph: a pure function, but for the ids that it draws."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from typing import Any, Final, cast

from treadle.edges import NO_PLACE, After, Edge
from treadle.exceptions import ConfigurationError
from treadle.job import new_id
from treadle.workflows.chain import Chain
from treadle.workflows.chord import Chord, least_of
from treadle.workflows.graph import Feeding, Handle, Node, Plan
from treadle.workflows.group import Group
from treadle.workflows.mapping import Chunks
from treadle.workflows.signature import Signature, as_list

#: Options that concern a composition itself. All others are handed down to its parts.
_OWN: Final = frozenset({"task_id", "link", "link_error"})
#: Options about when it starts, which concern the first step of a chain only.
_START: Final = frozenset({"countdown", "eta", "after"})


def plan(signature: Signature, *, draw_id: Callable[[], str] = new_id) -> Plan:
    """The nodes and edges that a signature stands for. The signature is not changed.

    Raises ConfigurationError for what cannot be carried out: a chord without a body, a join of more than there are.
    """
    return plan_own(signature.clone(), draw_id=draw_id)


def plan_own(whole: Signature, *, draw_id: Callable[[], str] = new_id) -> Plan:
    """The same, of a signature that nobody else has: it becomes a part of the plan."""
    freeze(whole, None, draw_id)
    layout = _Layout(draw_id)
    end = layout.lay(whole, None, {})
    _require_own_ids(layout.nodes)
    return Plan(layout.nodes[::-1], end, _handle(whole, None), layout.feedings)


def plan_members(feeding: Feeding, members: Sequence[Signature], first_place: int) -> tuple[list[Node], list[Handle]]:
    """The nodes of members that came later, with edges to the join that is held open for them; and their handles."""
    layout = _Layout(new_id)
    handles: list[Handle] = []
    for place, member in enumerate(members, first_place):
        copy = member.clone()
        read_feeds(copy)
        freeze(copy, None, new_id)
        end = layout.lay(copy, None, feeding.defaults)
        end.edges.append(Edge(feeding.join.id, place, grows=True))
        layout.lay_errbacks(feeding.errbacks, [end])
        if (handle := _handle(copy, None)) is not None:
            handles.append(handle)
    _require_own_ids(layout.nodes)
    return layout.nodes[::-1], handles


def read_feeds(signature: Signature) -> None:
    """Read all members that are still to come, in all of its parts."""
    for part in signature.parts():
        read_feeds(part)


def frozen(signature: Signature, id: str | None = None) -> Handle | None:
    """Give it and all of its parts ids, where they have none yet; the handle of what it will be."""
    freeze(signature, id, new_id)
    return _handle(signature, None)


def freeze(signature: Signature, id: str | None, draw_id: Callable[[], str]) -> None:
    """Give it and all of its parts ids. The id of a chain is that of its last step, of a chord that of its body."""
    match signature:
        case Chain():
            for step in signature.tasks[:-1]:
                freeze(step, None, draw_id)
            for last in signature.tasks[-1:]:
                freeze(last, id or signature.id, draw_id)
            return
        case Chord():
            freeze(signature.header, None, draw_id)
            if signature.body is not None:
                freeze(signature.body, id or signature.id, draw_id)
            return
        case Group() if signature.feed is None:
            for member in signature.tasks:
                freeze(member, None, draw_id)
        case _:
            pass
    signature.options["task_id"] = id or signature.id or draw_id()


class _Layout:
    """Lays out nodes, sources before targets."""

    def __init__(self, draw_id: Callable[[], str]) -> None:
        self.nodes: list[Node] = []
        self.feedings: list[Feeding] = []
        self._draw_id = draw_id
        #: What others named as theirs to wait for, by the id of the object, which is kept with its end.
        self._awaited: dict[int, tuple[Signature, Node]] = {}

    def lay(self, signature: Signature, before: Node | None, defaults: Mapping[str, Any]) -> Node:
        """Lay out what runs after `before`; the node that is its end."""
        match signature:
            case Chain():
                return self._chain(signature, before, defaults)
            case Chord():
                return self._chord(signature, before, defaults)
            case Group():
                return self._group(signature, before, defaults)
            case Chunks():
                group = signature.group()
                freeze(group, signature.id, self._draw_id)
                return self._group(group, before, defaults)
            case _:
                return self._call(signature, before, defaults)

    def _call(self, signature: Signature, before: Node | None, defaults: Mapping[str, Any]) -> Node:
        if defaults:
            signature["options"] = {**defaults, **signature.options}
        node = Node(_id_of(signature), signature)
        if before is not None:
            node.input = "" if signature.immutable else "value"
            node.wait_for([(before, 0)], "success")
        if "after" in signature.options:
            self._wait_for_named(node, signature.options.pop("after"))
        self.nodes.append(node)
        self._links(signature, node, [node])
        return node

    def _wait_for_named(self, node: Node, named: Any) -> None:
        """Let a node wait for what the option `after` names: jobs by their ids or handles, or calls to be made too."""
        several = _several(named)
        # Whoever is named twice is waited for once.
        ids = dict.fromkeys(str(source) for source in several if not isinstance(source, dict))
        ends = {
            end.id: end
            for end in (self._end_of(Signature.from_dict(source)) for source in several if isinstance(source, dict))
        }
        node.need += len(ids) + len(ends)
        node.after += [After(id) for id in ids]
        for end in ends.values():
            end.edges.append(Edge(node.id, NO_PLACE))

    def _end_of(self, signature: Signature) -> Node:
        """The end of a call that others wait for. However many name it, it is made once."""
        known = self._awaited.get(id(signature))
        if known is None:
            copy = signature.clone()
            freeze(copy, None, self._draw_id)
            known = self._awaited[id(signature)] = (signature, self.lay(copy, None, {}))
        return known[1]

    def _chain(self, chain: Chain, before: Node | None, defaults: Mapping[str, Any]) -> Node:
        if not chain.tasks:
            return before or self._join(chain, (), None, None)
        shared = {**defaults, **_handed_down(chain)}
        later = {name: value for name, value in shared.items() if name not in _START}
        ends: list[Node] = []
        for step in chain.tasks:
            before = self.lay(step, before, later if ends else shared)
            ends.append(before)
        # An empty chain among them ends with the step before it.
        self._links(chain, ends[-1], list({end.id: end for end in ends}.values()))
        return ends[-1]

    def _group(
        self, group: Group, before: Node | None, defaults: Mapping[str, Any], policy: str = "all_success"
    ) -> Node:
        shared = {**defaults, **_handed_down(group)}
        if group.feed is not None and before is None and policy == "all_success":
            join = Node(_id_of(group), None, "list", need=1, is_open=True)
            self.nodes.append(join)
            errbacks = as_list(group.options.get("link_error"))
            self.feedings.append(Feeding(join, group.feed, shared, errbacks))
            self._follow_all(group, join)
            return join
        for member in group.tasks:
            if "task_id" not in member.options:
                freeze(member, None, self._draw_id)
        ends = [self.lay(member, before, shared) for member in group.tasks]
        for end in ends:
            self.lay_errbacks(as_list(group.options.get("link_error")), [end])
        join = self._join(group, ends, before, policy)
        self._follow_all(group, join)
        return join

    def _chord(self, chord: Chord, before: Node | None, defaults: Mapping[str, Any]) -> Node:
        if chord.body is None:
            raise ConfigurationError("this chord has no body: chord(header, body), or chord(header)(body)")
        shared = {**defaults, **_handed_down(chord)}
        join = self._group(chord.header, before, shared, chord.kwargs["join"])
        end = self.lay(chord.body, join, {name: value for name, value in shared.items() if name not in _START})
        self._links(chord, end, [end])
        return end

    def _join(self, owner: Signature, ends: Sequence[Node], before: Node | None, policy: str | None) -> Node:
        """A node that is done when `ends` are, by its policy."""
        least = least_of(policy or "all_success", total=len(ends))
        if least is not None and least > len(ends):
            raise ConfigurationError(f"join={policy!r} can never be met by {len(ends)} members")
        join = Node(_id_of(owner) if policy else self._draw_id(), None)
        join.input = "list" if policy in ("all_success", None) else "outcomes"
        if ends:
            places = [(end, place) for place, end in enumerate(ends)]
            join.wait_for(places, "end" if least is None else "success", least=least)
            if least is None and before is not None:
                # It bears with members that fail, not with the failure of the step before, after which none ran.
                before.edges.append(Edge(join.id, NO_PLACE))
                join.need += 1
        elif before is not None:
            join.wait_for([(before, NO_PLACE)], "success")
        self.nodes.append(join)
        return join

    def _links(self, signature: Signature, end: Node, may_fail: Sequence[Node]) -> None:
        self._follow_all(signature, end)
        self.lay_errbacks(as_list(signature.options.get("link_error")), may_fail)

    def _follow_all(self, signature: Signature, end: Node) -> None:
        for callback in as_list(signature.options.get("link")):
            copy = callback.clone()
            freeze(copy, None, self._draw_id)
            self.lay(copy, end, {})

    def lay_errbacks(self, errbacks: Iterable[Signature], may_fail: Sequence[Node]) -> None:
        """Lay out what is called when one of these nodes fails."""
        for errback in errbacks:
            self._errback(errback, may_fail)

    def _errback(self, errback: Signature, may_fail: Sequence[Node]) -> None:
        """Runs once, for the first of these that fails."""
        copy = errback.clone()
        freeze(copy, None, self._draw_id)
        if type(copy) is Signature:
            first = Node(_id_of(copy), copy)
            self.nodes.append(first)
            self._links(copy, first, [first])
        else:
            first = Node(self._draw_id(), None)
            self.nodes.append(first)
            own = len(self.nodes)
            self.lay(copy, first, {})
            begins = {edge.target for edge in first.edges}
            for node in self.nodes[own:]:
                if node.id in begins and node.input == "value":
                    node.input = "error"
        first.input = "" if copy.immutable and first.call is not None else "error"
        first.wait_for([(node, 0) for node in may_fail], "failure", least=1)


def _require_own_ids(nodes: Sequence[Node]) -> None:
    """Raise ConfigurationError if two nodes have the same id: the store would take them for one."""
    seen: set[str] = set()
    for node in nodes:
        if node.id in seen:
            raise ConfigurationError(
                f"the id {node.id!r} is given to two jobs of this workflow; "
                "a frozen call that is to be made twice needs a copy of it that is not frozen"
            )
        seen.add(node.id)


def _handed_down(signature: Signature) -> dict[str, Any]:
    return {name: value for name, value in signature.options.items() if name not in _OWN}


def _several(named: Any) -> Collection[Any]:
    """What an option names, one or many, as a collection."""
    if named is None:
        return ()
    return cast("Collection[Any]", named) if isinstance(named, list | tuple | set | frozenset) else (named,)


def _id_of(signature: Signature) -> str:
    id: str = signature.options["task_id"]
    return id


def _handle(signature: Signature, parent: Handle | None) -> Handle | None:
    """The handle of a frozen signature, behind that of what it follows."""
    match signature:
        case Chain():
            for step in signature.tasks:
                parent = _handle(step, parent)
            return parent
        case Chord():
            header = _handle(signature.header, parent)
            return None if signature.body is None else _handle(signature.body, header)
        case Group():
            return Handle(_id_of(signature), members=tuple(_members(signature, parent)), parent=parent)
        case _:
            return Handle(_id_of(signature), signature.task, parent=parent)


def _members(group: Group, parent: Handle | None) -> Iterable[Handle]:
    if group.feed is not None:
        return
    for member in group.tasks:
        handle = _handle(member, parent)
        if handle is not None:
            yield handle
