//! The settings of the programs, and their table in `docs/operations.md`.
#![expect(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a missing file or an unexpected error fails the test"
)]

mod operations_page;
mod settings;
