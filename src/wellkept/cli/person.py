"""``wellkept person``."""

from typing import Annotated

import typer

from wellkept.cli import output, pick
from wellkept.cli.output import Json, Yes
from wellkept.cli.pick import OrganisationOption
from wellkept.estate import access, people
from wellkept.estate.errors import NotFound
from wellkept.estate.models import Membership, Person, Role, System

app = typer.Typer(no_args_is_help=True, rich_markup_mode=None, help="Who signs in, and what they may do.")
Email = Annotated[str, typer.Argument(help="E-mail address that the person signs in with.")]
OnSystem = Annotated[str | None, typer.Option("--system", help="Only on this system, not in the whole organisation.")]
ROLES = ", ".join(Role.values)


@app.command("list")
def list_(organisation: OrganisationOption = None, as_json: Json = False) -> None:
    """Show the members of an organisation and their roles."""
    place = pick.organisation(organisation)
    rows = Membership.objects.filter(organisation=place).select_related("person", "system").order_by("person__email", "system__name")
    output.emit([_plain(row) for row in rows], as_json=as_json, empty="No member yet; invite one: wellkept person invite")


@app.command()
def invite(
    email: Email,
    role: Annotated[str, typer.Option(help=f"What the person may do: {ROLES}.")] = Role.VIEWER.value,
    name: Annotated[str, typer.Option(help="Name as others see it.")] = "",
    system: OnSystem = None,
    organisation: OrganisationOption = None,
    as_json: Json = False,
) -> None:
    """Make somebody a member; prints their first password once, unless they sign in here already."""
    place = pick.organisation(organisation)
    person, password = people.invite(place, email, role, who=pick.WHO, name=name, system=_system(system))
    if as_json:
        output.emit({"email": person.email, "role": role, "organisation": place.slug, "password": password}, as_json=True)
        return
    output.emit(f"{person.email} is {role} of {place.slug}.", as_json=False)
    if password is not None:
        output.emit(f"First password, shown only now: {password}", as_json=False)


@app.command()
def password(email: Email, yes: Yes = False, as_json: Json = False) -> None:
    """Give somebody a new random password, shown once; it ends their sessions."""
    person = _person(email)
    output.confirm(f"Replace the password of {person.email}?", yes=yes)
    fresh = people.reset_password(person, who=pick.WHO)
    output.emit({"email": person.email, "password": fresh} if as_json else f"New password, shown only now: {fresh}", as_json=as_json)


@app.command()
def role(
    email: Email,
    role: Annotated[str, typer.Argument(metavar="ROLE", help=f"The new role: {ROLES}; none: no member any more.")],
    system: OnSystem = None,
    organisation: OrganisationOption = None,
    as_json: Json = False,
) -> None:
    """Change what somebody may do, or end it with the role none."""
    place, person = pick.organisation(organisation), _person(email)
    people.set_role(place, person, None if role == "none" else role, who=pick.WHO, system=_system(system))
    done = {"email": person.email, "organisation": place.slug, "system": system, "role": None if role == "none" else role}
    output.emit(done if as_json else f"{person.email}: {role} in {place.slug}" + (f", on {system}." if system else "."), as_json=as_json)


def _person(email: str) -> Person:
    found = access.visible_to(pick.WHO, Person).filter(email=email.strip().lower()).first()
    if found is None:
        raise NotFound(f"nobody signs in as {email}; see: wellkept person list")
    return found


def _system(name: str | None) -> System | None:
    return pick.system(name) if name is not None else None


def _plain(row: Membership) -> dict[str, object]:
    return {
        "email": row.person.email,
        "name": row.person.name,
        "role": row.role,
        "system": row.system.name if row.system else None,
        "may_sign_in": row.person.is_active,
        "last_sign_in": row.person.last_login,
    }
