//! The command line, as far as it works without functions. The end-to-end tests cover the running command.

#![expect(clippy::unwrap_used, reason = "a test fails at the first unexpected result")]

use std::process::{Command, Output};

fn local(arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_local")).args(arguments).output().unwrap()
}

#[test]
fn invalid_and_conflicting_arguments_are_rejected() {
    let rejected = local(&["--no-build", "--memory", "--data", "somewhere"]);
    assert_eq!(rejected.status.code(), Some(2));
    assert!(String::from_utf8_lossy(&rejected.stderr).contains("cannot be used with"));
    assert_eq!(local(&["--http", "nowhere"]).status.code(), Some(2));
    assert_eq!(local(&["--env", "JWT_ISSUERS"]).status.code(), Some(2));
    assert_eq!(local(&["--param", "=x"]).status.code(), Some(2));
}

#[test]
fn the_help_lists_every_argument() {
    let help = local(&["--help"]);
    assert!(help.status.success());
    let help = String::from_utf8(help.stdout).unwrap();
    let arguments = [
        "token",
        "socket",
        "smoke",
        "--http",
        "--ws",
        "--dynamodb",
        "--data",
        "--memory",
        "--no-demo",
        "--release",
    ];
    for argument in arguments.into_iter().chain(["--no-build", "--param", "--env", "--ready-file"]) {
        assert!(help.contains(argument), "{argument}");
    }
}
