# SPDX-License-Identifier: MIT
"""Plugins that run in an interpreter of their own. One of them leaves a thread behind, and its interpreter never ends."""

import os
import queue
import sys
import threading

HERE = os.path.dirname(os.path.abspath(__file__))
jobs = queue.Queue()


def run_plugin(code):
    """Runs code in a new interpreter, and destroys the interpreter."""
    code = "import sys; sys.path.insert(0, %r)\n%s" % (HERE, code)
    if sys.version_info < (3, 12):
        import _testcapi

        _testcapi.run_in_subinterp(code)
        return
    if sys.version_info < (3, 13):
        import _xxsubinterpreters as interpreters
    else:
        import _interpreters as interpreters
    number = interpreters.create()
    interpreters.run_string(number, code)
    interpreters.destroy(number)


def test_idle_worker():
    worker = threading.Thread(target=lambda: [job() for job in iter(jobs.get, None)], name="idle-worker", daemon=True)
    worker.start()
    assert worker.is_alive()


def test_plugin():
    run_plugin("import plugin; plugin.greet('world')")


def test_plugin_with_heartbeat():
    run_plugin("import plugin; plugin.start_heartbeat()")
