"""Writes through the gateway with the client of examples/python, until it is killed.

    python3 writer.py FOLDER URL PREFIX

FOLDER contains gateway.py. Prints "done ID" for each write that was answered, and ends with 1 if an answer says that
sending the request again is of no use.
"""

import itertools
import sys
import time

folder, url, prefix = sys.argv[1:]
sys.path.insert(0, folder)

import gateway  # noqa: E402

for number in itertools.count():
    request = {
        "activityId": f"{prefix}/{number}",
        "timeoutMs": 5000,
        "sql": "INSERT INTO effects (activity) VALUES ($1) RETURNING activity, at::text",
        "parameters": [f"{prefix}/{number}"],
    }
    while True:
        try:
            gateway.run("execute", request, tries=2, url=url)
            break
        except gateway.GatewayError as error:
            if not error.retryable:
                sys.exit(str(error))
    print("done", request["activityId"], flush=True)
    time.sleep(0.1)
