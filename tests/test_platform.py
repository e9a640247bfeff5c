from django.db import connection


def test_tests_run_on_postgresql(db: None) -> None:
    assert connection.vendor == "postgresql"
    assert str(connection.settings_dict["NAME"]).startswith("test_wellkept")
