# Short names for the commands in README.md and CONTRIBUTING.md. Optional: https://just.systems

# List the commands.
default:
    @just --list

# Run the whole system on this machine.
run:
    cargo run -p local

# Run all tests.
test:
    cargo test --workspace

# Check formatting and lints.
lint:
    cargo fmt --all --check
    cargo clippy --workspace --all-targets -- -D warnings

# Print the costs of all functions.
bench:
    cargo test -p shared --test store cost -- --nocapture

# Run all checks that a change must pass.
ci:
    .ci/run
