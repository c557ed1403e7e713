"""An activity that holds the DSN: it connects, runs its statement, commits and closes.

Reads a command from each line and answers with a line of JSON. Ends when its input ends. Environment: DSN.

    run WORK CLIENTS SECONDS    runs activities in CLIENTS threads; returns the result, with times in microseconds
    ask WORK ACCOUNT            runs one activity; returns the rows
"""

import json
import os
import random
import signal
import sys
import threading
import time

import psycopg2

ROWS = 1_000_000
PAGE = 1000
DSN = os.environ["DSN"]

ACCOUNTS = "SELECT aid, bid, abalance, filler FROM pgbench_accounts"
UPDATE = "UPDATE pgbench_accounts SET abalance = abalance + %s WHERE aid = %s RETURNING abalance"


def point_select(cursor, account):
    cursor.execute(f"{ACCOUNTS} WHERE aid = %s", (account,))
    return cursor.fetchall()


def page(cursor, account):
    cursor.execute(f"{ACCOUNTS} WHERE aid BETWEEN %s AND %s + 999 ORDER BY aid", (account, account))
    return cursor.fetchall()


def update(cursor, account):
    cursor.execute(UPDATE, (1, account))
    return cursor.fetchall()


def transaction(cursor, account):
    cursor.execute(UPDATE, (1, account))
    cursor.fetchall()
    cursor.execute("SELECT aid, bid, abalance FROM pgbench_accounts WHERE aid = %s", (account,))
    rows, description = cursor.fetchall(), cursor.description
    cursor.execute(
        "INSERT INTO pgbench_history (tid, bid, aid, delta, mtime) VALUES (1, 1, %s, %s, CURRENT_TIMESTAMP)",
        (account, 1),
    )
    return [dict(zip((column.name for column in description), row)) for row in rows]


WORKS = {"point-select": point_select, "page": page, "update": update, "transaction": transaction}


def activity(work, account):
    connection = psycopg2.connect(DSN)
    try:
        with connection, connection.cursor() as cursor:
            rows = work(cursor, account)
            return rows, cursor.description
    finally:
        connection.close()


def ask(work, account):
    rows, description = activity(work, account)
    # The rows of a transaction have names already: its last statement returns no rows.
    return rows if description is None else [dict(zip((column.name for column in description), row)) for row in rows]


class Client(threading.Thread):
    def __init__(self, work, end):
        super().__init__(daemon=True)
        self.work = work
        self.end = end
        self.latencies = []
        self.errors = 0

    def run(self):
        begun = time.perf_counter()
        while begun < self.end:
            try:
                activity(self.work, random.randint(1, ROWS - PAGE + 1))
                self.latencies.append(time.perf_counter() - begun)
            except psycopg2.Error as error:
                self.errors += 1
                print(f"psycopg2: {error}", file=sys.stderr)
            begun = time.perf_counter()


def run(work, clients, seconds):
    begun = time.perf_counter()
    threads = [Client(work, begun + seconds) for _ in range(clients)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    elapsed = time.perf_counter() - begun
    latencies = sorted(latency for thread in threads for latency in thread.latencies)

    def percentile(share):
        return latencies[max(0, -int(-share * len(latencies) // 1) - 1)] * 1e6 if latencies else 0

    return {
        "requests": len(latencies),
        "errors": sum(thread.errors for thread in threads),
        "seconds": elapsed,
        "p50": percentile(0.5),
        "p99": percentile(0.99),
    }


# The benchmark handles Ctrl+C in a terminal.
signal.signal(signal.SIGINT, signal.SIG_IGN)
for line in sys.stdin:
    command, work, *numbers = line.split()
    if command == "run":
        answer = run(WORKS[work], int(numbers[0]), float(numbers[1]))
    else:
        answer = ask(WORKS[work], int(numbers[0]))
    print(json.dumps(answer), flush=True)
