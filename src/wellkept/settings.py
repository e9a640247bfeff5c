"""Django settings. Everything that differs between installations comes from the home folder and a few environment variables."""

import os
from pathlib import Path

from django.core.exceptions import ImproperlyConfigured

from wellkept import home as _home
from wellkept.lib import crypt as _crypt
from wellkept.lib.urls import parse_postgresql_url as _parse_postgresql_url

PACKAGE = Path(__file__).parent
HOME = _home.current()
_config = HOME.config()

if not HOME.key_file.exists():
    raise ImproperlyConfigured(f"{HOME.path} is not set up; run: wellkept init")


def _folders(variable: str, usual: str) -> list[str]:
    return [folder.strip() for folder in os.environ.get(variable, "").split(",") if folder.strip()] or [str(HOME.path / usual)]


MASTER_KEYS = _crypt.read_keys(HOME.key_file)
SECRET_KEY = _crypt.derive(MASTER_KEYS[0], "django secret key")
SECRET_KEY_FALLBACKS = [_crypt.derive(key, "django secret key") for key in MASTER_KEYS[1:]]
DEBUG = False
ALLOWED_HOSTS = os.environ.get("WELLKEPT_ALLOWED_HOSTS", "localhost,127.0.0.1,[::1]").split(",")
CSRF_TRUSTED_ORIGINS = [origin for origin in os.environ.get("WELLKEPT_TRUSTED_ORIGINS", "").split(",") if origin]
RESTORE_FOLDERS = _folders("WELLKEPT_RESTORE_FOLDERS", "restored")
REPOSITORY_FOLDERS = _folders("WELLKEPT_REPOSITORY_FOLDERS", "repositories")
MODULE_UPLOADS = {"0": False, "1": True}.get(os.environ.get("WELLKEPT_MODULE_UPLOADS", ""))
SECURE_COOKIES = os.environ.get("WELLKEPT_HTTPS", "") == "1"

INSTALLED_APPS = [
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.sessions",
    "django.contrib.messages",
    "django.contrib.staticfiles",
    "django.contrib.postgres",
    "pgtrigger",
    "django_linear_migrations",
    "allauth",
    "allauth.account",
    "allauth.mfa",
    "django_htmx",
    "django_filters",
    "django_tables2",
    "django.forms",
    "ninja",
    "wellkept",
]
FORM_RENDERER = "wellkept.web.forms.Renderer"
MIDDLEWARE = [
    "django.middleware.security.SecurityMiddleware",
    "wellkept.web.static_files.StaticFiles",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.locale.LocaleMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
    "allauth.account.middleware.AccountMiddleware",
    "django_htmx.middleware.HtmxMiddleware",
    "wellkept.web.middleware.Preferences",
    "wellkept.web.middleware.ContentSecurityPolicy",
]
FILE_UPLOAD_HANDLERS = ["django.core.files.uploadhandler.MemoryFileUploadHandler", "wellkept.web.uploads.Nameless"]
ROOT_URLCONF = "wellkept.urls"
ASGI_APPLICATION = "wellkept.asgi.application"
TEMPLATES = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "DIRS": [PACKAGE / "web" / "templates"],
        "APP_DIRS": True,
        "OPTIONS": {
            "context_processors": [
                "django.template.context_processors.request",
                "django.contrib.auth.context_processors.auth",
                "django.contrib.messages.context_processors.messages",
                "django.template.context_processors.i18n",
                "wellkept.web.shell.context",
            ],
            "builtins": ["django.templatetags.i18n", "django.templatetags.static", "wellkept.web.templatetags.wellkept"],
            "libraries": {"wellkept": "wellkept.web.templatetags.wellkept"},
        },
    },
]

_cluster = HOME.cluster()
DATABASE_URL = os.environ.get("WELLKEPT_DATABASE_URL") or f"postgresql://wellkept@/wellkept?host={_cluster.sockets}&port={_cluster.port}"
DATABASES = {"default": {"ENGINE": "django.db.backends.postgresql", "CONN_HEALTH_CHECKS": True, **_parse_postgresql_url(DATABASE_URL)}}
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"

AUTH_USER_MODEL = "wellkept.Person"
AUTHENTICATION_BACKENDS = ["allauth.account.auth_backends.AuthenticationBackend"]
AUTH_PASSWORD_VALIDATORS = [
    {"NAME": "django.contrib.auth.password_validation.MinimumLengthValidator", "OPTIONS": {"min_length": 12}},
    {"NAME": "django.contrib.auth.password_validation.CommonPasswordValidator"},
    {"NAME": "django.contrib.auth.password_validation.UserAttributeSimilarityValidator"},
]
PASSWORD_HASHERS = ["django.contrib.auth.hashers.Argon2PasswordHasher", "django.contrib.auth.hashers.PBKDF2PasswordHasher"]
ACCOUNT_USER_MODEL_USERNAME_FIELD = None
ACCOUNT_LOGIN_METHODS = {"email"}
ACCOUNT_SIGNUP_FIELDS = ["email*", "password1*"]
ACCOUNT_EMAIL_VERIFICATION = "none"
ACCOUNT_ADAPTER = "wellkept.web.account.Adapter"
LOGIN_REDIRECT_URL = "today"
LOGIN_URL = "account_login"
MFA_SUPPORTED_TYPES = ["totp", "recovery_codes"]
MFA_ALLOW_UNVERIFIED_EMAIL = True
MFA_TOTP_ISSUER = "Wellkept"
SESSION_COOKIE_SECURE = CSRF_COOKIE_SECURE = SECURE_COOKIES
SESSION_COOKIE_HTTPONLY = True
SESSION_COOKIE_AGE = 12 * 3600
SECURE_CONTENT_TYPE_NOSNIFF = True
SECURE_REFERRER_POLICY = "same-origin"
X_FRAME_OPTIONS = "DENY"

LANGUAGE_CODE = "en"
LANGUAGES = [("en", "English"), ("zh-hant", "繁體中文"), ("zh-hans", "简体中文")]
LOCALE_PATHS = [PACKAGE / "locale"]
USE_TZ = True
TIME_ZONE = "UTC"

STATIC_URL = "static/"
FRONT_END = PACKAGE.parents[1] / "node_modules"
STATICFILES_DIRS = [
    PACKAGE / "web" / "static",
    ("vendor/tabler", FRONT_END / "@tabler" / "core" / "dist" / "css"),
    ("vendor/htmx", FRONT_END / "htmx.org" / "dist"),
    ("vendor/uplot", FRONT_END / "uplot" / "dist"),
    ("vendor/htmx-sse", FRONT_END / "htmx-ext-sse"),
]
STORAGES = {
    "default": {"BACKEND": "django.core.files.storage.FileSystemStorage"},
    "staticfiles": {"BACKEND": "wellkept.web.static_files.Versioned"},
}
WHITENOISE_USE_FINDERS = True
WHITENOISE_MAX_AGE = 3600

NINJA_PAGINATION_PER_PAGE = 50
NINJA_PAGINATION_MAX_LIMIT = 500

EMAIL_BACKEND = "django.core.mail.backends.console.EmailBackend"

LOGGING = {
    "version": 1,
    "disable_existing_loggers": False,
    "formatters": {"line": {"format": "{asctime} {levelname} {name} {message}", "style": "{"}},
    "handlers": {"stderr": {"class": "logging.StreamHandler", "formatter": "line"}},
    "loggers": {"httpx": {"level": "WARNING"}},
    "root": {"handlers": ["stderr"], "level": os.environ.get("WELLKEPT_LOG_LEVEL", "INFO")},
}
