"""`completion`: the script that teaches a shell our commands."""

import click
from click.shell_completion import get_completion_class

SHELLS = ["bash", "zsh", "fish"]


@click.command()
@click.argument("shell", type=click.Choice(SHELLS))
@click.pass_context
def completion(ctx: click.Context, shell: str) -> None:
    """Print the completion script of SHELL.

    \b
    bash:  echo 'eval "$(sublet completion bash)"' >> ~/.bashrc
    zsh:   echo 'eval "$(sublet completion zsh)"' >> ~/.zshrc
    fish:  sublet completion fish > ~/.config/fish/completions/sublet.fish
    """
    kind = get_completion_class(shell)
    assert kind is not None  # click knows each of SHELLS
    click.echo(kind(ctx.find_root().command, {}, "sublet", "_SUBLET_COMPLETE").source())
