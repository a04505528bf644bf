# SPDX-License-Identifier: MIT
import http.server
import threading
import urllib.request


class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        inner = "http://127.0.0.1:%d/inner" % server.server_port
        urllib.request.urlopen(inner).read()  # HERE server-waits

    def log_message(self, *_):
        pass


server = http.server.HTTPServer(("127.0.0.1", 0), Handler)
threading.Thread(target=server.serve_forever, name="server", daemon=True).start()
urllib.request.urlopen("http://127.0.0.1:%d/outer" % server.server_port).read()  # HERE main-waits
