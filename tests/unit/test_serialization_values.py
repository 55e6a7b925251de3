"""What every serializer promises about values: they come back, or the error says where and why not."""

from __future__ import annotations

import contextlib
import enum
import functools
import math
import sys
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, time, timedelta, timezone
from decimal import Decimal
from typing import Any, NamedTuple
from uuid import UUID
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from treadle.exceptions import SerializationError
from treadle.interfaces import Serializer
from treadle.serialization import JsonSerializer, MsgpackSerializer, UnserializableError, YamlSerializer
from treadle.serialization.plain import MAX_DEPTH


@dataclass(frozen=True)
class Item:
    sku: str
    tags: tuple[Any, ...] = ()
    extra: Any = None


@dataclass
class Basket:
    items: list[Any]
    total: Decimal = field(init=False, default=Decimal(0))
    visits: int = 0

    def __post_init__(self) -> None:
        self.visits += 1


@dataclass(slots=True)
class Bare:
    given: int
    later: int = field(init=False)


class Colour(enum.Enum):
    RED = "red"


class Level(enum.IntEnum):
    HIGH = 3


class Mode(enum.StrEnum):
    FAST = "fast"


class OldMode(str, enum.Enum):  # noqa: UP042 - what a StrEnum is not
    FAST = "fast"


class Pair(NamedTuple):
    left: int
    right: int


MAKERS: list[Callable[[], Serializer]] = [JsonSerializer, MsgpackSerializer, YamlSerializer]
ZONES = ["Europe/Paris", "UTC", "America/St_Johns", "Africa/Monrovia", "Australia/Lord_Howe"]


@pytest.fixture(params=MAKERS, ids=lambda make: make.name)
def serializer(request: pytest.FixtureRequest) -> Serializer:
    made: Serializer = request.param()
    return made


@pytest.fixture(params=[JsonSerializer, MsgpackSerializer], ids=lambda make: make.name)
def fast_serializer(request: pytest.FixtureRequest) -> Serializer:
    """Those that are quick enough for many examples."""
    made: Serializer = request.param()
    return made


def sent(serializer: Serializer, value: Any) -> Any:
    return serializer.loads(serializer.dumps(value))


texts = st.text(st.characters())
zones = st.none() | st.sampled_from([UTC, timezone(timedelta(hours=-3, minutes=-30, seconds=7)), *map(ZoneInfo, ZONES)])
hashables = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | texts
    | st.binary()
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.decimals(allow_nan=False)
    | st.uuids()
    | st.dates()
    | st.datetimes(timezones=zones)
    | st.times(timezones=zones)
    | st.timedeltas(),
    lambda inner: (
        st.frozensets(inner, max_size=3)
        | st.tuples(inner, inner).map(lambda pair: Item("a", pair))
        | st.builds(Item, texts, st.tuples(inner), inner)
    ),
    max_leaves=6,
)
values = st.recursive(
    hashables,
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(texts | st.sampled_from(["$uuid", "$dict", "$", "$x"]), inner, max_size=3)
        | st.sets(hashables, max_size=3)
        | st.builds(Basket, st.lists(inner, max_size=2))
    ),
    max_leaves=12,
)


@given(value=values)
@pytest.mark.parametrize("make", [JsonSerializer, MsgpackSerializer], ids=lambda make: make.name)
def test_every_value_that_may_travel_comes_back_equal_and_of_the_same_type(
    make: Callable[[], Serializer], value: Any
) -> None:
    came = sent(make(), value)
    assert came == value
    assert type(came) is type(value)


@given(value=values)
def test_yaml_brings_back_the_same_values(value: Any) -> None:
    assert sent(YamlSerializer(), value) == value


@given(content=st.binary(max_size=60))
@pytest.mark.parametrize("make", MAKERS, ids=lambda make: make.name)
def test_reading_random_bytes_gives_a_value_or_a_serialization_error(
    make: Callable[[], Serializer], content: bytes
) -> None:
    with contextlib.suppress(SerializationError):
        make().loads(content)


