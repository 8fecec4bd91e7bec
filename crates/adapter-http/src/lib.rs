//! AuthMe's documented HTTP API on actix-web. It is the only adapter that calls the use cases.

mod acceptor;
mod admission;
mod audit;
mod authorised;
mod body;
mod cloud_event;
mod connection;
mod connection_limits;
mod credential_lock;
mod deadline;
mod description;
mod docs;
mod endpoints;
mod events;
mod factors;
mod health;
mod instrumentation;
mod keyed_rate_limiter;
mod login_guard;
mod management;
mod path;
mod peer;
mod problem;
mod request_limits;
mod request_record;
mod server;
mod tokens;

pub use authorised::Authenticator;
pub use cloud_event::CloudEventMessage;
pub use connection_limits::ConnectionSettings;
pub use description::Description;
pub use login_guard::LoginGuardSettings;
pub use management::Management;
pub use peer::TrustedProxies;
pub use request_limits::RequestLimitSettings;
pub use server::{Api, ApiSettings, description, serve};
