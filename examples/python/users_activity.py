"""An activity that reads all users, over HTTP.

It replaces the one that every workflow with a database starts from:

    @activity
    def list_users():
        connection = psycopg2.connect(os.environ["DSN"])
        with connection, connection.cursor() as cursor:
            cursor.execute("SELECT * FROM users")
            return cursor.fetchall()

No driver and no DSN here: both are the gateway's. In a workflow put your engine's decorator on the function, as above.
"""

from __future__ import annotations

import json
import sys
from typing import Any

import gateway


def list_users(activity_id: str, attempt: int = 1) -> list[dict[str, Any]]:
    """The activity. Its ID comes from the workflow: one made in here would differ at each try.

    attempt     which try of the activity this is, as the engine counts
    """
    answer = gateway.run(
        "query",
        {"activityId": activity_id, "attempt": attempt, "sql": "SELECT * FROM users"},
    )
    return answer["rows"]


if __name__ == "__main__":
    # This stands in for the workflow: the same run and step have the same ID, however often the step is run.
    try:
        users = list_users(activity_id=sys.argv[1] if len(sys.argv) > 1 else "example-run-1/list-users")
    except gateway.GatewayError as error:
        sys.exit(str(error))
    for user in users:
        print(json.dumps(user, default=str, ensure_ascii=False))