@given(value=values, at=st.integers(0, 200), byte=st.integers(0, 255))
@pytest.mark.parametrize("make", [JsonSerializer, MsgpackSerializer], ids=lambda make: make.name)
def test_reading_damaged_content_raises_nothing_but_serialization_errors(
    make: Callable[[], Serializer], value: Any, at: int, byte: int
) -> None:
    content = bytearray(make().dumps(value))
    content[at % len(content)] = byte
    with contextlib.suppress(SerializationError):
        make().loads(bytes(content))


def test_a_datetime_keeps_its_named_zone(serializer: Serializer) -> None:
    came = sent(serializer, datetime(2024, 7, 1, 12, tzinfo=ZoneInfo("Europe/Paris")))
    assert came.tzinfo == ZoneInfo("Europe/Paris")


@pytest.mark.parametrize("fold", [0, 1])
def test_a_datetime_in_the_hour_that_occurs_twice_keeps_its_side(serializer: Serializer, fold: int) -> None:
    moment = datetime(2024, 10, 27, 2, 30, tzinfo=ZoneInfo("Europe/Paris"), fold=fold)
    assert sent(serializer, moment).utcoffset() == moment.utcoffset()


def test_a_zone_that_is_not_known_here_leaves_the_instant_right() -> None:
    came = JsonSerializer().loads(b'{"$datetime":"2024-07-01T12:00:00+02:00[Atlantis/Poseidonis]"}')
    assert came == datetime(2024, 7, 1, 10, tzinfo=UTC)


def test_a_zone_whose_rules_have_changed_leaves_the_instant_right() -> None:
    came = JsonSerializer().loads(b'{"$datetime":"2024-07-01T12:00:00+05:00[Europe/Paris]"}')
    assert came == datetime(2024, 7, 1, 7, tzinfo=UTC)
    assert came.tzinfo == ZoneInfo("Europe/Paris")


def test_tuples_travel_as_lists(serializer: Serializer) -> None:
    assert sent(serializer, (1, (2, 3), {"a": (4,)})) == [1, [2, 3], {"a": [4]}]
    assert sent(serializer, Pair(1, 2)) == [1, 2]


def test_within_sets_and_dataclasses_tuples_stay_tuples(serializer: Serializer) -> None:
    assert sent(serializer, {(1, (2,))}) == {(1, (2,))}
    assert sent(serializer, [Item("a", (1, (2,)))]) == [Item("a", (1, (2,)))]


def test_a_dataclass_comes_back_with_the_state_it_had(serializer: Serializer) -> None:
    basket = Basket([Item("a", extra={"at": date(2024, 2, 29)})])
    basket.total = Decimal("9.90")
    came = sent(serializer, {"basket": basket})["basket"]
    assert came == basket
    assert came.visits == 1


@pytest.mark.parametrize("number", [2**63, -(2**64), 10**30])
def test_integers_beyond_64_bits_come_back(serializer: Serializer, number: int) -> None:
    assert sent(serializer, {"n": [number, 1.5]}) == {"n": [number, 1.5]}


def test_integers_of_more_digits_than_python_prints_come_back(serializer: Serializer) -> None:
    assert sent(serializer, [1 << 20_000]) == [1 << 20_000]


def test_half_of_a_surrogate_pair_comes_back(serializer: Serializer) -> None:
    assert sent(serializer, {"\ud800": "a\udfffb"}) == {"\ud800": "a\udfffb"}


def test_subclasses_of_plain_types_travel_as_plain_values(serializer: Serializer) -> None:
    class Name(str):
        __slots__ = ()

    class Metres(float):
        pass

    class Options(dict[str, Any]):
        pass

    came = sent(serializer, [Name("x"), Metres(1.5), Options(a=1), Level.HIGH, Mode.FAST, {Mode.FAST: 1}])
    assert came == ["x", 1.5, {"a": 1}, 3, "fast", {"fast": 1}]
    assert [type(item) for item in came] == [str, float, dict, int, str, dict]


@pytest.mark.parametrize(
    "mapping",
    [{"$uuid": "x"}, {"$": 1}, {"$dict": [["a", 1]]}, {"$uuid": {"$date": 1}}, {"$set": [1], "b": 2}, {"a$": "$x"}],
)
def test_dicts_that_look_like_marks_come_back_as_dicts(serializer: Serializer, mapping: dict[str, Any]) -> None:
    assert sent(serializer, [mapping, date(2024, 1, 1)]) == [mapping, date(2024, 1, 1)]


