# Short names for the checks; `just check` is what must pass before a change lands.

# the recipes
default:
    @just --list --unsorted

# format, lint and the tests of the library, while you work
quick:
    cargo fmt --all --check
    cargo clippy --all-targets --locked -- -D warnings
    cargo test --locked -p mcp-workspace-tools -p mcp-workspace-call

# the Rust tests; `just test --test commands` for one of them
test *arguments:
    cargo test {{arguments}}

# the pages of every crate, with broken links as errors, and their examples
doc:
    RUSTDOCFLAGS="-D warnings" cargo doc --no-deps --workspace --all-features --locked
    cargo test --locked --doc -p mcp-workspace-tools -p mcp-workspace-call

# format, then lint everything as CI does
lint:
    cargo fmt --all
    cargo clippy --workspace --all-targets --all-features --locked -- -D warnings

# what tests compare with, written anew: contracts, rejected policies, scenarios and snapshots; read the difference
bless:
    UPDATE_CONTRACTS=1 UPDATE_POLICIES=1 cargo test -p mcp-workspace-tools --test contracts --test policy
    UPDATE_SCENARIOS=1 cargo test -p mcp-workspace --test commands scenarios
    cargo insta test --accept -p mcp-workspace-tools

# one target under the fuzzer, from its regressions on (nightly Rust, cargo-fuzz); `just fuzz patch -max_total_time=300`
fuzz target *arguments:
    mkdir -p fuzz/corpus/{{target}}
    CARGO_PROFILE_RELEASE_LTO=off CARGO_PROFILE_RELEASE_STRIP=none CARGO_PROFILE_RELEASE_DEBUG=1 \
        cargo +nightly fuzz run --features libfuzzer {{target}} fuzz/corpus/{{target}} fuzz/regressions/{{target}} -- {{arguments}}

# what reading costs on a delayed mount beside ripgrep, and cold starts of two binaries in turn: `just bench CORPUS OTHER-BINARY`
bench corpus other:
    cargo build --release --locked -p mcp-workspace
    cargo run --release --locked -p delayed-mount --example compare -- {{corpus}} target/release/mcp-workspace
    for mode in buffered streaming; do python3 tests/interop/emulator/cold_start.py target/release/mcp-workspace "$mode" 30 --against {{other}}; done

# what the tasks of a review cost a model in bytes and tokens, beside other servers: `just tokens --node SCRIPT --rust BINARY`
tokens *arguments:
    cargo build --locked -p mcp-workspace
    cargo run --locked -p compare -- tokens target/debug/mcp-workspace {{arguments}}

# the server for so many minutes over a mount that fails, under mixed and hostile calls; then what it has left behind
soak minutes *arguments:
    cargo build --locked -p mcp-workspace
    cargo run --locked -p delayed-mount --example soak -- target/debug/mcp-workspace {{minutes}} {{arguments}}

# what the server is made of, as CycloneDX 1.5 in target/mcp-workspace.cdx.json
sbom:
    cargo install --quiet --locked --root target/tools cargo-cyclonedx --version 0.5.9
    target/tools/bin/cargo-cyclonedx cyclonedx --quiet --format json --spec-version 1.5 --describe binaries --no-build-deps
    mv mcp-workspace_bin.cdx.json target/mcp-workspace.cdx.json
    # it describes every other program of the workspace as well
    find . -path ./target -prune -o -name '*_bin.cdx.json' -exec rm {} +

# real clients, ripgrep and the conformance suite; `just interop clients` for one of them
interop *parts:
    cargo build --release --locked
    tests/interop/run {{parts}}

# everything, from a clean clone
check:
    bash .ci/run
