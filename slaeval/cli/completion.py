"""``slaeval completion``: the script a shell needs to complete slaeval's commands."""

from __future__ import annotations

import click

__all__ = ["completion"]


@click.command()
@click.argument("shell", type=click.Choice(["bash", "zsh", "fish"]))
def completion(shell: str) -> None:
    """Print the completion script of a shell.

    \b
    bash:  slaeval completion bash >> ~/.bashrc
    zsh:   slaeval completion zsh  >> ~/.zshrc
    fish:  slaeval completion fish > ~/.config/fish/completions/slaeval.fish
    """
    from click.shell_completion import get_completion_class

    from slaeval.cli.main import cli

    made = get_completion_class(shell)
    if made is None:
        raise click.UsageError(f"no completion for {shell}")
    click.echo(made(cli, {}, "slaeval", "_SLAEVAL_COMPLETE").source())
