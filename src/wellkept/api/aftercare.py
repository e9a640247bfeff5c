"""Upgrades of production as they ended, and the time after them."""

from typing import Any

from django.http import HttpRequest
from ninja import Query, Router, Schema
from ninja.pagination import paginate

from wellkept.api.auth import seen, who
from wellkept.estate import access
from wellkept.lib.text import say
from wellkept.upgrades import aftercare, results
from wellkept.upgrades.models import Upgrade, UpgradeState

router = Router(tags=["upgrades"])


class UpgradeFilter(Schema):
    system_id: int | None = None
    target: str | None = None
    state: UpgradeState | None = None


@router.get("/upgrades", response=list[dict[str, Any]], summary="Upgrades of production, newest first")
@paginate
def list_upgrades(request: HttpRequest, filters: Query[UpgradeFilter]) -> Any:
    rows = results.upgrades(access.visible_to(who(request), Upgrade)).filter(**filters.dict(exclude_none=True))
    return [results.brief(one) for one in rows]


@router.get("/upgrades/{int:upgrade_id}", response=dict[str, Any], summary="One upgrade: how it ended and why, its phases, and all that it found")
def get_upgrade(request: HttpRequest, upgrade_id: int) -> Any:
    return results.plain(seen(request, Upgrade, ("system", "run", "approval"), pk=upgrade_id))


@router.get("/upgrades/{int:upgrade_id}/aftercare", response=dict[str, Any], summary="How an ERP works since an upgrade, and what people say of it")
def get_aftercare(request: HttpRequest, upgrade_id: int) -> Any:
    found = aftercare.report(seen(request, Upgrade, ("system",), pk=upgrade_id))
    return {**found, "verdict": say(found["verdict"])}
