//! The command line, as far as it needs no functions. The running command is tested end to end.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on says so at once")]

use std::process::{Command, Output};

fn local(arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_local")).args(arguments).output().unwrap()
}

#[test]
fn arguments_that_contradict_each_other_are_refused() {
    let refused = local(&["--no-build", "--memory", "--data", "somewhere"]);
    assert_eq!(refused.status.code(), Some(2));
    assert!(String::from_utf8_lossy(&refused.stderr).contains("cannot be used with"));
    assert_eq!(local(&["--http", "nowhere"]).status.code(), Some(2));
    assert_eq!(local(&["--env", "JWT_ISSUERS"]).status.code(), Some(2));
}

#[test]
fn the_help_names_every_argument() {
    let help = local(&["--help"]);
    assert!(help.status.success());
    let help = String::from_utf8(help.stdout).unwrap();
    let arguments = ["token", "--http", "--ws", "--dynamodb", "--data", "--memory", "--no-demo", "--release"];
    for argument in arguments.into_iter().chain(["--no-build", "--env", "--ready-file"]) {
        assert!(help.contains(argument), "{argument}");
    }
}
