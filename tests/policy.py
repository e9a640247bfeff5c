"""Who may call which address: the declared policy that tests/test_policy.py compares with the site.

Per route (its name) and method the least role. ``ANYONE`` needs no sign-in, ``SIGNED_IN`` no membership; ``NOBODY`` is always refused. A method
that is not listed must not exist. Routes without an object in their address show the caller's own organisation.
"""

ANYONE, SIGNED_IN, NOBODY = "anyone", "signed in", "nobody"
VIEWER, OPERATOR, APPROVER, ADMINISTRATOR = "viewer", "operator", "approver", "administrator"

PAGES: dict[str, dict[str, str]] = {
    "healthz": {"GET": ANYONE},
    "today": {"GET": VIEWER},
    "systems": {"GET": VIEWER},
    "system": {"GET": VIEWER},
    "system_backups": {"GET": VIEWER},
    "system_components": {"GET": VIEWER},
    "system_settings": {"GET": VIEWER, "POST": ADMINISTRATOR},
    "backup_take": {"POST": OPERATOR},
    "drill_start": {"POST": OPERATOR},
    "backup_take_several": {"POST": OPERATOR},
    "runs": {"GET": VIEWER},
    "run": {"GET": VIEWER},
    "run_events": {"GET": VIEWER},
    "run_cancel": {"POST": OPERATOR},
    "backups": {"GET": VIEWER},
    "backup_sets": {"GET": VIEWER},
    "backup": {"GET": VIEWER},
    "backup_restore": {"GET": OPERATOR, "POST": ADMINISTRATOR},
    "backup_drills": {"GET": VIEWER},
    "drill": {"GET": VIEWER},
    "records": {"GET": VIEWER},
    "records_verify": {"POST": VIEWER},
    "records_export": {"GET": VIEWER},
    "record": {"GET": VIEWER},
    "settings": {"GET": VIEWER, "POST": ADMINISTRATOR},
    "settings_me": {"GET": SIGNED_IN, "POST": SIGNED_IN},
    "settings_people": {"GET": ADMINISTRATOR},
    "settings_invite": {"GET": ADMINISTRATOR, "POST": ADMINISTRATOR},
    "settings_member": {"POST": ADMINISTRATOR},
    "settings_schedules": {"GET": VIEWER},
    "settings_schedule_add": {"GET": OPERATOR, "POST": OPERATOR},
    "settings_schedule": {"GET": VIEWER, "POST": OPERATOR},
    "settings_repositories": {"GET": VIEWER},
    "settings_repository_add": {"GET": ADMINISTRATOR, "POST": ADMINISTRATOR},
    "settings_repository": {"GET": VIEWER, "POST": ADMINISTRATOR},
    "settings_repository_access": {"GET": ADMINISTRATOR, "POST": ADMINISTRATOR},
    "settings_repository_forget": {"GET": VIEWER, "POST": ADMINISTRATOR},
    "settings_tokens": {"GET": VIEWER, "POST": VIEWER},
    "settings_token_revoke": {"POST": ADMINISTRATOR},
    "organisation_choose": {"POST": SIGNED_IN},
    "language": {"POST": ANYONE},
}
# django-allauth takes other methods for GET, so only these are compared. Nobody in the test has a second factor: what needs one does not exist.
SIGN_IN: dict[str, dict[str, str]] = {
    "account_login": {"GET": ANYONE, "POST": ANYONE},
    "account_logout": {"GET": ANYONE, "POST": ANYONE},
    "account_inactive": {"GET": ANYONE},
    "account_reauthenticate": {"GET": SIGNED_IN, "POST": SIGNED_IN},
    "account_change_password": {"GET": SIGNED_IN, "POST": SIGNED_IN},
    "account_set_password": {"GET": SIGNED_IN, "POST": SIGNED_IN},
    "mfa_index": {"GET": SIGNED_IN},
    "mfa_authenticate": {"GET": SIGNED_IN, "POST": SIGNED_IN},
    "mfa_reauthenticate": {"GET": SIGNED_IN, "POST": SIGNED_IN},
    "mfa_activate_totp": {"GET": SIGNED_IN, "POST": SIGNED_IN},
    "mfa_deactivate_totp": {"GET": NOBODY, "POST": NOBODY},
    "mfa_view_recovery_codes": {"GET": NOBODY},
    "mfa_generate_recovery_codes": {"GET": SIGNED_IN, "POST": SIGNED_IN},
    "mfa_download_recovery_codes": {"GET": NOBODY},
}
API: dict[str, dict[str, str]] = {
    "api:openapi-json": {"GET": SIGNED_IN},
    "api:openapi-view": {"GET": SIGNED_IN},
    "api:api-root": {"GET": NOBODY},
    "api:list_systems": {"GET": SIGNED_IN},
    "api:get_system": {"GET": VIEWER},
    "api:remove_system": {"DELETE": ADMINISTRATOR},
    "api:adopt_system": {"POST": ADMINISTRATOR},
    "api:discover_system": {"POST": OPERATOR},
    "api:list_runs": {"GET": SIGNED_IN},
    "api:start_run": {"POST": OPERATOR},
    "api:get_run": {"GET": VIEWER},
    "api:run_events": {"GET": VIEWER},
    "api:cancel_run": {"POST": OPERATOR},
    "api:list_repositories": {"GET": SIGNED_IN},
    "api:add_repository": {"POST": ADMINISTRATOR},
    "api:change_repository_access": {"PUT": ADMINISTRATOR},
    "api:list_backups": {"GET": SIGNED_IN},
    "api:get_backup": {"GET": VIEWER},
    "api:plan_restore": {"POST": OPERATOR},
    "api:start_restore": {"POST": ADMINISTRATOR},
    "api:plan_forget": {"GET": VIEWER},
    "api:start_forget": {"POST": ADMINISTRATOR},
    "api:list_drills": {"GET": SIGNED_IN},
    "api:get_drill": {"GET": VIEWER},
    "api:list_records": {"GET": SIGNED_IN},
    "api:verify_records": {"GET": VIEWER},
    "api:export_records": {"GET": VIEWER},
    "api:list_schedules": {"GET": SIGNED_IN},
    "api:add_schedule": {"POST": OPERATOR},
    "api:change_schedule": {"PATCH": OPERATOR},
    "api:remove_schedule": {"DELETE": OPERATOR},
    "api:me": {"GET": SIGNED_IN},
    "api:list_organisations": {"GET": SIGNED_IN},
    "api:list_people": {"GET": ADMINISTRATOR},
    "api:invite_person": {"POST": ADMINISTRATOR},
    "api:change_member": {"PUT": ADMINISTRATOR},
    "api:remove_member": {"DELETE": ADMINISTRATOR},
    "api:list_tokens": {"GET": SIGNED_IN},
    "api:create_token": {"POST": VIEWER},
    "api:revoke_token": {"DELETE": ADMINISTRATOR},
}
POLICY = {**PAGES, **SIGN_IN, **API}

WITHOUT_TOKENS = {"api:create_token", "api:openapi-json", "api:openapi-view"}
"""Parts of the API that only the session of a signed-in person opens."""

SILENT = {"backup_take_several"}
"""Who may not is answered like everybody else, and nothing happens."""
