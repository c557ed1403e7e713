"""Runs the workflow of program.py from a terminal, without AutoKitteh; `ak deploy` leaves out what begins with an underscore.

    python3 _terminal.py SESSION EMAIL NAME

The same SESSION is the same session, run again.
"""

from __future__ import annotations

import functools
import pathlib
import pickle
import sys
import types


class Attributes(dict):
    """A dictionary whose items are attributes too, all the way down, as an event's data are."""

    def __getattr__(self, name):
        value = self[name]
        return Attributes(value) if isinstance(value, dict) else value


def activity(function):
    """Takes arguments, result and error through pickle, as AutoKitteh does on the way to an activity and back."""

    @functools.wraps(function)
    def run(*arguments):
        try:
            result = function(*pickle.loads(pickle.dumps(arguments)))
        except Exception as error:
            raise pickle.loads(pickle.dumps(error)) from None
        return pickle.loads(pickle.dumps(result))

    return run


def main(session_id, email, name):
    # The package is AutoKitteh's own, and brings its runner's client along: all that the program takes of it is this.
    sys.modules["autokitteh"] = types.SimpleNamespace(activity=activity)
    sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent / "python"))
    import gateway
    import program

    event = Attributes(data={"method": "POST", "body": {"json": {"email": email, "name": name}}})
    try:
        program.on_signup(event, session_id)
    except gateway.GatewayError as error:
        sys.exit(str(error))


if __name__ == "__main__":
    if len(sys.argv) != 4:
        sys.exit("usage: _terminal.py SESSION EMAIL NAME")
    main(*sys.argv[1:])
