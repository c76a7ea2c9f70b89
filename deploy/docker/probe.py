"""Asks a page of health in the same container: exit status 0 when it says 200, else 1 with what it said.

It stands alone and imports little: it runs every few seconds beside the process that it watches.
"""

import os
import sys
from http.client import HTTPConnection, HTTPException
from urllib.parse import urlsplit

TIMEOUT_S = 3.0
LONGEST_ANSWER = 2_000


def probe(url: str) -> tuple[int, str]:
    """Ask once.

    Parameters
    ----------
    url
        `http://HOST:PORT/PAGE`.
    """
    parts = urlsplit(url)
    connection = HTTPConnection(parts.hostname or "", parts.port, timeout=TIMEOUT_S)
    try:
        connection.request("GET", parts.path or "/")
        answer = connection.getresponse()
        said = answer.read(LONGEST_ANSWER).decode("utf-8", "replace")
    except (OSError, HTTPException) as error:
        return 1, f"{url}: {error}"
    else:
        return int(answer.status != 200), f"{url}: {answer.status} {said}"
    finally:
        connection.close()


if __name__ == "__main__":
    status, message = probe(os.environ.get("PROBE_URL", "http://127.0.0.1:6066/livez"))
    sys.stdout.write(message + "\n")
    sys.exit(status)
