"""The command line as a user meets it: help, examples, exit codes, one-line errors."""

from __future__ import annotations

import json
import socket
from collections.abc import Iterator
from pathlib import Path

import click
import pytest
from click.testing import CliRunner

from kelsey.cli import cli


def commands(group: click.Group, path: tuple[str, ...] = ()) -> Iterator[tuple[str, ...]]:
    for name, command in group.commands.items():
        if isinstance(command, click.Group):
            yield from commands(command, (*path, name))
        else:
            yield (*path, name)


ALL = list(commands(cli))


def run(*arguments: str) -> tuple[int, str, str]:
    result = CliRunner().invoke(cli, list(arguments), prog_name="kelsey")
    assert result.exception is None or isinstance(result.exception, SystemExit), result.exception
    return result.exit_code, result.stdout, result.stderr


def test_the_promised_commands_are_there() -> None:
    promised = {
        ("demo",), ("intake",), ("backtest", "vaers"), ("score",), ("replay",), ("doctor",),
        ("site", "topics"), ("site", "run"), ("site", "pairs"), ("site", "status"), ("hub", "serve"), ("hub", "status"),
    }  # fmt: skip
    assert promised <= set(ALL)


@pytest.mark.parametrize("path", ALL, ids=" ".join)
def test_every_command_has_help_with_an_example_of_itself(path: tuple[str, ...]) -> None:
    code, out, _ = run(*path, "--help")
    assert code == 0
    assert "Example" in out
    assert f"kelsey {' '.join(path)}" in out.split("Example", 1)[1]


@pytest.mark.parametrize("path", ALL, ids=" ".join)
def test_an_unknown_option_is_wrong_usage(path: tuple[str, ...]) -> None:
    code, out, err = run(*path, "--no-such-option")
    assert (code, out) == (2, "")
    assert "No such option" in err


@pytest.mark.parametrize(
    "arguments",
    [
        ("score", "--reports", "missing.csv", "--out", "x.csv"),
        ("backtest", "vaers", "--out", "x"),
        ("backtest", "vaers", "missing.zip", "--out", "x"),
        ("doctor",),
        ("intake", "missing.json", "--out", "a", "--dead-letters", "b"),
    ],
)
def test_missing_files_and_arguments_are_wrong_usage(arguments: tuple[str, ...]) -> None:
    code, _, err = run(*arguments)
    assert code == 2
    assert "Traceback" not in err


def test_a_port_that_is_taken_is_said_before_the_demonstration_is_played(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        code, _, err = run("demo", "--serve", "--port", str(port), "--out", str(tmp_path / "demo"))
    assert code == 1
    assert f"127.0.0.1:{port} cannot be listened on: Address already in use (choose another with --port)" in err
    assert not (tmp_path / "demo").exists()


def test_a_failure_is_one_line_with_the_way_out(tmp_path: Path) -> None:
    (tmp_path / "bad.csv").write_text("case_id,drug\n1,a\n")
    code, _, err = run("score", "--reports", str(tmp_path / "bad.csv"), "--out", str(tmp_path / "o.csv"))
    assert code == 1
    assert err.startswith("kelsey: ")
    assert err.count("\n") == 1
    assert "reaction" in err


def test_a_factorisation_is_made_and_a_protocol_counts_with_it(tmp_path: Path) -> None:
    artefact, out = str(tmp_path / "matrix.json"), str(tmp_path / "protocol.json")
    calendar = ("--start", "2027-01-01", "--epoch", "month", "--epochs", "12")
    code, text, err = run("protocol", "factorise", *calendar, "--read", "quarter", "--out", artefact, "--json")
    facts = json.loads(text)
    assert code == 0, err
    assert "optimum above" in err
    assert facts["noise_factor_read_worst"] < 1.45 < facts["square_root_read_worst"]
    assert facts["noise_factor_worst"] < facts["optimum_above"] * 1.001
    made = ("protocol", "new", "--name", "pilot", "--era", "2027", "--epsilon", "1", "--delta", "1e-6", "--out", out)
    code, _, err = run(*made, *calendar, "--factorisation", artefact)
    assert code == 0, err
    code, text, _ = run("protocol", "show", out, "--json")
    assert json.loads(text)["factorisation"] == f"artefact {facts['hash']}, 12 bits"
    (tmp_path / "protocol.factorisation.json").unlink()
    code, _, err = run("protocol", "show", out)
    assert (code, "not at hand" in err) == (1, True)
    code, _, err = run("protocol", "show", out, "--factorisation", artefact)
    assert code == 0, err
    code, _, err = run(
        *made, "--start", "2027-01-01", "--epoch", "month", "--epochs", "13", "--factorisation", artefact
    )
    assert (code, "epochs" in err) == (1, True)
    code, _, err = run(
        *made, "--start", "2027-01-01", "--epoch", "day", "--epochs", "365", "--factorisation", "daily-year"
    )
    assert code == 0, err
    code, text, err = run(
        "protocol", "factorise", *calendar, "--read", "all", "--kind", "buffered-toeplitz", "--out", artefact
    )
    assert code == 0, err
    assert "buffered-toeplitz" in text
    code, _, err = run(
        "protocol", "factorise", "--start", "2027-01-01", "--epoch", "day", "--epochs", "2001", "--out", artefact
    )
    assert (code, "buffered-toeplitz" in err) == (1, True)


def test_a_protocol_is_made_and_said_in_words(tmp_path: Path) -> None:
    out = str(tmp_path / "protocol.json")
    code, text, err = run(
        "protocol", "new", "--name", "pilot", "--era", "2027", "--start", "2027-01-01", "--epoch", "month",
        "--epochs", "12", "--epsilon", "8", "--delta", "1e-6", "--out", out,
    )  # fmt: skip
    assert code == 0, err
    assert "hash" in text
    assert "epsilon 8 is above 5" in err
    code, text, _ = run("protocol", "show", out, "--json")
    facts = json.loads(text)
    assert code == 0
    assert "epsilon 8" in facts["guarantee"]
    code, _, err = run(
        "protocol", "new", "--name", "pilot", "--era", "2027", "--start", "2027-01-01", "--epoch", "month",
        "--epochs", "12", "--epsilon", "1", "--delta", "1e-6", "--rule", "astrology",
        "--out", str(tmp_path / "no.json"),
    )  # fmt: skip
    assert (code, "known: " in err) == (1, True)
    assert not (tmp_path / "no.json").exists()
    (tmp_path / "torn.json").write_text("{")
    code, _, err = run("protocol", "show", str(tmp_path / "torn.json"))
    assert f"protocol file {tmp_path / 'torn.json'}: not a surveillance protocol" in err
    assert (code, err.count("\n")) == (1, 1)


@pytest.mark.parametrize("folder", ["missing", "file"])
def test_a_file_that_could_not_be_written_is_refused_before_the_work(tmp_path: Path, folder: str) -> None:
    (tmp_path / "file").touch()
    code, _, err = run(
        "protocol", "factorise", "--epoch", "week", "--start", "2027-01-04", "--epochs", "4",
        "--out", str(tmp_path / folder / "f.json"),
    )  # fmt: skip
    assert (code, f"Folder '{tmp_path / folder}' does not exist." in err) == (2, True)
    assert "step 0" not in err
