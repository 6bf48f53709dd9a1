"""Downloads: whole and checked or not there, and an error that helps."""

import hashlib
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from cl_facenet.data import download as downloads
from cl_facenet.data.download import RemoteFile, download
from cl_facenet.errors import InputError

CONTENT = bytes(range(256)) * 1000
SHA256 = hashlib.sha256(CONTENT).hexdigest()


class Server(ThreadingHTTPServer):
    """Serves CONTENT under every path; remembers the ranges it was asked for."""

    knows_ranges = True
    breaks_off_after = None
    status = 200

    def __init__(self):
        super().__init__(("127.0.0.1", 0), Handler)
        self.asked = []

    def url(self, name="faces.tgz"):
        return f"http://127.0.0.1:{self.server_port}/{name}"


class Handler(BaseHTTPRequestHandler):
    def do_GET(self):
        asked = self.headers["Range"]
        self.server.asked.append(asked)
        start = int(asked[len("bytes=") : -1]) if self.server.knows_ranges else 0
        if self.server.status != 200:
            self.send_response(self.server.status)
            self.end_headers()
        elif start >= len(CONTENT):
            self.send_error(416)
        else:
            self.send_response(206 if self.server.knows_ranges else 200)
            self.send_header("Content-Length", str(len(CONTENT) - start))
            self.end_headers()
            self.wfile.write(CONTENT[start : self.server.breaks_off_after])

    def log_message(self, *args):
        pass


@pytest.fixture(autouse=True)
def no_proxy(monkeypatch):
    monkeypatch.setenv("no_proxy", "*")


@pytest.fixture
def server():
    with Server() as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        yield server
        server.shutdown()
        thread.join()


@pytest.fixture
def faces(server):
    return RemoteFile("faces.tgz", SHA256, (server.url(),))


def fails(file, directory):
    with pytest.raises(InputError) as caught:
        download(file, directory, instead="use --source=PATH")
    message = str(caught.value)
    assert message.endswith("use --source=PATH")
    assert "\n" not in message
    assert not (directory / file.name).exists()
    return message


def names(directory):
    return sorted(path.name for path in directory.iterdir())


def test_a_file_is_downloaded_into_a_folder_that_is_made(faces, tmp_path):
    path = download(faces, tmp_path / "a/b", instead="")
    assert path == tmp_path / "a/b/faces.tgz"
    assert path.read_bytes() == CONTENT
    assert names(tmp_path / "a/b") == ["faces.tgz"]


def test_it_is_downloaded_once(faces, server, tmp_path):
    for _ in range(2):
        download(faces, tmp_path, instead="")
    assert len(server.asked) == 1


def test_a_changed_file_is_downloaded_anew(faces, tmp_path):
    (tmp_path / "faces.tgz").write_bytes(b"changed")
    assert download(faces, tmp_path, instead="").read_bytes() == CONTENT


def test_after_a_broken_connection_the_next_call_goes_on(faces, server, tmp_path):
    server.breaks_off_after = 100_000
    assert "broke off after 100,000 of 256,000 bytes" in fails(faces, tmp_path)
    assert names(tmp_path) == ["faces.tgz.partial"]
    server.breaks_off_after = None
    assert download(faces, tmp_path, instead="").read_bytes() == CONTENT
    assert server.asked == ["bytes=0-", "bytes=100000-"]
    assert names(tmp_path) == ["faces.tgz"]


def test_a_server_without_ranges_sends_all_again(faces, server, tmp_path):
    server.knows_ranges = False
    (tmp_path / "faces.tgz.partial").write_bytes(bytes(200_000))
    assert download(faces, tmp_path, instead="").read_bytes() == CONTENT


def test_killed_before_the_last_rename_nothing_is_downloaded_again(faces, tmp_path):
    (tmp_path / "faces.tgz.partial").write_bytes(CONTENT)
    assert download(faces, tmp_path, instead="").read_bytes() == CONTENT


def test_another_file_than_expected_is_deleted(server, tmp_path):
    file = RemoteFile("faces.tgz", "0" * 64, (server.url(),))
    assert f"sha256 is {SHA256}, not {'0' * 64}" in fails(file, tmp_path)
    assert names(tmp_path) == []


def test_a_wrong_partial_file_costs_one_call(faces, tmp_path):
    (tmp_path / "faces.tgz.partial").write_bytes(bytes(100_000))
    assert "so it was deleted" in fails(faces, tmp_path)
    assert download(faces, tmp_path, instead="").read_bytes() == CONTENT


@pytest.mark.parametrize("status", [202, 404, 416, 503])
def test_a_file_that_is_not_given_is_said_with_its_address(
    faces, server, status, tmp_path
):
    server.status = status
    assert f"{server.url()}: it answers {status} " in fails(faces, tmp_path)


def test_the_places_are_tried_in_turn_and_each_has_its_reason(server, tmp_path):
    gone = "http://127.0.0.1:1/faces.tgz"
    file = RemoteFile("faces.tgz", SHA256, (gone, server.url()))
    assert download(file, tmp_path, instead="").read_bytes() == CONTENT
    server.status = 404
    file = RemoteFile("other.tgz", SHA256, (gone, server.url()))
    message = fails(file, tmp_path)
    assert message.startswith("other.tgz could not be downloaded (")
    assert f"{gone}: [Errno 111] Connection refused; {server.url()}: it" in message


def test_a_silent_server_is_given_up(faces, server, tmp_path, monkeypatch):
    monkeypatch.setattr(downloads, "_TIMEOUT", 0.1)
    answer = threading.Event()
    monkeypatch.setattr(Handler, "do_GET", lambda self: answer.wait())
    assert "timed out" in fails(faces, tmp_path)
    answer.set()


def test_an_interrupt_leaves_what_has_come(faces, tmp_path, monkeypatch):
    def interrupted(partial, sha256):
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr(downloads, "_check", interrupted)
        with pytest.raises(KeyboardInterrupt):
            download(faces, tmp_path, instead="")
    assert names(tmp_path) == ["faces.tgz.partial"]
    assert download(faces, tmp_path, instead="").read_bytes() == CONTENT


def test_a_folder_that_cannot_be_written_is_named(faces, tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(InputError, match="file: cannot write a download there"):
        download(faces, tmp_path / "file", instead="")


def test_of_several_at_once_one_downloads(faces, server, tmp_path):
    """In threads here; processes are kept apart in the same way."""
    paths = []

    def fetch():
        paths.append(download(faces, tmp_path, instead=""))

    threads = [threading.Thread(target=fetch) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert paths == [tmp_path / "faces.tgz"] * 4
    assert paths[0].read_bytes() == CONTENT
    assert len(server.asked) == 1
    assert names(tmp_path) == ["faces.tgz"]