@dataclass
class LikeRow:
    pk: int
    _meta: object = None


class Mapped:
    _sa_instance_state = object()


class Model:
    def model_dump(self) -> None: ...


class Thorny:
    def __getattr__(self, name: str) -> Any:
        raise RuntimeError(name)

    def __repr__(self) -> str:
        raise RuntimeError


@pytest.mark.parametrize(
    ("value", "path", "advice"),
    [
        ([{"a": [object()]}], 'value[0]["a"][0] ', "cannot travel"),
        ({"x": Basket([1, 2, {"user": LikeRow(1)}])}, 'value["x"].items[2]["user"] ', "primary key"),
        ([Mapped()], "value[0] ", "primary key"),
        ([Colour.RED], "value[0] ", "pass its value"),
        ([OldMode.FAST], "value[0] ", "pass its value"),
        ([Model()], "value[0] ", "model_dump"),
        ([iter([])], "value[0] ", "pass a list"),
        ([Colour], "value[0] is the class Colour", "cannot travel"),
        ([Thorny()], "value[0] is of type Thorny", "cannot travel"),
        ([{"a": {1: 2}}], 'value[0]["a"] has the key 1 (int)', "only str"),
        ([{Thorny(): 2}], "value[0] has the key ", "(Thorny)"),
        ([{OldMode.FAST: 1}], "value[0] has the key ", "only str"),
        ({1, Colour.RED}, "value{…} ", "pass its value"),
        ([Bare(1)], "value[0].later ", "never given a value"),
        (functools.partial(print), "value is of type partial", "cannot travel"),
        ({"q" * 100: object()}, 'value["' + "q" * 60 + '…"]', "cannot travel"),
    ],
)
def test_what_cannot_travel_is_named_with_its_path_and_what_to_do(
    serializer: Serializer, value: Any, path: str, advice: str
) -> None:
    with pytest.raises(UnserializableError) as caught:
        serializer.dumps(value)
    assert str(caught.value).startswith(path)
    assert advice in str(caught.value)


@pytest.mark.parametrize("number", [math.nan, math.inf, -math.inf])
@pytest.mark.parametrize("make", [JsonSerializer, YamlSerializer])
def test_numbers_that_json_does_not_have_are_refused(make: Callable[[], Serializer], number: float) -> None:
    with pytest.raises(SerializationError, match=r'value\[1\]\["n"\] is (nan|-?inf), which JSON does not have'):
        make().dumps(["x", {"n": number}])


def test_msgpack_has_infinities() -> None:
    assert sent(MsgpackSerializer(), [math.inf]) == [math.inf]


@pytest.mark.parametrize("constant", [b"NaN", b"[Infinity]", b'{"$set":[-Infinity]}'])
def test_json_of_other_writers_may_not_hold_such_numbers(constant: bytes) -> None:
    with pytest.raises(SerializationError, match="is not a JSON value"):
        JsonSerializer().loads(constant)


def test_json_of_other_writers_may_have_white_space() -> None:
    assert JsonSerializer().loads(b'[ 1, {"a": { "$uuid" : "00000000-0000-0000-0000-000000000001" } } ]\n') == [
        1,
        {"a": UUID(int=1)},
    ]


def test_a_circle_is_refused_at_the_place_where_it_closes(serializer: Serializer) -> None:
    inner: dict[str, Any] = {}
    inner["up"] = [inner]
    with pytest.raises(UnserializableError, match=r'^value\[0\]\["up"\]\[0\] is a circular reference'):
        serializer.dumps([inner])


def test_a_circle_that_branches_is_refused_soon(serializer: Serializer) -> None:
    circle: list[Any] = []
    circle += [circle] * 1000
    with pytest.raises(UnserializableError, match="circular"):
        serializer.dumps(circle)


@pytest.mark.parametrize(
    "wrap", [lambda v: [v], lambda v: {"a": v}, lambda v: Item("a", extra=v)], ids=["list", "dict", "dataclass"]
)
def test_values_nested_too_deeply_are_refused_and_others_can_be_read_again(
    serializer: Serializer, wrap: Callable[[Any], Any]
) -> None:
    value: Any = 1
    for _ in range(MAX_DEPTH):
        value = wrap(value)
    assert sent(serializer, value) == value
    for _ in range(5000):
        value = [value]
    with pytest.raises(UnserializableError, match="nested deeper than 100 levels"):
        serializer.dumps(value)


