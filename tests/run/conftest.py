"""Disks that fail."""

import pytest

from smelt.run.disk import Disk


class Crash(BaseException):
    """The machine stops. Nothing of ours catches it, as nothing catches a power cut."""


class FailingDisk:
    """A disk whose n-th operation fails, counted from 0. A write that fails has written half of its bytes."""

    def __init__(self, at, error):
        self.real, self.at, self.error, self.count = Disk(), at, error, 0

    def _step(self):
        self.count += 1
        if self.count > self.at:
            raise self.error

    def write(self, path, data):
        if self.count == self.at:
            self.real.write(path, data[: len(data) // 2])
        self._step()
        self.real.write(path, data)

    def sync(self, path):
        self._step()
        self.real.sync(path)

    def rename(self, source, target):
        self._step()
        self.real.rename(source, target)


@pytest.fixture
def crash():
    return Crash


@pytest.fixture
def failing_disk():
    return FailingDisk


@pytest.fixture
def every_crash():
    """Yields disks that crash at the first operation, at the second, and so on, until the work gets through on one."""

    def disks(limit=60):
        for at in range(limit):
            disk = FailingDisk(at, Crash())
            yield disk
            if disk.count <= at:
                assert at > 0, "the work did not use the disk"
                return
        raise AssertionError("the work never gets through")

    return disks
