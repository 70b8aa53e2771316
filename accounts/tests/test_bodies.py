"""Test the reading of bodies: strict, and never slow."""

import time

import pytest

from accounts.bodies import decode_json
from accounts.errors import DomainError


@pytest.mark.parametrize("text", ['{"a": 1, "b": 2, "a": 3}', '{"orders": [{"a": 1, "a": 1}]}'])
def test_name_that_occurs_twice_is_refused_by_name(text):
    with pytest.raises(DomainError, match="the name 'a' occurs twice"):
        decode_json(text.encode())


def test_repeated_name_among_very_many_is_found_in_no_time():
    names = [f"{number:x}" for number in range(50_000)]
    text = "{" + ",".join(f'"{name}":1' for name in [*names, "z", "z"]) + "}"
    began = time.process_time()
    with pytest.raises(DomainError, match="the name 'z' occurs twice"):
        decode_json(text.encode())
    assert time.process_time() - began < 1
