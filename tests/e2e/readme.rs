//! The commands in `README.md`: each is run here as written, or listed here with the place that proves it.

use std::{path::Path, process::Output};

use serde_json::Value;
use tokio::process::Command;

use crate::harness::process::{Process, Terminal, program};

/// The first lines of the blocks that the test in this module runs.
const EXECUTED: [&str; 2] = ["token=$(cargo run -qp local -- token ana)", "api=http://127.0.0.1:3000"];

/// The commands that this module does not run, each with its proof or the reason why there is none.
const NOT_EXECUTED: [(&str, &str); 12] = [
    ("cargo run -p local", "`demo` and `processes` run the same program"),
    (
        "cargo lambda watch -A 127.0.0.1",
        "not run; `events` compares its routes and variables with the stack's",
    ),
    (
        "cargo lambda invoke -A 127.0.0.1 -F events/users/get-me.json users-get-me",
        "`events` invokes this function with this event",
    ),
    (
        "cargo lambda invoke -A 127.0.0.1 -F events/socket/hello.json socket-hello",
        "`events` invokes this function with this event",
    ),
    ("cargo test --workspace", "runs this test"),
    ("cargo test --workspace --test simulation -- --seed 42", "the simulation tests its arguments"),
    ("cargo test --workspace --test simulation -- --schedules 100000", "the simulation tests its arguments"),
    ("npm ci --prefix .ci --ignore-scripts", "`.ci/run` installs the same packages"),
    (
        "NODE_PATH=.ci/node_modules node --test --test-concurrency=1 web/test/browser/*.test.js",
        "`.ci/run` runs the same tests",
    ),
    (".ci/run", "runs this test"),
    ("sam build", "not run; needs cross-compilation. `.ci/run` validates the template"),
    ("sam deploy", "not run; needs an AWS account. `.ci/run` validates the template"),
];

/// The addresses in `README.md`, which are the default ones.
const HTTP: &str = "127.0.0.1:3000";
const WS: &str = "ws://127.0.0.1:3001/live";

/// Runs the command of this project that the README runs with `cargo`, without building it.
const CARGO: &str = r#"
cargo() {
    [[ "${*:1:4}" == "run -qp local --" ]] || { echo "unexpected: cargo $*" >&2; return 64; }
    "$LOCAL" "${@:5}" --http "$HTTP"
}
"#;

fn read(file: &str) -> String {
    std::fs::read_to_string(local::project_root().join(file)).unwrap()
}

/// The fenced blocks of a language in a Markdown text.
fn blocks(markdown: &str, language: &str) -> Vec<String> {
    let (mut blocks, mut open) = (Vec::new(), None::<String>);
    for line in markdown.lines() {
        match (&mut open, line.strip_prefix("```")) {
            (None, Some(found)) => open = Some(if found == language { "\n" } else { "" }.to_owned()),
            (Some(block), None) if !block.is_empty() => block.extend([line, "\n"]),
            (Some(_), Some(_)) => blocks.extend(open.take().filter(|block| !block.is_empty())),
            _ => {}
        }
    }
    blocks.into_iter().map(|block| block.trim_start().to_owned()).collect()
}

/// The commands of a block, without comments.
fn commands(block: &str) -> impl Iterator<Item = &str> {
    block.lines().map(str::trim).filter(|line| !line.is_empty() && !line.starts_with('#'))
}

fn first_line(block: &str) -> &str {
    block.lines().next().unwrap_or_default()
}

#[test]
fn every_command_of_the_readme_is_executed_or_listed() {
    let readme = blocks(&read("README.md"), "sh");
    let (executed, others): (Vec<_>, Vec<_>) =
        readme.iter().partition(|block| EXECUTED.contains(&first_line(block)));
    assert_eq!(executed.len(), EXECUTED.len(), "each executed block exists once");
    let mut found: Vec<&str> = others.iter().flat_map(|block| commands(block)).collect();
    let mut listed: Vec<&str> = NOT_EXECUTED.iter().map(|(command, _)| *command).collect();
    found.sort_unstable();
    listed.sort_unstable();
    assert_eq!(found, listed, "each command is executed or listed");
}

