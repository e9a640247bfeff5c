"""All addresses of the site."""

from django.urls import URLPattern, URLResolver, include, path

from wellkept.api.root import api
from wellkept.web import account, backups, forgetting, health, places, records, restoring, runs, settings, systems, today, upgrades

handler403 = "wellkept.web.shell.forbidden"

urlpatterns: list[URLPattern | URLResolver] = [
    path("", today.today, name="today"),
    path("healthz", health.healthz, name="healthz"),
    path("systems/", systems.systems, name="systems"),
    path("systems/<int:system_id>/", systems.system, name="system"),
    path("systems/<int:system_id>/backups/", backups.system_backups, name="system_backups"),
    path("systems/<int:system_id>/components/", systems.components, name="system_components"),
    path("systems/<int:system_id>/settings/", systems.system_settings, name="system_settings"),
    path("systems/<int:system_id>/back-up/", backups.take, name="backup_take"),
    path("systems/<int:system_id>/drill/", backups.start_drill, name="drill_start"),
    path("systems/back-up/", backups.take_several, name="backup_take_several"),
    path("runs/", runs.runs, name="runs"),
    path("runs/<uuid:run_id>/", runs.run, name="run"),
    path("runs/<uuid:run_id>/events/", runs.events, name="run_events"),
    path("runs/<uuid:run_id>/cancel/", runs.cancel, name="run_cancel"),
    path("backups/", backups.backups, name="backups"),
    path("backups/sets/", backups.sets, name="backup_sets"),
    path("backups/sets/<int:backup_id>/", backups.backup, name="backup"),
    path("backups/sets/<int:backup_id>/restore/", restoring.restore, name="backup_restore"),
    path("backups/drills/", backups.drills, name="backup_drills"),
    path("backups/drills/<int:drill_id>/", backups.drill, name="drill"),
    path("upgrades/", upgrades.upgrades, name="upgrades"),
    path("upgrades/<int:system_id>/assess/", upgrades.assess, name="upgrade_assess"),
    path("upgrades/<int:system_id>/look/", upgrades.look, name="upgrade_look"),
    path("upgrades/assessments/<int:assessment_id>/", upgrades.assessment, name="upgrade_assessment"),
    path("upgrades/assessments/<int:assessment_id>/pdf/", upgrades.assessment_pdf, name="upgrade_assessment_pdf"),
    path("records/", records.records, name="records"),
    path("records/verify/", records.verify, name="records_verify"),
    path("records/export/<str:form>/", records.export, name="records_export"),
    path("records/<int:record_id>/", records.record, name="record"),
    path("settings/", settings.index, name="settings"),
    path("settings/me/", account.me, name="settings_me"),
    path("settings/people/", settings.people, name="settings_people"),
    path("settings/people/invite/", settings.invite, name="settings_invite"),
    path("settings/people/<int:membership_id>/", settings.member, name="settings_member"),
    path("settings/schedules/", settings.schedules, name="settings_schedules"),
    path("settings/schedules/add/", settings.schedule_add, name="settings_schedule_add"),
    path("settings/schedules/<int:schedule_id>/", settings.schedule, name="settings_schedule"),
    path("settings/repositories/", settings.repositories, name="settings_repositories"),
    path("settings/repositories/add/", places.add, name="settings_repository_add"),
    path("settings/repositories/<int:repository_id>/", settings.repository, name="settings_repository"),
    path("settings/repositories/<int:repository_id>/access/", places.change, name="settings_repository_access"),
    path("settings/repositories/<int:repository_id>/forget/", forgetting.rules, name="settings_repository_forget"),
    path("settings/tokens/", settings.tokens, name="settings_tokens"),
    path("settings/tokens/<int:token_id>/revoke/", settings.token_revoke, name="settings_token_revoke"),
    path("organisation/", account.choose, name="organisation_choose"),
    path("language/", account.language, name="language"),
    path("account/", include("wellkept.web.sign_in")),
    path("api/", api.urls),
]
