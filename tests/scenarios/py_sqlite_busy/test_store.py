# SPDX-License-Identifier: MIT
import sqlite3
import threading


def test_that_writes_by_two_connections(tmp_path):
    first = sqlite3.connect(tmp_path / "store")
    first.execute("create table items (name)")
    first.execute("insert into items values ('a')")  # begins a transaction, and nobody commits it

    def write():
        second = sqlite3.connect(tmp_path / "store", timeout=3600)
        second.execute("insert into items values ('b')")  # HERE polls

    thread = threading.Thread(target=write, name="writer", daemon=True)
    thread.start()
    thread.join()
    first.commit()
