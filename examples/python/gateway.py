"""The gateway from an activity, with nothing but Python's standard library (3.9 or later).

Copy this file beside your workflow. By itself it sends one request, and prints the answer:

    python3 gateway.py query '{"activityId": "try/1", "sql": "SELECT * FROM users"}'
"""

from __future__ import annotations

import datetime
import decimal
import http.client
import json
import os
import random
import sys
import time
import urllib.error
import urllib.request
import uuid
from collections.abc import Mapping
from typing import Any, Optional

DEFAULT_URL = "http://localhost:8080"
DEFAULT_TIMEOUT_MS = 15_000

# What the gateway itself is slow to say must still reach us, or a try that succeeded looks like one that failed.
ANSWER_MARGIN_SECONDS = 10.0
LONGEST_PAUSE_SECONDS = 60.0

# For this time after the first sending, an earlier attempt that is still running does not count. The longest timeoutMs
# is 5 minutes.
IN_FLIGHT_PATIENCE_SECONDS = 330.0


class GatewayError(Exception):
    """An activity's request that failed for good, or as often as it may be tried.

    code        the problem's code, such as ``sql_error``; ``unreachable`` where no answer came
    detail      what happened, in words
    status      the HTTP status; None where no answer came
    retryable   whether the same request, with the same activity ID, may yet succeed
    committed   ``no``, ``yes`` or ``unknown``: whether the last try's effect was kept
    attempt     the number of the last try
    problem     the whole problem, with ``sqlState``, ``constraint``, ``errors`` … where they apply
    """

    def __init__(
        self, code: str, detail: str, status: Optional[int], retryable: bool, attempt: int,
        committed: str = "unknown", problem: Optional[Mapping[str, Any]] = None,
    ) -> None:
        # Engines carry an error from the activity to the workflow by pickle, which makes it anew of these.
        super().__init__(code, detail, status, retryable, attempt, committed, problem)
        self.code = code
        self.detail = detail
        self.status = status
        self.retryable = retryable
        self.committed = committed
        self.attempt = attempt
        self.problem = dict(problem or {})

    def __str__(self) -> str:
        return f"{self.code}: {self.detail} (attempt {self.attempt})"


def run(
    endpoint: str, request: Mapping[str, Any], *, tries: int = 5, url: Optional[str] = None
) -> dict[str, Any]:
    """Sends a request until it is answered, and gives the answer.

    endpoint    ``query``, ``execute`` or ``transaction``
    request     the contract's fields; ``activityId`` among them, ``attempt`` is where the counting starts
    tries       how often the request is sent at most. While an earlier attempt is still running
                (``activity_in_flight``), sending it does not count.
    url         the gateway; else GATEWAY_URL, else http://localhost:8080

    The caller's key is GATEWAY_API_KEY, where the gateway asks for one.

    Every try is the same request under the same activity ID, or it would be another activity. Numbers come back with
    all their digits: an int, or a Decimal.

    Raises GatewayError.
    """
    if not request.get("activityId"):
        raise ValueError("activityId is required: the workflow makes it, so that every try of an activity has the same")
    if tries < 1:
        raise ValueError("tries is 1 or more")
    address = f"{(url or os.environ.get('GATEWAY_URL') or DEFAULT_URL).rstrip('/')}/v1/{endpoint}"
    attempt = request.get("attempt") or 1
    patience_ends = time.monotonic() + IN_FLIGHT_PATIENCE_SECONDS
    failed = 0

    while True:
        try:
            return _send(address, {**request, "attempt": attempt})
        except urllib.error.HTTPError as answer:
            error, wait = _failure(answer, attempt)
        except (OSError, http.client.HTTPException) as lost:
            # Refused, reset, timed out, cut off: whether the gateway ran it is not known. The activity ID makes
            # sending it again safe: what has been committed is recorded under it.
            reason = str(getattr(lost, "reason", None) or lost) or type(lost).__name__
            error = GatewayError(
                "unreachable", f"no answer from {address}: {reason}", status=None, retryable=True, attempt=attempt)
            wait = None

        if error.code != "activity_in_flight" or time.monotonic() > patience_ends:
            failed += 1
        if not error.retryable or failed == tries:
            raise error
        time.sleep(_pause(wait, failed))
        attempt += 1


