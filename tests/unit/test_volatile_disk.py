"""The simulated disk loses at a power cut what a real disk may lose."""

import random

import pytest
from shared.strace import Names, Sync, Truncate, Write
from shared.volatile_disk import Disk


def left(contents, *operations):
    """The different outcomes of many power cuts."""
    disk = Disk(contents)
    for operation in operations:
        disk.do(operation)
    dice = random.Random(1)
    return {tuple(sorted(disk.after_power_cut(dice).items())) for _ in range(1000)}


def left_in_file(content, *operations):
    return {dict(files)["a"] for files in left({"a": content}, *operations)}


def test_what_is_synchronised_stays():
    assert left_in_file(b"old", Write(0, 0, b"new"), Sync(0)) == {b"new"}


def test_a_small_write_is_there_or_not():
    assert left_in_file(b"old", Write(0, 0, b"new")) == {b"old", b"new"}


def test_writes_are_kept_in_any_order():
    writes = (Write(0, 0, b"1"), Write(0, 1, b"2"))
    assert left_in_file(b"--", *writes) == {b"--", b"1-", b"-2", b"12"}


def test_a_write_is_torn_at_sectors():
    zeros, ones = bytes(512), b"1" * 512
    assert left_in_file(b"", Write(0, 0, ones + ones)) == {
        b"",
        *(zeros + zeros, zeros + ones, ones + zeros, ones + ones),
    }


def test_sectors_are_the_files_not_the_writes():
    torn = left_in_file(b"-" * 1024, Write(0, 256, b"1" * 512))
    assert b"-" * 512 + b"1" * 256 + b"-" * 256 in torn


def test_a_truncation_is_there_or_not():
    assert left_in_file(b"old", Truncate(0, 1)) == {b"old", b"o"}


def test_a_new_file_is_there_or_not():
    assert left({}, Names({"a": 0})) == {(), (("a", b""),)}


@pytest.mark.parametrize("sync", [Sync(0), Sync(None)])
def test_the_file_or_its_folder_saves_its_name(sync):
    assert left({}, Names({"a": 0}), sync) == {(("a", b""),)}


def test_a_deleted_file_may_be_back_until_the_folder_is_synchronised():
    deleted = Names({"a": None})
    assert left({"a": b""}, deleted) == {(), (("a", b""),)}
    assert left({"a": b""}, deleted, Sync(None)) == {()}


def test_another_file_saves_no_name():
    made = (Names({"a": 0}), Names({"b": 1}), Sync(1))
    assert left({}, *made) == {(("b", b""),), (("a", b""), ("b", b""))}


def test_a_renamed_file_has_one_name():
    renamed = Names({"a": None, "b": 0})
    assert left({"a": b""}, renamed) == {(("a", b""),), (("b", b""),)}
