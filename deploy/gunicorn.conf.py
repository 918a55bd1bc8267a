"""For those who run gunicorn themselves: `gunicorn -c deploy/gunicorn.conf.py`. The same as `tollhouse web`."""

from tollhouse.web.gunicorn_config import *  # noqa: F403