class _NoRedirect(urllib.request.HTTPRedirectHandler):
    """urllib would follow a redirect of a POST with a GET, without its body."""

    def redirect_request(self, *_: Any) -> None:
        return None


_opener = urllib.request.build_opener(_NoRedirect)


def _send(address: str, body: Mapping[str, Any]) -> dict[str, Any]:
    headers = {"Content-Type": "application/json", "Accept": "application/json"}
    if key := os.environ.get("GATEWAY_API_KEY"):
        headers["Authorization"] = f"Bearer {key}"
    request = urllib.request.Request(
        address,
        # NaN is no JSON, and PostgreSQL takes it as the string "NaN".
        data=json.dumps(body, default=_parameter, allow_nan=False).encode(),
        headers=headers,
        method="POST",
    )
    budget = (body.get("timeoutMs") or DEFAULT_TIMEOUT_MS) / 1000
    with _opener.open(request, timeout=budget + ANSWER_MARGIN_SECONDS) as response:
        text = response.read()
    try:
        # A float would round what numeric and bigint hold.
        return json.loads(text, parse_float=decimal.Decimal)
    except ValueError:
        raise GatewayError(
            "invalid_response", f"{address} answers, but not with JSON: is it the gateway?",
            status=200, retryable=False, attempt=body["attempt"]) from None


def _failure(answer: urllib.error.HTTPError, attempt: int) -> tuple[GatewayError, Optional[float]]:
    """The problem that was answered with, and the seconds that the gateway asks to wait."""
    with answer:
        try:
            problem = json.loads(answer.read())
        except (ValueError, OSError, http.client.HTTPException):
            problem = None
    if not isinstance(problem, dict):
        problem = {}

    # Only something between us and the gateway leaves the header out.
    should_retry = answer.headers.get("X-Should-Retry", "").lower()
    retryable = should_retry == "true" if should_retry else answer.code in (408, 409, 429) or answer.code >= 500
    error = GatewayError(
        problem.get("code") or f"http_{answer.code}",
        problem.get("detail") or str(answer.reason),
        status=answer.code,
        retryable=retryable,
        committed=problem.get("committed") or "unknown",
        attempt=attempt,
        problem=problem,
    )
    wait = answer.headers.get("Retry-After", "")
    return error, float(wait) if wait.isascii() and wait.isdigit() else None


def _pause(wait: Optional[float], failed: int) -> float:
    """Seconds: what the gateway asked for, else doubling; never all callers at the same moment."""
    if wait is not None:
        return min(wait, LONGEST_PAUSE_SECONDS) + random.uniform(0, 0.5)
    return min(0.25 * 2**failed, LONGEST_PAUSE_SECONDS) * random.uniform(0.5, 1)


def _parameter(value: Any) -> str:
    """PostgreSQL reads these from their text, and so keeps every digit."""
    if isinstance(value, (decimal.Decimal, datetime.date, datetime.time, uuid.UUID)):
        return str(value)
    raise TypeError(f"a {type(value).__name__} is no JSON value: pass its text, as PostgreSQL reads it")


def _main(endpoint: str, request: str, tries: str = "5") -> None:
    try:
        answer = run(endpoint, json.loads(request, parse_float=decimal.Decimal), tries=int(tries))
    except GatewayError as error:
        sys.exit(json.dumps(vars(error), ensure_ascii=False))
    print(json.dumps(answer, default=_parameter, ensure_ascii=False))


if __name__ == "__main__":
    if len(sys.argv) not in (3, 4):
        sys.exit("usage: gateway.py query|execute|transaction REQUEST [TRIES]")
    _main(*sys.argv[1:])
