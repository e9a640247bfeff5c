"""Modules of one's own for a release: those that no package index has."""

import datetime as dt
from typing import Any

from django.http import HttpRequest
from django.utils.translation import gettext_noop
from ninja import File, Router, Schema, Status, UploadedFile

from wellkept.api.agree import PLACE
from wellkept.api.auth import allowed, seen, who
from wellkept.estate.errors import NotFound
from wellkept.estate.models import Role, System
from wellkept.upgrades import packages

router = Router(tags=["upgrades"])
MODULES = f"{PLACE}/modules"


class ModuleOut(Schema):
    package: str
    version: str
    modules: list[str]
    file: str
    sha256: str
    target: str
    author: str
    made_at: dt.datetime


@router.get(MODULES, response=list[ModuleOut], summary="The modules that are given for a release")
def list_modules(request: HttpRequest, system_id: int, target: str) -> Any:
    return packages.given(seen(request, System, ("organisation",), pk=system_id), target)


@router.post(MODULES, response={201: ModuleOut}, summary="Give a module by its wheel (multipart, field file); a newer one of its package replaces it")
def give_module(request: HttpRequest, system_id: int, target: str, file: File[UploadedFile]) -> Any:
    system = allowed(request, System, Role.ADMINISTRATOR, ("organisation",), pk=system_id)
    return Status(201, packages.receive(system, target, str(file.name), file.chunks(), who=who(request)))


@router.delete(f"{MODULES}/{{str:package}}", response={204: None}, summary="Give one no more")
def remove_module(request: HttpRequest, system_id: int, target: str, package: str) -> Any:
    system = allowed(request, System, Role.ADMINISTRATOR, ("organisation",), pk=system_id)
    found = packages.given(system, target).filter(package=package).first()
    if found is None:
        raise NotFound(gettext_noop("no {package} is given for {target}"), package=package, target=target)
    packages.take_away(found, who=who(request))
    return Status(204, None)
