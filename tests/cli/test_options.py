"""What commands share."""

from __future__ import annotations

import click
import pytest
from click.testing import CliRunner

from slaeval.cli.options import resumable


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ([], "stopped; run the same command to resume"),
        (["--restart"], "stopped; run the same command without --restart to resume"),
    ],
)
def test_ctrl_c_says_how_to_go_on(arguments: list[str], said: str) -> None:
    @click.command()
    @click.option("--restart", is_flag=True)
    def command(restart: bool) -> None:
        with resumable():
            raise KeyboardInterrupt

    assert said in CliRunner().invoke(command, arguments).output.splitlines()
