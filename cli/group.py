"""The group of commands: each is imported when it is asked for, every failure becomes one line."""

from __future__ import annotations

import importlib
import os
import sys
from collections.abc import Sequence
from typing import Any, NoReturn

import click

from .interrupt import tell

DONE, FAILED, BAD_INPUT, BELOW_CONFIDENCE = 0, 1, 2, 5
COMMANDS = (
    "init",
    "check",
    "run",
    "batch",
    "goal",
    "compare",
    "sensitivity",
    "fit",
    "backtest",
    "evaluate",
    "nightly",
    "history",
    "journey",
    "schema",
)
DEBUG = "FORECAST_DEBUG"


class Failure(Exception):
    """A failure that is told in one line or several."""

    exit_code = FAILED


class BadInput(Exception):
    """What was given cannot be used: one line a fault."""

    exit_code = BAD_INPUT


class LazyGroup(click.Group):
    """A group whose commands live in modules of their own name."""

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002
        """Name the commands in the order in which one meets them."""
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:  # noqa: ARG002
        """Import a command's module and give the command."""
        if cmd_name not in COMMANDS:
            return None
        module = importlib.import_module(f".{cmd_name}", __package__)
        command: click.Command = module.command
        return command

    def main(
        self,
        args: Sequence[str] | None = None,
        prog_name: str | None = None,
        complete_var: str | None = None,
        standalone_mode: bool = True,  # noqa: ARG002
        **extra: Any,
    ) -> NoReturn:
        """Run a command and exit with its code; errors are told without a traceback."""
        try:
            code = super().main(
                args, prog_name or "forecast", complete_var, standalone_mode=False, **extra
            )
            sys.stdout.flush()
        except BrokenPipeError:
            code = _hang_up()
        except click.ClickException as error:
            code = _complain(error)
        except (click.exceptions.Abort, KeyboardInterrupt):
            code = tell()
        except Exception as error:
            code = _explain(error)
        sys.exit(code if isinstance(code, int) else DONE)


def _hang_up() -> int:
    """The reader of our output is gone (``| head``): end quietly."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    return FAILED


def _complain(error: click.ClickException) -> int:
    """Say in one line what was wrong with what was typed; gives the exit code."""
    if isinstance(error, click.exceptions.NoArgsIsHelpError):
        error.show()
        return error.exit_code
    context = getattr(error, "ctx", None)
    command = context.command_path if context else "forecast"
    message = " ".join(error.format_message().split()).rstrip(".")
    click.echo(f"{command}: {message}. See {command} --help.", err=True)
    return error.exit_code


def _explain(error: Exception) -> int:
    """Say in plain lines what went wrong; gives the exit code.

    Errors that are meant for people, the library's too, have an ``exit_code`` and words enough.
    """
    code = getattr(error, "exit_code", None)
    if isinstance(code, int):
        click.echo(str(error), err=True)
        return code
    if os.environ.get(DEBUG):
        raise error
    if isinstance(error, OSError):
        where = f"{error.filename}: " if error.filename else ""
        click.echo(f"forecast: {where}{error.strerror or error}.", err=True)
        return FAILED
    if isinstance(error, MemoryError):
        click.echo("Not enough memory for so many runs. Lower --runs.", err=True)
        return FAILED
    click.echo(
        f"forecast failed unexpectedly: {type(error).__name__}: "
        f"{' '.join(str(error).split()) or '(no message)'}. "
        f"Run it again with {DEBUG}=1 for details to report.",
        err=True,
    )
    return FAILED


@click.group(
    cls=LazyGroup,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
    epilog="Begin with: forecast init, forecast check scenario.yaml, forecast run scenario.yaml.",
)
@click.version_option(package_name="pipecast", prog_name="forecast", message="%(prog)s %(version)s")
def cli() -> None:
    """Forecast a marketing and sales pipeline: how sure are we to make the number?"""
