"""Check that every text has a translation in every language: extract the texts afresh and name those that are missing, fuzzy or fit badly."""

import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

PACKAGE = Path(__file__).parent.parent / "src" / "wellkept"
LANGUAGES = ("zh_Hant", "zh_Hans")


def messages(args: list[str | Path]) -> list[str]:
    """The msgid lines that a gettext program prints."""
    printed = subprocess.run(args, check=True, capture_output=True, text=True).stdout
    return [line for line in printed.splitlines() if line.startswith("msgid ") and line != 'msgid ""']


def main() -> int:
    """Print each gap; the exit code says whether there was one."""
    gaps = 0
    with tempfile.TemporaryDirectory() as folder:
        copy = Path(folder) / "wellkept"
        shutil.copytree(PACKAGE, copy, ignore=shutil.ignore_patterns("*.pyc", "scripts", "vendor"))
        (copy / "locale").mkdir(exist_ok=True)
        names = [part for language in LANGUAGES for part in ("-l", language)]
        subprocess.run(["django-admin", "makemessages", *names, "--no-location", "--no-wrap", "-v0"], cwd=copy, check=True, env={**_environment()})
        for language in LANGUAGES:
            po = copy / "locale" / language / "LC_MESSAGES" / "django.po"
            for kind in ("--untranslated", "--only-fuzzy"):
                for line in messages(["msgattrib", kind, "--no-wrap", "--no-obsolete", po]):
                    gaps += 1
                    print(f"{language}: {kind.removeprefix('--')}: {line}")
            subprocess.run(["msgfmt", "--check", "-o", "/dev/null", po], check=True)
            print(f"{language}: {len(messages(['msgattrib', '--translated', '--no-wrap', po]))} texts translated")
    return 1 if gaps else 0


def _environment() -> dict[str, str]:
    import os

    return {name: value for name, value in os.environ.items() if name != "DJANGO_SETTINGS_MODULE"}


if __name__ == "__main__":
    sys.exit(main())
