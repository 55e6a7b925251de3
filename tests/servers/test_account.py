"""Servers that refuse root run as somebody else, in a place of their own."""

from __future__ import annotations

import os
import pwd
from pathlib import Path

import pytest

from tests.servers.account import Account

OURSELVES = Account()
NOBODY = Account("nobody")

needs_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root can run something as somebody else")


class Owner:
    """Whatever needs the place."""


def test_our_own_servers_stay_in_the_directory_they_were_given(tmp_path: Path) -> None:
    assert OURSELVES.home(tmp_path, Owner()) == tmp_path


def test_a_command_that_fails_says_why(tmp_path: Path) -> None:
    with pytest.raises(RuntimeError, match=r"exit code 3; it said:\nno room"):
        OURSELVES.run(["sh", "-c", "echo no room; exit 3"], cwd=tmp_path)


@needs_root
def test_another_account_can_write_to_its_home_which_goes_with_its_owner(tmp_path: Path) -> None:
    owner = Owner()
    home = NOBODY.home(tmp_path, owner)
    NOBODY.run(["sh", "-c", "id -un > me"], cwd=home)
    assert (home / "me").read_text() == "nobody\n"
    assert (home / "me").stat().st_uid == pwd.getpwnam("nobody").pw_uid
    del owner
    assert not home.exists()


@needs_root
def test_another_account_has_none_of_our_groups(tmp_path: Path) -> None:
    owner = Owner()
    home = NOBODY.home(tmp_path, owner)
    NOBODY.run(["sh", "-c", "id -G > groups"], cwd=home)
    assert (home / "groups").read_text().split() == [str(pwd.getpwnam("nobody").pw_gid)]
