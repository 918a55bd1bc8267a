"""Vectors as they are kept and compared."""

import random
from math import sqrt

import pytest

from tollhouse.services.caching.vectors import Vector, vector_of

KEYS = [f"{number:064x}" for number in range(300)]


def made(numbers: list[float]) -> Vector:
    vector = vector_of(numbers)
    assert vector is not None
    return vector


def cosine(one: list[float], other: list[float]) -> float:
    product = sum(a * b for a, b in zip(one, other, strict=True))
    return product / sqrt(sum(a * a for a in one) * sum(b * b for b in other))


def noise(source: random.Random, size: int) -> list[float]:
    return [source.gauss() for _ in range(size)]


@pytest.mark.parametrize("size", [8, 100, 1536])
def test_a_similarity_is_the_cosine_but_for_a_few_thousandths(size: int) -> None:
    source = random.Random(size)
    for _ in range(20):
        text = noise(source, size)
        other = [a + b * 0.3 for a, b in zip(text, noise(source, size), strict=True)]
        (found,) = made(text).neighbours(made(other).record(KEYS[0], 5.0), -1, 0)
        assert found.similarity == pytest.approx(cosine(text, other), abs=0.005)
        assert (found.key, found.made_at) == (KEYS[0], 5.0)


def test_the_same_text_is_as_similar_as_can_be() -> None:
    vector = made(noise(random.Random(1), 300))
    assert [one.similarity for one in vector.neighbours(vector.record(KEYS[0], 1.0), 1, 0)] == [1.0]


def test_among_hundreds_the_most_similar_are_found_in_their_order() -> None:
    source = random.Random(7)
    text = noise(source, 1536)
    near = {
        KEYS[number]: [a + b * spread for a, b in zip(text, noise(source, 1536), strict=True)]
        for number, spread in ((20, 0.3), (120, 0.1), (250, 0.2))
    }
    bucket = b"".join(
        made(near.get(key) or noise(source, 1536)).record(key, 1.0) for number, key in enumerate(KEYS[:256])
    )
    found = made(text).neighbours(bucket, 0.9, 0)
    assert [one.key for one in found] == [KEYS[120], KEYS[250], KEYS[20]]


def test_those_below_the_bound_or_from_before_are_none() -> None:
    text = made([1.0, 1.0, 1.0, 0.0])
    bucket = made([1.0, 1.0, 1.0, 1.0]).record(KEYS[0], 10.0) + made([1.0, 1.0, 1.0, 0.1]).record(KEYS[1], 20.0)
    assert [one.key for one in text.neighbours(bucket, 0.9, 0)] == [KEYS[1]]
    assert [one.key for one in text.neighbours(bucket, 0.8, 0)] == [KEYS[1], KEYS[0]]
    assert [one.key for one in text.neighbours(bucket, 0.8, 15)] == [KEYS[1]]


def test_one_that_was_asked_twice_is_found_once() -> None:
    text = made([1.0, 2.0])
    bucket = text.record(KEYS[0], 1.0) + text.record(KEYS[0], 2.0)
    assert len(text.neighbours(bucket, 0.9, 0)) == 1


def test_vectors_of_another_size_are_not_compared() -> None:
    assert made([1.0, 2.0, 3.0]).neighbours(made([1.0] * 20).record(KEYS[0], 1.0), 0.1, 0) == []


@pytest.mark.parametrize("numbers", [[], [0.0, 0.0], [1.0, float("nan")], [float("inf"), 1.0], [1.0] * 8193])
def test_what_points_nowhere_is_no_vector(numbers: list[float]) -> None:
    assert vector_of(numbers) is None
