"""Exceptions travel as data, whatever their classes do, and come back as what they were where that is possible."""

from __future__ import annotations

import asyncio
import gc
import json
import weakref
from dataclasses import dataclass
from typing import Any, NoReturn, Self
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from treadle.exceptions import JobNotFound, Reject, Retry, TaskError, TreadleError
from treadle.serialization import Failure, decode_failure, describe_failure, encode_failure


class DeclinedError(Exception):
    """Its `__init__` does not take its `args`."""

    def __init__(self, code: int, *, customer: str) -> None:
        super().__init__(f"declined with {code}")
        self.code = code
        self.customer = customer


class RewordedError(Exception):
    """Its `__init__` takes its `args`, and makes other ones of them."""

    def __init__(self, amount: object) -> None:
        super().__init__(f"short of {amount}")


class ComputedError(Exception):
    def __str__(self) -> str:
        return f"{type(self).__name__} number {getattr(self, 'number', '?')}"


class StubbornError(Exception):
    def __new__(cls, *args: object) -> Self:
        if args != (object,):
            raise SystemExit
        return super().__new__(cls)

    def __str__(self) -> str:
        return "stubborn"


class HostileError(Exception):
    def __str__(self) -> NoReturn:
        raise SystemExit

    __repr__ = __str__

    def __reduce__(self) -> NoReturn:
        raise KeyboardInterrupt

    @property
    def args(self) -> NoReturn:  # type: ignore[override]
        raise RuntimeError

    @property
    def __cause__(self) -> NoReturn:  # type: ignore[override]
        raise RuntimeError

    @property
    def __notes__(self) -> NoReturn:  # type: ignore[override]
        raise RuntimeError

    @property
    def __dict__(self) -> NoReturn:  # type: ignore[override]
        raise RuntimeError


class HostileArgument:
    def __repr__(self) -> NoReturn:
        raise SystemExit

    __str__ = __repr__

    def __getattr__(self, name: str) -> NoReturn:
        raise RuntimeError


class UnreadableError(Exception):
    def __init__(self) -> None:
        self.words = 5

    def __str__(self) -> Any:
        return self.words


@dataclass(frozen=True)
class FrozenError(Exception):
    code: int


class OwnNotesError(Exception):
    __notes__ = ()  # type: ignore[assignment]


class Outer:
    class NestedError(ValueError):
        pass


class Quit(SystemExit):
    pass


def raised(error: BaseException, cause: BaseException | None = None) -> BaseException:
    try:
        raise error from cause  # noqa: TRY301 - it is to have a traceback
    except BaseException as caught:  # noqa: BLE001
        return caught


def sent(error: BaseException) -> Any:
    return decode_failure(encode_failure(error))


@pytest.mark.parametrize(
    "error",
    [
        ValueError(),
        ValueError("a", 1, None, [2.5], {"b": UUID(int=3)}),
        KeyError("missing"),
        KeyError((1, 2)),
        OSError(2, "No such file", "/tmp/x"),
        FileNotFoundError(2, "Gone"),
        UnicodeDecodeError("utf-8", b"\xff\x00", 0, 1, "invalid start byte"),
        JobNotFound("abc"),
        TreadleError("x"),
        DeclinedError(5, customer="c-1"),
        RewordedError(7),
        FrozenError(4),
        OwnNotesError("x"),
        Outer.NestedError("deep"),
        ValueError("\ud800 half"),
        ValueError(object),
        KeyError(object()),
        ValueError("x" * 60_000),
        json.JSONDecodeError("bad", "doc", 1),
    ],
    ids=lambda error: f"{type(error).__name__}-{str(error)[:30]!r}",
)
def test_an_exception_comes_back_as_its_class_with_the_same_text(error: Exception) -> None:
    came = sent(error)
    assert type(came) is type(error)
    if len(str(error)) < 10_000:
        assert str(came) == str(error)


def test_exceptions_that_take_their_args_have_them_again() -> None:
    assert sent(ValueError("a", [1], UUID(int=3))).args == ("a", [1], UUID(int=3))
    assert sent(OSError(2, "No such file", "f")).filename == "f"
    assert sent(JobNotFound("abc")).job_id == "abc"


def test_attributes_that_can_travel_come_back() -> None:
    error = DeclinedError(5, customer="c-1")
    error.connection = object()  # type: ignore[attr-defined]
    came = sent(error)
    assert (came.code, came.customer) == (5, "c-1")
    assert not hasattr(came, "connection")


def test_a_text_computed_from_attributes_is_the_same() -> None:
    error = ComputedError()
    error.number = 4  # type: ignore[attr-defined]
    assert str(sent(error)) == "ComputedError number 4"


@pytest.mark.parametrize(
    "error",
    [
        SystemExit(3),
        Quit(3),
        KeyboardInterrupt("k"),
        GeneratorExit("g"),
        asyncio.CancelledError("c"),
        StopIteration(1),
        StopAsyncIteration("s"),
        Retry("again"),
        Reject("no"),
        ExceptionGroup("several", [ValueError("a")]),
        StubbornError(object),
        type("Local", (Exception,), {})("nowhere"),
    ],
    ids=lambda error: type(error).__name__,
)
def test_what_would_steer_the_caller_or_cannot_be_made_comes_back_as_task_error(error: BaseException) -> None:
    came = sent(error)
    assert type(came) is TaskError
    assert str(came) == str(error)
    assert came.type_name.endswith(type(error).__qualname__)


def test_a_stand_in_that_travels_again_keeps_the_name_it_stands_for() -> None:
    assert sent(sent(KeyboardInterrupt())).type_name == "KeyboardInterrupt"


