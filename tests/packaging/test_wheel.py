"""What is shipped: the wheel holds every room and nothing else, and the sdist builds the same wheel."""

from __future__ import annotations

import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
SOURCE_ROOTS = ("core", "integrations", "contrib")


def build(kind: str, source: Path, into: Path) -> Path:
    """Build `source` as a `wheel` or an `sdist`; answers the file."""
    command = [sys.executable, "-m", "hatchling", "build", "--target", kind, "--directory", str(into)]
    built = subprocess.run(command, cwd=source, capture_output=True, text=True, check=False)
    assert built.returncode == 0, built.stderr
    (archive,) = into.iterdir()
    return archive


def names_in(wheel: Path) -> set[str]:
    """The paths of the files in a wheel, without its metadata folder."""
    with zipfile.ZipFile(wheel) as archive:
        return {name for name in archive.namelist() if ".dist-info/" not in name}


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return build("wheel", ROOT, tmp_path_factory.mktemp("wheel"))


def rooms_on_disk() -> set[str]:
    return {package.parent.name for root in SOURCE_ROOTS for package in (ROOT / root).glob("*/__init__.py")}


def files_on_disk() -> set[str]:
    """Every file of every room, as its path below the source root; caches aside."""
    found: set[str] = set()
    for root in SOURCE_ROOTS:
        for package in (ROOT / root).glob("*/__init__.py"):
            files = (path for path in package.parent.rglob("*") if path.is_file() and "__pycache__" not in path.parts)
            found.update(path.relative_to(ROOT / root).as_posix() for path in files)
    return found


def test_the_wheel_holds_exactly_the_rooms_that_exist(wheel: Path) -> None:
    assert {name.split("/")[0] for name in names_in(wheel)} == rooms_on_disk()


def test_the_wheel_holds_every_file_of_every_room_scripts_and_type_marks_among_them(wheel: Path) -> None:
    assert names_in(wheel) == files_on_disk()


def test_every_room_says_that_it_is_typed() -> None:
    assert {f"{room}/py.typed" for room in rooms_on_disk()} <= files_on_disk()


def test_no_source_root_is_a_package_itself() -> None:
    # With an __init__.py there, `import core.treadle` would give a second copy of every class.
    assert [root for root in SOURCE_ROOTS if (ROOT / root / "__init__.py").exists()] == []


def test_the_wheel_carries_the_licence_and_the_command(wheel: Path) -> None:
    with zipfile.ZipFile(wheel) as archive:
        names = [name for name in archive.namelist() if ".dist-info/" in name]
        metadata = {Path(name).name: archive.read(name).decode() for name in names}
    assert "MIT License" in metadata["LICENSE"]
    assert "treadle = treadle.cli.main:main" in metadata["entry_points.txt"]


def test_the_sdist_builds_the_same_wheel(wheel: Path, tmp_path: Path) -> None:
    sdist = build("sdist", ROOT, tmp_path / "sdist")
    (tmp_path / "unpacked").mkdir()
    subprocess.run(["tar", "--extract", f"--file={sdist}", f"--directory={tmp_path / 'unpacked'}"], check=True)
    (unpacked,) = (tmp_path / "unpacked").iterdir()
    assert names_in(build("wheel", unpacked, tmp_path / "wheel")) == names_in(wheel)
