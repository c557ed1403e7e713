"""An activity that writes: it registers a user, or brings the name of a known one up to date.

An engine runs an activity again when it lost the answer, also when the write had been committed by then. With
``at-least-once`` the gateway records nothing and writes each time, so the statement must be one that does the same
however often it runs: an upsert does, ``balance = balance + 10`` does not. ``exactly-once``, the default, lifts that
limit; it needs the gateway's journal in the target database, which comes later.
"""

from __future__ import annotations

import sys

import gateway

UPSERT = """
    INSERT INTO users (email, name) VALUES (:email, :name)
    ON CONFLICT (email) DO UPDATE SET name = excluded.name
    RETURNING id
"""


def register_user(activity_id: str, email: str, name: str, attempt: int = 1) -> int:
    """The activity; gives the user's ID, the same at each try."""
    answer = gateway.run(
        "execute",
        {
            "activityId": activity_id,
            "attempt": attempt,
            "delivery": "at-least-once",
            "sql": UPSERT,
            "parameters": {"email": email, "name": name},
            "expect": {"rowCount": 1},
        },
    )
    return answer["rows"][0]["id"]


if __name__ == "__main__":
    if len(sys.argv) != 3:
        sys.exit("usage: register_user_activity.py EMAIL NAME")
    try:
        print(register_user(f"example-run-1/register/{sys.argv[1]}", email=sys.argv[1], name=sys.argv[2]))
    except gateway.GatewayError as error:
        sys.exit(str(error))
