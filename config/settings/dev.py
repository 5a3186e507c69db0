"""Settings of ``make up``: production's behaviour on one's own machine, over plain HTTP."""

from config import env
from config.settings._databases import databases
from config.settings.base import *  # noqa: F403

DATABASES = databases(pooled=env.flag("ALMANAC_POOL"))
