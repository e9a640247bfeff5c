"""What people say of an upgrade."""

from typing import Any

from django.http import HttpRequest
from ninja import Field, Router, Schema

from wellkept.api.auth import allowed, who
from wellkept.estate.models import Role
from wellkept.upgrades import opinions
from wellkept.upgrades.models import Opinion, Upgrade

router = Router(tags=["upgrades"])


class HandleIn(Schema):
    settled: bool = Field(description="Whether it is settled; otherwise it is only taken up.")
    note: str = Field("", max_length=2000, description="What was done, or will be; needed to settle it.")


@router.get("/upgrades/{int:upgrade_id}/opinions", response=list[dict[str, Any]], summary="What people say of an upgrade, and who looks after it")
def list_opinions(request: HttpRequest, upgrade_id: int) -> Any:
    return [opinions.plain(one) for one in opinions.said(allowed(request, Upgrade, Role.OPERATOR, pk=upgrade_id))]


@router.post("/opinions/{int:opinion_id}", response=dict[str, Any], summary="Take an answer up, or settle it with a note")
def handle_opinion(request: HttpRequest, opinion_id: int, wish: HandleIn) -> Any:
    one = allowed(request, Opinion, Role.OPERATOR, ("upgrade",), pk=opinion_id)
    act = opinions.settle if wish.settled else opinions.take_up
    return opinions.plain(act(one, wish.note, who=who(request)))
