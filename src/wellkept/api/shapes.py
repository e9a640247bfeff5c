"""What the API answers, as schemas: plain data, no secret in any of them."""

import datetime as dt
import uuid
from typing import Any

from ninja import Schema

from wellkept.estate.models import Membership
from wellkept.lib.text import say


class OrganisationOut(Schema):
    slug: str
    name: str
    time_zone: str
    language: str


class MembershipOut(Schema):
    id: int
    email: str
    name: str
    role: str
    system: str | None

    @staticmethod
    def of(row: Membership) -> "MembershipOut":
        return MembershipOut(id=row.pk, email=row.person.email, name=row.person.name, role=row.role, system=row.system.name if row.system else None)


class EnvironmentOut(Schema):
    id: int
    kind: str
    version: str
    time_zone: str
    seen_at: dt.datetime | None


class SystemOut(Schema):
    id: int
    name: str
    title: str
    organisation: str
    adapter: str
    adopted_at: dt.datetime
    environments: list[EnvironmentOut]

    @staticmethod
    def resolve_organisation(row: Any) -> str:
        return str(row.organisation.slug)

    @staticmethod
    def resolve_environments(row: Any) -> list[Any]:
        return list(row.environments.all())


class ComponentOut(Schema):
    kind: str
    name: str
    installed: str
    active: str


class SystemDetail(SystemOut):
    components: list[ComponentOut]
    seen: dict[str, Any]


class RunOut(Schema):
    id: uuid.UUID
    operation: str
    maintenance_type: str
    system: str | None
    state: str
    outcome: str
    result: dict[str, Any]
    requested_at: dt.datetime
    started_at: dt.datetime | None
    ended_at: dt.datetime | None

    @staticmethod
    def resolve_system(row: Any) -> str | None:
        return row.system.name if row.system else None

    @staticmethod
    def resolve_outcome(row: Any) -> str:
        return say(row.outcome)


class RepositoryOut(Schema):
    id: int
    name: str
    location: str
    host_key: str
    recipients: list[Any]
    retention: dict[str, Any]
    created_at: dt.datetime


class BackupOut(Schema):
    id: int
    system: str
    repository: str
    state: str
    snapshot_at: dt.datetime | None
    made_at: dt.datetime
    seconds: float | None
    bytes: int | None
    stored_bytes: int | None
    files: int | None
    version: str
    verified_at: dt.datetime | None
    problem: str

    @staticmethod
    def resolve_system(row: Any) -> str:
        return str(row.system.name)

    @staticmethod
    def resolve_repository(row: Any) -> str:
        return str(row.repository.name)

    @staticmethod
    def resolve_problem(row: Any) -> str:
        return say(row.problem)


class DrillOut(Schema):
    id: int
    system: str
    backup_id: int
    state: str
    started_at: dt.datetime
    ended_at: dt.datetime | None
    rto_seconds: float | None
    rpo_seconds: float | None
    figures: int | None
    figures_equal: bool | None
    neutral_proven: bool | None
    escrow_key_used: bool | None
    isolation: str

    @staticmethod
    def resolve_system(row: Any) -> str:
        return str(row.system.name)


class DrillDetail(DrillOut):
    differences: list[str]
    certificate: dict[str, Any]

    @staticmethod
    def resolve_differences(row: Any) -> list[str]:
        return [say(one) for one in row.differences]


class RecordOut(Schema):
    number: int
    at: dt.datetime
    kind: str
    maintenance_type: str
    system: str
    run_id: uuid.UUID | None
    actor: str
    summary: str
    data: dict[str, Any]
    hash: str

    @staticmethod
    def resolve_system(row: Any) -> str:
        return str(row.system_name)

    @staticmethod
    def resolve_summary(row: Any) -> str:
        return say(row.summary)


class ScheduleOut(Schema):
    id: int
    operation: str
    system: str | None
    cron: str
    time_zone: str
    arguments: dict[str, Any]
    enabled: bool
    next_at: dt.datetime | None
    last_at: dt.datetime | None
    missed_at: dt.datetime | None
    missed_count: int

    @staticmethod
    def resolve_system(row: Any) -> str | None:
        return row.system.name if row.system else None


class TokenOut(Schema):
    id: int
    name: str
    person: str
    scope: str
    expires_at: dt.datetime
    used_at: dt.datetime | None

    @staticmethod
    def resolve_person(row: Any) -> str:
        return str(row.person.email)
