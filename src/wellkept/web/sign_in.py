"""The addresses of django-allauth that are used: sign in and out, password, authenticator app, recovery codes. Nobody signs up or resets by mail."""

from allauth.account import views as account
from allauth.mfa.base import views as mfa
from allauth.mfa.recovery_codes import views as codes
from allauth.mfa.totp import views as totp
from django.urls import path

urlpatterns = [
    path("sign-in/", account.login, name="account_login"),
    path("sign-out/", account.logout, name="account_logout"),
    path("inactive/", account.account_inactive, name="account_inactive"),
    path("confirm/", account.reauthenticate, name="account_reauthenticate"),
    path("password/", account.password_change, name="account_change_password"),
    path("password/new/", account.password_set, name="account_set_password"),
    path("two-factor/", mfa.index, name="mfa_index"),
    path("two-factor/sign-in/", mfa.authenticate, name="mfa_authenticate"),
    path("two-factor/confirm/", mfa.reauthenticate, name="mfa_reauthenticate"),
    path("two-factor/app/", totp.activate_totp, name="mfa_activate_totp"),
    path("two-factor/app/off/", totp.deactivate_totp, name="mfa_deactivate_totp"),
    path("two-factor/codes/", codes.view_recovery_codes, name="mfa_view_recovery_codes"),
    path("two-factor/codes/new/", codes.generate_recovery_codes, name="mfa_generate_recovery_codes"),
    path("two-factor/codes/download/", codes.download_recovery_codes, name="mfa_download_recovery_codes"),
]
