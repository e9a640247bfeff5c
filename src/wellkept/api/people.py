"""Organisations, their people, and tokens."""

from typing import Any

from django.http import HttpRequest
from ninja import Field, Router, Schema, Status
from ninja.pagination import paginate
from ninja.security import SessionAuth

from wellkept.api.auth import allowed, seen, who, whole_organisation
from wellkept.api.shapes import MembershipOut, OrganisationOut, TokenOut
from wellkept.estate import access, people, tokens
from wellkept.estate.models import ApiToken, Membership, Organisation, Role, System

router = Router(tags=["people"])


class MeOut(Schema):
    email: str
    actor: str
    roles: dict[str, str]


class InviteIn(Schema):
    email: str
    role: Role = Role.VIEWER
    name: str = ""
    system_id: int | None = None


class InviteOut(Schema):
    email: str
    role: str
    password: str | None = Field(description="The first password, shown only now; null for somebody who signs in here already.")


class RoleIn(Schema):
    role: Role


class TokenIn(Schema):
    organisation: str
    name: str
    scope: Role = Role.VIEWER
    days: int = 90


class TokenMade(TokenOut):
    token: str


@router.get("/me", response=MeOut, summary="Who calls, and what they may do where")
def me(request: HttpRequest) -> Any:
    caller = who(request)
    person = access.person_of(caller)
    organisations = access.visible_to(caller, Organisation).order_by("slug")
    roles = {organisation.slug: access.role_on(caller, organisation) for organisation in organisations}
    return {"email": person.email if person else "", "actor": access.actor(caller), "roles": {slug: role for slug, role in roles.items() if role}}


@router.get("/organisations", response=list[OrganisationOut], summary="The organisations of the caller")
@paginate
def list_organisations(request: HttpRequest) -> Any:
    return access.visible_to(who(request), Organisation).order_by("slug")


@router.get("/organisations/{slug:slug}/people", response=list[MembershipOut], summary="The members of an organisation")
def list_people(request: HttpRequest, slug: str) -> Any:
    organisation = whole_organisation(request, slug, Role.ADMINISTRATOR)
    rows = Membership.objects.filter(organisation=organisation).select_related("person", "system").order_by("person__email", "pk")
    return [MembershipOut.of(row) for row in rows]


@router.post("/organisations/{slug:slug}/people", response={201: InviteOut}, summary="Make somebody a member")
def invite_person(request: HttpRequest, slug: str, wish: InviteIn) -> Any:
    organisation = whole_organisation(request, slug, Role.ADMINISTRATOR)
    system = seen(request, System, pk=wish.system_id, organisation=organisation) if wish.system_id is not None else None
    person, password = people.invite(organisation, wish.email, wish.role, who=who(request), name=wish.name, system=system)
    return Status(201, {"email": person.email, "role": wish.role, "password": password})


@router.put("/members/{int:membership_id}", response=MembershipOut, summary="Give a member another role")
def change_member(request: HttpRequest, membership_id: int, wish: RoleIn) -> Any:
    held = allowed(request, Membership, Role.ADMINISTRATOR, ("organisation", "person", "system"), pk=membership_id)
    people.set_role(held.organisation, held.person, wish.role, who=who(request), system=held.system)
    held.refresh_from_db()
    return MembershipOut.of(held)


@router.delete("/members/{int:membership_id}", response={204: None}, summary="End a membership")
def remove_member(request: HttpRequest, membership_id: int) -> Any:
    held = allowed(request, Membership, Role.ADMINISTRATOR, ("organisation", "person", "system"), pk=membership_id)
    people.set_role(held.organisation, held.person, None, who=who(request), system=held.system)
    return Status(204, None)


@router.get("/tokens", response=list[TokenOut], summary="One's own tokens, and as an administrator those of the organisation")
@paginate
def list_tokens(request: HttpRequest) -> Any:
    return access.visible_to(who(request), ApiToken).select_related("person").order_by("pk")


@router.post("/tokens", response={201: TokenMade}, auth=SessionAuth(), summary="Make a token for oneself; only signed in, not with a token")
def create_token(request: HttpRequest, wish: TokenIn) -> Any:
    organisation = seen(request, Organisation, slug=wish.organisation)
    made, text = tokens.create(who(request), organisation, wish.name, scope=wish.scope, days=wish.days, who=who(request))
    made.token = text  # type: ignore[attr-defined]
    return Status(201, made)


@router.delete("/tokens/{int:token_id}", response={204: None}, summary="End a token")
def revoke_token(request: HttpRequest, token_id: int) -> Any:
    tokens.revoke(seen(request, ApiToken, ("person", "organisation"), pk=token_id), who=who(request))
    return Status(204, None)