def test_the_workers_traceback_comes_along_as_attribute_and_note() -> None:
    came = sent(raised(ValueError("x")))
    assert came.remote_traceback.startswith("Traceback (most recent call last):")
    assert came.remote_traceback.endswith("ValueError: x\n")
    assert "in raised" in came.__notes__[-1]
    assert came.__traceback__ is None


def test_without_traceback_there_is_neither() -> None:
    came: Any = decode_failure(encode_failure(raised(ValueError("x")), with_traceback=False))
    assert came.remote_traceback == ""
    assert not hasattr(came, "__notes__")


def test_notes_come_back() -> None:
    error = ValueError("x")
    error.add_note("while counting")
    assert sent(error).__notes__[0] == "while counting"


def test_causes_come_back_as_a_chain() -> None:
    came = sent(raised(ValueError("top"), raised(KeyError("middle"), raised(DeclinedError(1, customer="c")))))
    assert isinstance(came.__cause__, KeyError)
    assert isinstance(came.__cause__.__cause__, DeclinedError)
    assert "DeclinedError" in came.remote_traceback
    assert "DeclinedError" not in describe_failure(encode_failure(raised(ValueError(1), KeyError()))).traceback


def test_an_exception_that_refuses_assignments_has_its_cause_and_traceback() -> None:
    came = sent(raised(FrozenError(4), raised(OwnNotesError("x"))))
    assert came == FrozenError(4)
    assert type(came.__cause__) is OwnNotesError
    assert "FrozenError" in came.remote_traceback


def test_a_circle_of_causes_ends() -> None:
    first, second = ValueError("first"), ValueError("second")
    first.__cause__, second.__cause__ = second, first
    came = sent(first)
    assert str(came.__cause__) == "second"
    assert came.__cause__.__cause__ is None


def test_a_long_chain_of_causes_is_cut() -> None:
    error: BaseException = ValueError(0)
    for number in range(100):
        error = raised(ValueError(number), error)
    depth, came = 0, sent(error)
    while came.__cause__ is not None:
        depth, came = depth + 1, came.__cause__
    assert depth == 8


@pytest.mark.parametrize(
    "error", [HostileError("x"), ValueError(HostileArgument()), UnreadableError()], ids=["class", "argument", "text"]
)
def test_exceptions_whose_own_code_fails_travel_all_the_same(error: Exception) -> None:
    content = encode_failure(raised(error))
    assert type(error).__name__ in describe_failure(content).type_name
    assert isinstance(decode_failure(content), Exception)


def test_what_travels_is_bounded_and_keeps_head_and_tail() -> None:
    error = raised(ValueError("<" + "x" * 10**6 + ">", *range(10**5)))
    error.add_note("n" * 10**6)
    error.state = "s" * 10**6  # type: ignore[attr-defined]
    content = encode_failure(raised(RuntimeError("y" * 10**6), error))
    assert len(content) < 400_000
    told = describe_failure(content)
    assert len(told.traceback) <= 64 * 1024
    assert told.traceback.startswith("Traceback")
    assert "characters left out" in told.traceback
    assert told.traceback.endswith("yyy\n")


def test_the_description_is_plain_and_imports_nothing() -> None:
    told = describe_failure(encode_failure(DeclinedError(5, customer="c"), with_traceback=False))
    assert told.type_name == f"{__name__}.DeclinedError"
    assert (told.message, told.args, told.traceback, told.cause, told.notes) == (
        "declined with 5",
        ["declined with 5"],
        "",
        None,
        [],
    )
    assert describe_failure(encode_failure(ValueError(UUID(int=1)))).args == [{"$uuid": str(UUID(int=1))}]
    assert describe_failure(encode_failure(ValueError(ValueError))).args == ["<class 'ValueError'>"]


@pytest.mark.parametrize(
    "content", [b"", b"garbage", b"[]", b"{}", b"null", b'{"type_name":1}', b"\xff" * 1000, b"[" * 100_000]
)
def test_garbage_gives_a_task_error_that_says_so(content: bytes) -> None:
    came = decode_failure(content)
    assert type(came) is TaskError
    assert "cannot be read" in str(came)
    assert isinstance(describe_failure(content), Failure)


@given(content=st.binary(max_size=100))
def test_no_bytes_at_all_make_decoding_raise(content: bytes) -> None:
    assert isinstance(decode_failure(content), BaseException)


@given(
    name=st.sampled_from(list(Failure._fields)), value=st.none() | st.integers() | st.lists(st.integers()) | st.text()
)
def test_no_change_of_a_record_makes_decoding_raise(name: str, value: Any) -> None:
    record = json.loads(encode_failure(raised(DeclinedError(1, customer="c"), KeyError(1))))
    record[name] = value
    assert isinstance(decode_failure(json.dumps(record).encode()), BaseException)


@pytest.mark.parametrize(
    "path", ["os:system", "builtins:print", "builtins:int", "no.such:Thing", "", "x", ":", "a:b:c"]
)
def test_only_exceptions_are_made(path: str) -> None:
    record = json.loads(encode_failure(ValueError("x")))
    record["class_path"] = path
    assert type(decode_failure(json.dumps(record).encode())) is TaskError


def test_arguments_whose_class_is_missing_here_do_not_keep_the_error_from_coming_back() -> None:
    record = json.loads(encode_failure(ValueError("x"), with_traceback=False))
    record["args"] = [{"$dataclass": ["no.such:Thing", {}]}]
    assert str(decode_failure(json.dumps(record).encode())) == "x"


def test_encoding_keeps_no_frame_alive() -> None:
    class Held:
        pass

    def fail() -> weakref.ref[Held]:
        held = Held()
        try:
            int("x")
        except ValueError as error:
            decode_failure(encode_failure(error))
        return weakref.ref(held)

    gc.disable()
    try:
        assert fail()() is None
    finally:
        gc.enable()
