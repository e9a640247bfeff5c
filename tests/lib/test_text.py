from wellkept.lib.text import message, recognised, say


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


def test_a_parameter_may_be_a_sentence_itself():
    stored = message("It failed: {reason}", reason=message("{n} files are missing", n=2))
    assert say(stored) == "It failed: 2 files are missing"
    assert say(stored, {"It failed: {reason}": "失敗：{reason}", "{n} files are missing": "缺少 {n} 個檔案"}.__getitem__) == "失敗：缺少 2 個檔案"


def test_a_parameter_may_be_a_list_of_sentences():
    stored = message("It waits: {what}", what=[message("{n} tasks", n=2), "odd words"])
    assert say(stored) == "It waits: 2 tasks; odd words"
    assert say(stored, {"It waits: {what}": "等待：{what}", "{n} tasks": "{n} 個工作", "; ": "；"}.__getitem__) == "等待：2 個工作；odd words"


def test_a_text_is_recognised_by_the_first_template_that_fits_it_whole():
    templates = ["hours of {who}, lines", "hours of {who}", "100 % (of {who})"]
    assert recognised("hours of Ann, Bob, lines", templates) == message("hours of {who}, lines", who="Ann, Bob")
    assert recognised("hours of {odd}\nname", templates) == message("hours of {who}", who="{odd}\nname")
    assert say(recognised("hours of {odd}", templates)) == "hours of {odd}"
    assert recognised("100 % (of Ann)", templates) == message("100 % (of {who})", who="Ann")
    assert recognised("the hours of Ann", templates) == "the hours of Ann"
    assert recognised("hours of ", templates) == "hours of "
