from wellkept.lib.text import message, say


def test_a_stored_sentence_is_shown_in_the_language_of_the_reader():
    stored = message("Backed up {files} files", files=20)
    assert say(stored) == "Backed up 20 files"
    assert say(stored, {"Backed up {files} files": "備份了 {files} 個檔案"}.__getitem__) == "備份了 20 個檔案"


def test_a_sentence_with_a_missing_parameter_stays_readable():
    assert say({"id": "Backed up {files} files", "params": {}}) == "Backed up {files} files"
    assert say({"id": "100 % {", "params": {"a": 1}}) == "100 % {"


def test_nothing_is_nothing():
    assert say(None) == ""
    assert say({}) == ""
    assert say("plain") == "plain"
