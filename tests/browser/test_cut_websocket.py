"""The recipe of the guide: a browser's WebSocket is cut, and its page comes back."""

import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

import simlib as sl
from tests.browser.chromium import open_page

pytestmark = [pytest.mark.browser, pytest.mark.live]

PAGE = """
<p id="state">connecting</p>
<script>
  const codes = [];
  function connect() {
    const socket = new WebSocket(new URLSearchParams(location.search).get("socket"));
    socket.onopen = () => { state.textContent = `connected ${codes.length + 1}`; };
    socket.onclose = (event) => {
      codes.push(event.code);
      state.textContent = "reconnecting";
      setTimeout(connect, 50);
    };
  }
  connect();
</script>
"""


class Site(BaseHTTPRequestHandler):
    """Serves the page. From a page that is not of this machine, Chromium opens no local socket."""

    def do_GET(self):
        self.send_response(200)
        self.send_header("Content-Type", "text/html")
        self.end_headers()
        self.wfile.write(PAGE.encode())

    def log_message(self, *_):
        pass


@pytest.fixture
def site():
    with ThreadingHTTPServer(("127.0.0.1", 0), Site) as server:
        serving = threading.Thread(target=server.serve_forever)
        serving.start()
        yield f"http://127.0.0.1:{server.server_port}/"
        server.shutdown()
        serving.join()


@pytest.fixture
def page(browser):
    return open_page(browser)


def test_a_browser_s_websocket_is_cut_and_comes_back(page, site):
    with sl.BadServer() as server, sl.FaultProxy(server.url) as proxy:
        page.goto(f"{site}?socket={proxy.url}")
        page.get_by_text("connected 1").wait_for()
        proxy.cut()
        page.get_by_text("connected 2").wait_for()
        assert [1006] == page.evaluate("codes")
        proxy.refuse()
        page.wait_for_function("codes.length >= 3")
        proxy.restore()
        page.get_by_text("connected").wait_for()
        # A close with a code comes from the server, through the proxy.
        server.close(1012)
        server.accept()
        page.wait_for_function("codes.includes(1012)")
        page.get_by_text("connected").wait_for()