@pytest.mark.parametrize("content", [b"[" * 100_000, b"\x91" * 100_000, b"- " * 5000, b"{" * 5000])
def test_content_nested_too_deeply_is_a_serialization_error(serializer: Serializer, content: bytes) -> None:
    with pytest.raises(SerializationError):
        serializer.loads(content)


def test_a_dataclass_that_no_other_process_can_find_is_refused(serializer: Serializer) -> None:
    @dataclass
    class Local:
        a: int

    with pytest.raises(SerializationError, match=r"value\[0\] is a dataclass that is not found as .*<locals>"):
        serializer.dumps([Local(1)])


@pytest.mark.parametrize(
    ("path", "fields"),
    [
        ("no.such.module:Thing", "{}"),
        ("builtins:int", "{}"),
        ("os:system", '{"command":"exit"}'),
        ("subprocess:Popen", '{"args":["true"]}'),
        ("not a module", "{}"),
        (".relative:Thing", "{}"),
        (f"{__name__}:Item", '{"sku":"a","colour":1}'),
        (f"{__name__}:Item", "{}"),
        (f"{__name__}:Item", "[]"),
    ],
)
def test_only_dataclasses_are_made_and_only_with_their_own_fields(path: str, fields: str) -> None:
    with pytest.raises(SerializationError):
        JsonSerializer().loads(f'{{"$dataclass":["{path}",{fields}]}}'.encode())


def test_fields_that_are_newer_than_the_content_get_their_defaults() -> None:
    content = f'{{"$dataclass":["{__name__}:Item",{{"sku":"a"}}]}}'.encode()
    assert JsonSerializer().loads(content) == Item("a")


@pytest.mark.parametrize(
    "content",
    [
        b'{"$unheard":1}',
        b'{"$uuid":"x"}',
        b'{"$set":[[]]}',
        b'{"$timedelta":"abc"}',
        b'{"$decimal":"1x"}',
        b'{"$dict":3}',
    ],
)
def test_marks_that_are_unknown_or_wrong_are_serialization_errors(content: bytes) -> None:
    with pytest.raises(SerializationError, match="marked as"):
        JsonSerializer().loads(content)


def test_a_timezone_that_raises_is_told_with_the_path(serializer: Serializer) -> None:
    from datetime import tzinfo

    with pytest.raises(SerializationError, match=r"value\[0\] cannot be written as datetime: NotImplementedError"):
        serializer.dumps([datetime(2024, 1, 1, tzinfo=tzinfo())])  # type: ignore[abstract]


def test_yaml_aliases_are_refused() -> None:
    with pytest.raises(SerializationError, match="aliases"):
        YamlSerializer().loads(b"a: &x [1]\nb: [*x, *x]")
    shared = [1]
    assert sent(YamlSerializer(), [shared, shared]) == [[1], [1]]


def test_yaml_constructs_no_python_objects() -> None:
    with pytest.raises(SerializationError):
        YamlSerializer().loads(b"!!python/object/apply:os.system ['true']")


def test_a_small_call_crosses_few_python_functions(fast_serializer: Serializer) -> None:
    content = fast_serializer.dumps(([1, "a"], {}))
    assert (
        python_calls(lambda: fast_serializer.dumps(([1, "a"], {}))) <= {"json": 2, "msgpack": 4}[fast_serializer.name]
    )
    assert python_calls(lambda: fast_serializer.loads(content)) <= {"json": 1, "msgpack": 2}[fast_serializer.name]


def python_calls(function: Callable[[], object]) -> int:
    calls = 0

    def count(_frame: object, event: str, _arg: object) -> None:
        nonlocal calls
        calls += event == "call"

    sys.setprofile(count)
    try:
        function()
    finally:
        sys.setprofile(None)
    return calls - 1


def test_a_time_in_a_zone_keeps_it(serializer: Serializer) -> None:
    assert sent(serializer, time(1, 2, tzinfo=ZoneInfo("Europe/Paris"))).tzinfo == ZoneInfo("Europe/Paris")
