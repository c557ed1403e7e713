"""A workflow of AutoKitteh that registers a user, once, however often AutoKitteh runs its activities.

Instead of a driver and a DSN it has gateway.py beside it: see autokitteh.yaml. `python3 _terminal.py` runs it without
AutoKitteh.
"""

from autokitteh import activity

import gateway

INSERT = "INSERT INTO users (email, name) VALUES (:email, :name) RETURNING id"


def on_signup(event, session_id):
    """The workflow: AutoKitteh passes the session's ID to a handler that has this parameter.

    The ID is the same when the session is replayed, and when a session that is not durable is run again from its start.
    The activities get theirs from it, here: a step of this session each.
    """
    user = event.data.body.json
    user_id = register_user(f"{session_id}/register-user", user["email"], user["name"])
    users = list_users(f"{session_id}/list-users")
    print(f"{user['email']} is user {user_id}, one of {len(users)}")


# The decorator makes the whole function one activity. Without it each call into a library within would be one by itself.
@activity
def register_user(activity_id, email, name):
    answer = gateway.run(
        "execute",
        {"activityId": activity_id, "sql": INSERT, "parameters": {"email": email, "name": name}},
    )
    return answer["rows"][0]["id"]


@activity
def list_users(activity_id):
    return gateway.run("query", {"activityId": activity_id, "sql": "SELECT * FROM users"})["rows"]
