"""Settings behind a TLS-terminating proxy."""

from config import env
from config.settings._databases import databases
from config.settings.base import *  # noqa: F403

DATABASES = databases(pooled=True)
SCHEME = "https"
PUBLIC_PORT = env.number("ALMANAC_PUBLIC_PORT", 443)
PUBLIC_URL = env.public_url(SCHEME, BASE_DOMAIN, PUBLIC_PORT)  # noqa: F405
SECURE_PROXY_SSL_HEADER = ("HTTP_X_FORWARDED_PROTO", "https")
SECURE_SSL_REDIRECT = True
SECURE_REDIRECT_EXEMPT = [r"^livez$", r"^readyz$"]
SECURE_HSTS_SECONDS = 365 * 24 * 3600
SECURE_HSTS_INCLUDE_SUBDOMAINS = True
SESSION_COOKIE_SECURE = True
SESSION_COOKIE_NAME = "__Host-sessionid"
CSRF_COOKIE_SECURE = True
CSRF_COOKIE_NAME = "__Host-csrftoken"
