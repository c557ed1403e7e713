"""An activity that writes: it registers a user.

An engine runs an activity again when it lost the answer, also when the write had been committed by then. The gateway
records the answer under the activity ID, in the transaction of the write, so that the same activity is answered from its
record: the plain INSERT below runs once, and its second run does not fail by the user that the first has made. A user who
is known already, by another activity, is an error: ``sql_error``, with the ``constraint`` that says so.
"""

from __future__ import annotations

import sys

import gateway

INSERT = "INSERT INTO users (email, name) VALUES (:email, :name) RETURNING id"


def register_user(activity_id: str, email: str, name: str, attempt: int = 1) -> int:
    """The activity; gives the user's ID, the same at each try."""
    answer = gateway.run(
        "execute",
        {
            "activityId": activity_id,
            "attempt": attempt,
            "sql": INSERT,
            "parameters": {"email": email, "name": name},
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
