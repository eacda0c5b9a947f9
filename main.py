"""The only file that wires everything: the command line, one verb a function.

`./moondev VERB ...` prepares the environment and runs this file with the same arguments.
Heavy libraries are imported inside the verbs that need them, so that help and errors stay instant.
"""

import typer

app = typer.Typer(
    help="MoonDev AlgoTrade: a trading service steered from chat.", no_args_is_help=True, add_completion=False
)


@app.callback()
def moondev() -> None:
    """Trade perpetual futures on paper or live, steered from chat."""


@app.command()
def version() -> None:
    """Print the version."""
    typer.echo("moondev 0.1.0")


if __name__ == "__main__":
    app(prog_name="moondev")
