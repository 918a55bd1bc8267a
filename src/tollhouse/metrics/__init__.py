"""Every metric, declared once, in the file of its noun; used as `metrics.NAME`.

Labels are bounded: models, providers and formats are those of the catalogue, and no key, user or request
is ever a label. What OpenTelemetry's GenAI conventions have a name for has that name.
"""

from tollhouse.metrics.calls import *
from tollhouse.metrics.ledger import *
from tollhouse.metrics.limits import *
from tollhouse.metrics.money import *
from tollhouse.metrics.process import *
from tollhouse.metrics.providers import *
from tollhouse.metrics.registry import CONTENT_TYPE, REGISTRY, count_as, forget_process, highest, render
from tollhouse.metrics.work import *

__all__ = ["CONTENT_TYPE", "REGISTRY", "count_as", "forget_process", "highest", "render"]
