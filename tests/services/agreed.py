"""What people have to say before production is upgraded, said."""

from datetime import time

from django.db.models import Q

from tests.people import make_member
from wellkept.estate.access import Console
from wellkept.estate.models import Organisation, Person, Role
from wellkept.operations import windows
from wellkept.operations.models import Window
from wellkept.upgrades import agree
from wellkept.upgrades.models import Approval, Rehearsal


def agreed(rehearsal: Rehearsal) -> Approval:
    """An approval of what was rehearsed, asked for by one person and given by another one, and a window that is always open."""
    organisation = rehearsal.organisation
    if not Window.objects.filter(Q(system=rehearsal.system) | Q(system=None), organisation=organisation).exists():
        windows.add_weekly(organisation, range(7), time(0), time(0), who=Console("tests"))
    rehearsal.environment.refresh_from_db()
    asked = agree.standing(rehearsal) or agree.ask(rehearsal.environment, rehearsal.target, who=somebody(organisation, Role.OPERATOR))
    return asked if asked.approved_at else agree.approve(asked, who=somebody(organisation, Role.APPROVER))


def somebody(organisation: Organisation, role: Role) -> Person:
    """A person with this role."""
    email = f"{role}@{organisation.slug}.example"
    return Person.objects.filter(email=email).first() or make_member(organisation, role, email)
