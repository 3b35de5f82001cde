"""Says when each test begins and how it ended, a line of JSON each, past what pytest captures."""

import json
import os

_out = os.fdopen(os.dup(1), "w", buffering=1)
_outcomes = {}


def _say(**said):
    _out.write("\n" + json.dumps(said) + "\n")


def pytest_runtest_logstart(nodeid, location):
    _outcomes[nodeid] = ("passed", None)
    _say(pytest=nodeid)


def pytest_runtest_logreport(report):
    if report.failed:
        _outcomes[report.nodeid] = ("failed", report.longreprtext)
    elif report.skipped and _outcomes[report.nodeid][0] == "passed":
        _outcomes[report.nodeid] = ("skipped", None)


def pytest_runtest_logfinish(nodeid, location):
    outcome, failure = _outcomes.pop(nodeid)
    _say(pytest=nodeid, outcome=outcome, failure=failure)
