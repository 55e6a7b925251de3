"""Random workflows, an interpreter that knows nothing of graphs, and a worker that fails at any step."""

from __future__ import annotations

import itertools
import random
from collections import Counter
from collections.abc import Callable
from typing import Any

from hypothesis import strategies as st

from treadle import Task, Treadle
from treadle.execution.runner import Runner
from treadle.interfaces import Node
from treadle.job import FINAL_STATES, Delivery
from treadle.result import AsyncResult
from treadle.settlement import Complete, Fail, Replace, Settlement
from treadle.workflows.chain import Chain, chain
from treadle.workflows.chord import Chord, chord
from treadle.workflows.graph import GATE
from treadle.workflows.group import Group, group
from treadle.workflows.signature import Signature

STEP = "workflows.step"
NOTHING = object()


class FailedError(Exception):
    """A call failed, or what followed it never ran."""


def add_step(app: Treadle) -> None:
    """Give an app the task that all these workflows are made of."""

    @app.task(name=STEP, bind=True, max_retries=None)
    def step(
        self: Task[..., Any], *inputs: Any, label: str = "", fails: bool = False, retries: int = 0, becomes: Any = None
    ) -> Any:
        if self.request.retries < retries:
            raise self.retry(countdown=0)
        if fails:
            raise FailedError(label)
        if becomes is not None:
            self.replace(becomes)
        return [label, *(plain(value) for value in inputs)]


def plain(value: Any) -> Any:
    """Inputs as values that can be compared: an outcome is whether it succeeded, and with what."""
    if isinstance(value, list):
        return [plain(each) for each in value]
    if hasattr(value, "successful"):
        return ["succeeded", plain(value.value)] if value.successful() else ["failed", None]
    return value


# Random workflows ----------------------------------------------------------------------------------


