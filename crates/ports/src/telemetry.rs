use std::time::Duration;

/// How a renewal ended, for the operator's figures.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum RenewalOutcome {
    Renewed,
    /// The same successor again, inside the grace time.
    Repeated,
    Refused,
    Failed,
}

/// Declares an enum whose variants are all values that one label of a metric has.
macro_rules! label {
    ($(#[$about:meta])* $name:ident { $($(#[$means:meta])* $variant:ident => $text:literal,)* }) => {
        $(#[$about])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
        pub enum $name {
            $($(#[$means])* $variant,)*
        }

        impl $name {
            /// Lists every value.
            pub const ALL: &'static [Self] = &[$(Self::$variant,)*];

            /// Returns the value as metrics show it.
            pub const fn as_str(self) -> &'static str {
                match self {
                    $(Self::$variant => $text,)*
                }
            }
        }
    };
}

label! {
    /// The methods that requests are counted by: those of RFC 9110 section 9 and RFC 5789, and every other name as one.
    RequestMethod {
        Get => "GET",
        Head => "HEAD",
        Post => "POST",
        Put => "PUT",
        Patch => "PATCH",
        Delete => "DELETE",
        Options => "OPTIONS",
        Trace => "TRACE",
        Connect => "CONNECT",
        Other => "other",
    }
}

impl RequestMethod {
    /// Returns the method of this name (methods are case-sensitive), `Other` for a name that is none of the nine.
    pub fn named(name: &str) -> Self {
        let known = Self::ALL.iter().find(|method| method.as_str() == name);
        known.copied().unwrap_or(Self::Other)
    }
}

label! {
    /// Which limit a connection exceeded.
    ConnectionLimit {
        /// Connections of one peer address.
        Peer => "peer",
        /// Connections of the whole process.
        Process => "process",
    }
}

label! {
    /// Why a connection ended otherwise than by agreement.
    ConnectionError {
        /// The bytes were not HTTP.
        Malformed => "malformed",
        /// The peer did not take an answer in time.
        WriteTimeout => "write-timeout",
        /// The peer did not let the connection be closed in time.
        CloseTimeout => "close-timeout",
        /// The peer or the network broke it.
        Broken => "broken",
        Internal => "internal",
    }
}

label! {
    /// Which limit of requests was exceeded.
    RequestLimit {
        /// Requests of one client.
        Client => "client",
        /// Requests of one user.
        User => "user",
        /// New sessions of one user by one client.
        Sessions => "sessions",
    }
}

/// The template of a registered route. Its parts are `'static`, so the path of a request cannot become one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct RouteTemplate {
    base: &'static str,
    path: &'static str,
}

impl RouteTemplate {
    /// Stands for every path that no route has.
    pub const UNMATCHED: Self = Self::new("", "unmatched");

    /// Joins the path to the base that it is registered under.
    pub const fn new(base: &'static str, path: &'static str) -> Self {
        Self { base, path }
    }
}

impl std::fmt::Display for RouteTemplate {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}{}", self.base, self.path)
    }
}

/// Something worth counting. Holds no id and no secret, and no text that a caller chose.
#[derive(Debug, Clone, Copy)]
pub enum MetricEvent {
    /// A request was answered.
    Request {
        method: RequestMethod,
        route: RouteTemplate,
        status: u16,
        took: Duration,
    },
    /// A connection was closed as soon as it was accepted.
    ConnectionRefused(ConnectionLimit),
    ConnectionFailed(ConnectionError),
    /// A request was answered with 429.
    RequestRefused(RequestLimit),
    Renewal(RenewalOutcome),
    /// A spent refresh token came back and ended its family.
    Replay,
    Lock,
    Unlock,
    Signature {
        took: Duration,
    },
}

/// Takes measurements. Synchronous, never fails, never blocks.
pub trait Telemetry: Send + Sync {
    fn record(&self, measure: MetricEvent);
}
