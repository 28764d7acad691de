"""What the Hub tells a user who is in Lab."""

import json
import stat

from jupyterhub_tf29.i18n import LANGUAGES
from jupyterhub_tf29.spawner.notices import make_notice, write_notices


def test_a_notice_is_written_in_every_language():
    notice = make_notice("died", "error", "Your workspace stopped by itself (exit code {code}). Your files are "
                         "safe. If it happens again, please tell the admin.", code=3)  # fmt: skip
    assert set(notice["text"]) == set(LANGUAGES)
    assert "exit code 3" in notice["text"]["en"]
    assert "退出码 3" in notice["text"]["zh"]
    assert notice["time"].endswith("+00:00")


def test_two_notices_never_have_one_id():
    assert make_notice("oom", "error", "x")["id"] != make_notice("oom", "error", "x")["id"]


def test_the_file_is_replaced_whole_and_can_be_read_by_the_containers_user(tmp_path):
    folder = tmp_path / "notices" / "tf29hub-ada"
    for text in ("one", "two"):
        write_notices(folder, [make_notice("oom", "error", text)])
    written = folder / "notices.json"
    assert [notice["text"]["en"] for notice in json.loads(written.read_text())["notices"]] == ["two"]
    assert stat.S_IMODE(written.stat().st_mode) == 0o644
    assert stat.S_IMODE(folder.stat().st_mode) == 0o755
    assert list(folder.iterdir()) == [written]
