import pytest

from jupyterhub_tf29.visitor import VisitFailed, Visitor, find_form, page_message

SPAWN_PAGE = """
<form action="/hub/search"><input name="q" value=""></form>
<form action="/hub/spawn?_xsrf=abc" method="post">
  <input type="hidden" name="_xsrf" value="abc">
  <input type="radio" name="profile" value="cpu-small">
  <input type="radio" name="profile" value="cpu-large" checked>
  <select name="memory"><option value="8g">8</option><option value="16g" selected>16</option></select>
  <input type="number" name="memory-other" value="">
  <input type="submit" name="go" value="Start">
</form>
"""


def test_a_form_is_found_by_a_field_and_sends_what_a_browser_would():
    form = find_form(SPAWN_PAGE, with_field="profile")
    assert form.action == "/hub/spawn?_xsrf=abc"
    assert form.fields == {"_xsrf": "abc", "profile": "cpu-large", "memory": "16g", "memory-other": ""}
    assert form.choices == {"profile": ["cpu-small", "cpu-large"], "memory": ["8g", "16g"]}


def test_a_page_without_the_form_is_quoted():
    with pytest.raises(VisitFailed, match=r"no form with 'password'.*The hub is closed today"):
        find_form("<h1>The hub is closed today</h1>", with_field="password")


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ('{"status": 403, "message": "Not for you"}', "Not for you"),
        ('<p class="login_error">Wrong name &amp; password</p><p>Help</p>', "Wrong name & password"),
        ('<div class="alert alert-danger">Out of\n <b>memory</b></div>', "Out of memory"),
        ('<p id="w" class="hidden alert">No TLS</p><div class="alert" id="e">Wrong</div>', "Wrong"),
        ("<html><head><title>x</title></head><script>var a</script><p>Bad gateway</p></html>", "Bad gateway"),
        ("", "an empty answer"),
        ("[1, 2]", "[1, 2]"),
    ],
    ids=["API", "sign-in", "alert", "hidden alert", "plain page", "nothing", "other JSON"],
)
def test_what_a_page_says_is_told_in_words(text, words):
    assert page_message(text) == words


def test_a_long_page_is_cut():
    assert len(page_message("word " * 1000)) == 300


def test_nothing_of_the_environment_gets_between(monkeypatch):
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:9")
    visitor = Visitor("http://127.0.0.1:8000/", "ada", "secret")
    assert not visitor.session.trust_env
    assert visitor.front == "http://127.0.0.1:8000"


def test_a_hub_that_does_not_answer_is_told(free_port):
    visitor = Visitor(f"http://127.0.0.1:{free_port()}", "ada", "secret")
    with pytest.raises(VisitFailed, match="GET /hub/login/local: no answer"):
        visitor.sign_in()


def test_a_name_with_special_letters_stands_rightly_in_addresses():
    visitor = Visitor("http://127.0.0.1:8000", "王@lab", "secret")
    assert visitor.server_path == "/user/%E7%8E%8B%40lab/"
    url, _ = visitor.websocket("api/kernels/1/channels")
    assert url == "ws://127.0.0.1:8000/user/%E7%8E%8B%40lab/api/kernels/1/channels"
