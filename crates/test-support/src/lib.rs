//! What the tests of several crates share. A dev-dependency only.
//!
//! - [`TestApp`] is the use cases wired over a store, with a [`SettableClock`] and [`fakes`] of the other ports; [`calls`] builds
//!   their requests.
//! - [`fault_injection`] and [`stale_reads`] decorate the [`Stores`](ports::Stores) of an app.
//! - [`http`] is a client that writes requests as bytes, [`jwt`] decodes tokens, and [`fixtures`] builds clients and users.
#![expect(
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::missing_panics_doc,
    clippy::panic,
    clippy::unwrap_used,
    reason = "a panic fails the test"
)]

pub mod app;
pub mod calls;
pub mod clock;
pub mod fakes;
pub mod fault_injection;
pub mod fixtures;
pub mod http;
pub mod jwt;
pub mod published_events;
pub mod stale_reads;
pub mod user_removal;

pub use app::TestApp;
pub use clock::{SettableClock, SettableTimer};
