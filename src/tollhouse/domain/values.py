"""How values are declared of which each call makes some."""

from dataclasses import dataclass, field
from typing import TypeVar, dataclass_transform

T = TypeVar("T")


@dataclass_transform(frozen_default=True, field_specifiers=(field,))
def value(cls: type[T]) -> type[T]:
    """A frozen dataclass to the type checker, which every line goes through; at run time it is not kept from being
    changed, and is made in a third of the time: a frozen one sets each field by a call of its own.

    For what a call makes, and hands on; other values are frozen dataclasses. With `__slots__`, compared and hashed by
    its fields.
    """
    return dataclass(slots=True, unsafe_hash=True)(cls)
