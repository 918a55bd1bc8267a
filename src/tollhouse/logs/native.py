"""What gevent may have put its own in place of."""

import importlib
import sys
from typing import Any


def native(module: str, name: str) -> Any:
    """As the standard library has it: for threads that are none of gevent's greenlets."""
    if "gevent.monkey" in sys.modules:
        from gevent.monkey import get_original

        return get_original(module, name)
    return getattr(importlib.import_module(module), name)