def calls(becoming: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    """Calls of the step, some of which fail, retry, or replace themselves."""

    def build(fails: bool, immutable: bool, retries: int, becomes: Any) -> Signature:
        kwargs: dict[str, Any] = {"label": ""}
        if fails:
            kwargs["fails"] = True
        if retries:
            kwargs["retries"] = retries
        if becomes is not None:
            kwargs["becomes"] = becomes
        return Signature(STEP, (), kwargs, immutable=immutable)

    return st.builds(
        build,
        st.sampled_from([False] * 9 + [True]),
        st.sampled_from([False, False, False, True]),
        st.sampled_from([0] * 6 + [1, 2]),
        becoming,
    )


def compositions(parts: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    """Chains, groups and chords of such parts."""
    some = st.lists(parts, max_size=4)
    policies = st.sampled_from(["all_success", "all_success", "all_done"])
    return (
        some.filter(bool).map(lambda steps: chain(*steps))
        | some.map(group)
        | st.builds(lambda header, body, join: chord(header, body, join=join), some, parts, policies)
    )


def workflows(max_leaves: int = 20, *, replacing: bool = True) -> st.SearchStrategy[Any]:
    """Whole workflows, each of whose calls has a label of its own."""
    simple = calls(st.none())
    small = st.recursive(simple, compositions, max_leaves=3)
    becoming = st.none() | st.none() | st.none() | small if replacing else st.none()
    return st.recursive(calls(becoming), compositions, max_leaves=max_leaves).map(lambda whole: labelled(whole.clone()))


def labelled(whole: Signature) -> Signature:
    """The same, where each call has a label of its own."""
    for number, call in enumerate(all_calls(whole)):
        call.kwargs["label"] = f"c{number}"
    return whole


def all_calls(whole: Signature) -> list[Signature]:
    """The calls in it, also in what replaces them."""
    if isinstance(whole, Chain | Group | Chord):
        return [call for part in whole.parts() for call in all_calls(part)]
    becomes = whole.kwargs.get("becomes")
    if becomes is None:
        return [whole]
    whole.kwargs["becomes"] = copy = Signature.from_dict(becomes).clone()
    return [whole, *all_calls(copy)]


# What they give ------------------------------------------------------------------------------------


def interpreted(whole: Signature, given: Any = NOTHING) -> Any:
    """What a workflow gives, by reading it from left to right. Raises FailedError."""
    match whole:
        case Chain():
            for part in whole.tasks:
                given = interpreted(part, given)
            return given
        case Chord():
            values = members_of(whole.header, given, tolerant=whole.kwargs["join"] == "all_done")
            assert whole.body is not None
            return interpreted(whole.body, values)
        case Group():
            return members_of(whole, given, tolerant=False)
        case _:
            return called(whole, given)


def called(call: Signature, given: Any) -> Any:
    """What a call of the step gives."""
    if call.kwargs.get("fails"):
        raise FailedError
    if call.kwargs.get("becomes") is not None:
        return interpreted(Signature.from_dict(call.kwargs["becomes"]))
    takes = given is not NOTHING and not call.immutable
    return [call.kwargs["label"], *([given] if takes else [])]


def members_of(header: Group, given: Any, *, tolerant: bool) -> list[Any]:
    """The values of all members, or their outcomes."""
    found: list[Any] = []
    failed = False
    for member in header.tasks:
        try:
            value = interpreted(member, given)
            found.append(["succeeded", value] if tolerant else value)
        except FailedError:
            failed = True
            found.append(["failed", None])
    if failed and not tolerant:
        raise FailedError
    return found


# A worker that fails -------------------------------------------------------------------------------


class Trouble:
    """Decides what goes wrong at each settlement."""

    def __init__(self, seed: int, share: float) -> None:
        self._dice = random.Random(seed)
        self._share = share

    def strikes(self) -> str:
        """What happens now: nothing mostly; else `dies` before it settles, `repeats` after, or `is late`."""
        if self._dice.random() >= self._share:
            return ""
        return self._dice.choice(["dies", "dies after", "repeats", "is late"])

    def batch(self) -> int:
        """How many jobs are claimed at once."""
        return self._dice.choice([1, 1, 2, 5, 20]) if self._share else 1


class InlineWorker:
    """Claims, runs and settles in this thread, as a child of a worker does, and dies whenever trouble strikes."""

    _numbers = itertools.count()

    def __init__(self, app: Treadle, trouble: Trouble | None = None) -> None:
        self.app = app
        self.trouble = trouble or Trouble(0, 0.0)
        #: How often each job was ended by a settlement that counted.
        self.ended: Counter[str] = Counter()
        self._runner = Runner(app)
        self._late: list[Settlement] = []
        self._begin()

    def run_out(self, result: AsyncResult[Any]) -> list[Node]:
        """Run jobs until all of a workflow have ended; its nodes."""
        self.drain()
        self.run_until(lambda: result.job().is_final and self._has_ended(result))
        return list(result.workflow.nodes())

    def run_until(self, is_over: Callable[[], bool]) -> None:
        """Run jobs until that holds. Fails if there is nothing to run and it does not hold."""
        idle = 0
        while not is_over():
            idle = 0 if self.run_some() else idle + 1
            assert idle < 50, "there is nothing left to run, and it is not over"

    def drain(self) -> None:
        """Run jobs until there are none to run now."""
        while self.run_some():
            pass

    def _has_ended(self, result: AsyncResult[Any]) -> bool:
        live = [node for node in result.workflow.nodes() if node.state not in FINAL_STATES]
        # Of a run that died after it had published its replacement: what will run out, runs out now.
        self.app.broker.cancel([node.id for node in live if node.task == GATE])
        return not live

    def run_some(self) -> bool:
        """Run what one claim gives; whether it gave anything."""
        deliveries = self._consumer.claim(self.trouble.batch(), idle=True, wait_s=0.02).deliveries
        settlements = [self._run(delivery) for delivery in deliveries]
        if settlements:
            self._settle(settlements)
        return bool(settlements)

    def close(self) -> None:
        """Give up the lease."""
        self._consumer.close()
        self.app.broker.abandon(self._lease, reason="crashed", error=b"")

    def _begin(self) -> None:
        self._lease = f"inline/{next(self._numbers)}"
        self.app.broker.open_lease(self._lease, 600)
        self._consumer = self.app.broker.consumer(self._lease, ["default"])

    def _run(self, delivery: Delivery) -> Settlement:
        request = self._runner.prepare(delivery)
        return request if isinstance(request, Fail) else self._runner.run(request)

    def _settle(self, settlements: list[Settlement]) -> None:
        trouble = self.trouble.strikes()
        if trouble == "dies":
            self._late += settlements
        else:
            refused = self._consumer.settle(settlements).refused
            assert refused == [], "what was just claimed is still ours"
            self.ended.update(each.delivery.id for each in settlements if isinstance(each, Complete | Fail | Replace))
        if trouble.startswith("dies"):
            self.close()
            self._begin()
        elif trouble == "repeats":
            assert self._consumer.settle(settlements).refused == []
        elif trouble == "is late" and self._late:
            late, self._late = self._late, []
            assert sorted(self._consumer.settle(late).refused) == sorted(each.delivery.id for each in late)
