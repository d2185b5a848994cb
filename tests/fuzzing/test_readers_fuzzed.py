"""A short run of the readers' fuzzer, with the same files each time; `scripts/fuzz readers` runs it for long."""

from random import Random

import pytest

from tests.fuzzing.fuzz_readers import GOOD, Good, fuzz, in_package

FILES = 400
PACKAGES = 120  # they take longer


@pytest.mark.parametrize("good", GOOD, ids=lambda good: f"{good.reader}{'-' * bool(good.options)}")
def test_a_changed_file_is_read_or_told(good: Good) -> None:
    random = Random(f"{good.reader} {sorted(good.options)}")
    for number in range(PACKAGES if good.change is in_package else FILES):
        _, faults = fuzz(good, random)
        assert not faults, f"file {number}"
