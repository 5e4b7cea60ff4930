"""Checks that cannot be skipped: with CI=true a test that is skipped for want of something that
the machine could have fails the run.
"""

import os

import pytest

MAY_LACK = ("no CUDA device",)


def skipped_without_need(reports: list[pytest.TestReport]) -> list[str]:
    """ "test: reason" of each skipped test that this machine could have run."""
    found = []
    for report in reports:
        reason = str(report.longrepr[2] if isinstance(report.longrepr, tuple) else report.longrepr)
        if not any(allowed in reason for allowed in MAY_LACK):
            found.append(f"{report.nodeid}: {reason.removeprefix('Skipped: ')}")
    return found


@pytest.hookimpl(trylast=True)
def pytest_sessionfinish(session: pytest.Session) -> None:
    """With CI=true a skipped test is a failed one."""
    terminal = session.config.pluginmanager.get_plugin("terminalreporter")
    if os.environ.get("CI") != "true" or terminal is None or hasattr(session.config, "workerinput"):
        return
    skipped = skipped_without_need(terminal.stats.get("skipped", []))
    if skipped:
        terminal.write_line(f"CI=true and {len(skipped)} tests were skipped:", red=True)
        for line in skipped:
            terminal.write_line(f"  {line}")
        session.exitstatus = pytest.ExitCode.TESTS_FAILED
