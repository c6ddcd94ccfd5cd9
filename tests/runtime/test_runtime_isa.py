import os
import platform
import re
from pathlib import Path

import pytest

from smelt.runtime.isa import cores, cpu_name, isa, peak_rss_bytes


def test_the_isa_begins_with_the_architecture():
    assert isa().split()[0] == platform.machine()


@pytest.mark.skipif(not Path("/proc/cpuinfo").is_file(), reason="the system has no /proc/cpuinfo")
def test_every_flag_of_the_isa_is_one_of_the_processor():
    words = re.split(r"\s+", Path("/proc/cpuinfo").read_text(encoding="utf-8", errors="replace"))
    assert set(isa().split()[1:]) <= set(words)


def test_the_isa_has_no_flag_twice():
    assert len(set(isa().split())) == len(isa().split())


def test_the_processor_has_a_name():
    assert cpu_name()


def test_there_are_as_many_cores_as_this_process_may_use():
    assert 1 <= cores() <= os.cpu_count()


@pytest.mark.skipif(not Path("/proc/self/status").is_file(), reason="the system has no /proc/self/status")
def test_the_most_memory_is_more_than_a_megabyte():
    assert peak_rss_bytes() > 1 << 20
