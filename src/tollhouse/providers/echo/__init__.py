"""The provider that ships in the package: says what it was told, without a network or a key.

For tests, demonstrations and load. The same body gets the same bytes back.
"""

from tollhouse.providers.base import Preset

PRESET = Preset(
    name="echo",
    paths={"chat": "", "messages": "", "embeddings": ""},
    models_path="",
    default_base_url="echo:",
)
