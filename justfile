# Short names for the checks; `just check` is what must pass before a change lands.

# everything, from a clean clone
check:
    bash .ci/run

# the Rust tests
test:
    cargo test

# format and lint
lint:
    cargo fmt --all
    cargo clippy --workspace --all-targets --locked -- -D warnings

# real clients, ripgrep and the conformance suite; `just interop clients` for one of them
interop *parts:
    cargo build --release --locked
    tests/interop/run {{parts}}
