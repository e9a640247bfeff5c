"""The time after an upgrade."""

from typing import Any

from django.http import HttpRequest
from ninja import Router

from wellkept.api.auth import seen
from wellkept.lib.text import say
from wellkept.upgrades import aftercare
from wellkept.upgrades.models import Upgrade

router = Router(tags=["upgrades"])


@router.get("/upgrades/{int:upgrade_id}/aftercare", response=dict[str, Any], summary="How an ERP works since an upgrade, and what people say of it")
def get_aftercare(request: HttpRequest, upgrade_id: int) -> Any:
    found = aftercare.report(seen(request, Upgrade, ("system",), pk=upgrade_id))
    return {**found, "verdict": say(found["verdict"])}