#[test]
fn every_command_of_the_justfile_is_documented() {
    let documented = ["README.md", "CONTRIBUTING.md"].map(|file| blocks(&read(file), "sh")).concat();
    let documented: Vec<&str> = documented.iter().flat_map(|block| commands(block)).collect();
    let justfile = read("justfile");
    let called: Vec<&str> = justfile
        .lines()
        .filter_map(|line| line.strip_prefix("    "))
        .filter(|line| !line.starts_with('@'))
        .collect();
    assert!(called.len() >= 4, "{called:?}");
    for command in called {
        assert!(documented.contains(&command), "{command}");
    }
}

/// Runs a block of the README as written, with the addresses of this stack.
async fn run(stack: &Process, script: &str) -> String {
    let script = script.replace(HTTP, stack.http()).replace(WS, stack.ready["ws"].as_str().unwrap());
    let mut bash = Command::new("bash");
    bash.args(["-ec", &format!("set -o pipefail\n{CARGO}\n{script}")]);
    let bash = bash.env("LOCAL", program()).env("HTTP", stack.http()).env_remove("BASH_ENV");
    let Output { status, stdout, stderr } = bash.output().await.unwrap();
    assert!(status.success(), "{status}\n{}", String::from_utf8_lossy(&stderr));
    String::from_utf8(stdout).unwrap()
}

/// Whether a program that the README's commands need is installed.
fn is_installed(name: &str) -> bool {
    std::process::Command::new(name).arg("--version").output().is_ok_and(|output| output.status.success())
}

#[tokio::test(flavor = "multi_thread")]
async fn the_commands_of_the_readme_have_the_described_results() {
    if let Some(missing) = ["bash", "curl", "jq"].into_iter().find(|name| !is_installed(name)) {
        // `.ci/run` requires these programs, so that this happens only on a developer's machine.
        eprintln!("skipped: {missing} is not installed");
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let stack = start_with_demo_users(folder.path()).await;
    let readme = read("README.md");
    let sh = blocks(&readme, "sh");
    let [as_ana, chat] =
        EXECUTED.map(|first| sh.iter().find(|block| first_line(block) == first).expect(first));

    let rooms: Value = serde_json::from_str(&run(&stack, as_ana).await).unwrap();
    assert!(rooms.as_array().unwrap().len() > 1, "{rooms}");

    // A second paste has the same results.
    run(&stack, chat).await;
    let output = run(&stack, chat).await;
    for expected in ["Friend request accepted", r#""unread_count": 1"#, r#""last_message": "Hi Tom""#] {
        assert!(output.contains(expected), "{expected}: {output}");
    }
    let [.., frame, command] = output.lines().collect::<Vec<_>>()[..] else { panic!("{output}") };
    let tom = command.strip_prefix("cargo run -qp local -- socket ").expect("the command of the client");
    let mut at_tom = Terminal::open(&stack, tom);
    let hello = &blocks(&readme, "json")[0];
    at_tom.enter(hello.trim()).await;
    at_tom.expect("connection_established").await;
    at_tom.enter(frame).await;
    assert_eq!(at_tom.expect("message_sent").await["data"]["content"], "Hi Mia");

    // In a new shell, so that its definitions are repeated, for the same users. All of them are idempotent.
    let chat = chat.replace("id=$RANDOM", &format!("id={}", tom.trim_start_matches("tom")));
    let definitions = ["api=", "id=", "sign_in()", "mia=", "as()", "room="];
    let is_needed = |line: &&str| {
        definitions.iter().any(|definition| line.starts_with(definition)) || line.contains("/chat/messages ")
    };
    let message = chat.lines().filter(is_needed).collect::<Vec<_>>().join("\n");
    run(&stack, &message).await;
    assert_eq!(at_tom.expect("new_message").await["data"]["content"], "Hi Tom");
    at_tom.leave().await;
    assert_eq!(stack.end("TERM").await, Some(0));
}

async fn start_with_demo_users(folder: &Path) -> Process {
    let log = std::fs::File::create(folder.join("log")).unwrap();
    Process::start_with(folder, &[], log.into()).await
}
