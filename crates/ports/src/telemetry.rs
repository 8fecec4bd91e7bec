use std::time::Duration;

/// The outcome of a renewal, as metrics count it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum RenewalOutcome {
    /// New tokens were issued.
    Renewed,
    /// The same successor was issued again, inside the grace time.
    Repeated,
    /// The token or the caller was rejected: a 4xx answer.
    Refused,
    /// The service could not decide: a 5xx answer.
    Failed,
}

/// Declares an enum whose variants are all values of one label of a metric.
macro_rules! label {
    ($(#[$about:meta])* $name:ident { $($(#[$means:meta])* $variant:ident => $text:literal,)* }) => {
        $(#[$about])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
        pub enum $name {
            $($(#[$means])* $variant,)*
        }

        impl $name {
            /// All values, so that each can be exported as zero from the start.
            pub const ALL: &'static [Self] = &[$(Self::$variant,)*];

            /// Returns the value of the label.
            pub const fn as_str(self) -> &'static str {
                match self {
                    $(Self::$variant => $text,)*
                }
            }
        }
    };
}

label! {
    /// The HTTP methods by which requests are counted. All unknown names are one value, because the caller chooses them
    /// and each would be a time series of its own.
    RequestMethod {
        /// RFC 9110 section 9.3.1.
        Get => "GET",
        /// RFC 9110 section 9.3.2.
        Head => "HEAD",
        /// RFC 9110 section 9.3.3.
        Post => "POST",
        /// RFC 9110 section 9.3.4.
        Put => "PUT",
        /// RFC 5789.
        Patch => "PATCH",
        /// RFC 9110 section 9.3.5.
        Delete => "DELETE",
        /// RFC 9110 section 9.3.7.
        Options => "OPTIONS",
        /// RFC 9110 section 9.3.8.
        Trace => "TRACE",
        /// RFC 9110 section 9.3.6.
        Connect => "CONNECT",
        /// Any other name.
        Other => "other",
    }
}

impl RequestMethod {
    /// Returns the method with this name, compared case-sensitively (RFC 9110 section 9.1), or `Other`.
    pub fn from_name(name: &str) -> Self {
        let method = Self::ALL.iter().find(|method| method.as_str() == name);
        method.copied().unwrap_or(Self::Other)
    }
}

label! {
    /// The limit that a connection exceeded.
    ConnectionLimit {
        /// Open connections of one peer address.
        Peer => "peer",
        /// Open connections of the process.
        Process => "process",
    }
}

label! {
    /// The reason why a connection ended abnormally.
    ConnectionError {
        /// The bytes were not HTTP.
        Malformed => "malformed",
        /// The peer did not read a response in time.
        WriteTimeout => "write-timeout",
        /// The peer did not close its side in time.
        CloseTimeout => "close-timeout",
        /// The peer or the network reset the connection.
        Broken => "broken",
        /// An error of the server itself.
        Internal => "internal",
    }
}

label! {
    /// The request limit that was exceeded.
    RequestLimit {
        /// Requests of one client.
        Client => "client",
        /// Requests of one user.
        User => "user",
        /// New sessions of one user by one client.
        Sessions => "sessions",
    }
}

label! {
    /// The outcome of a request to send a one-time code.
    CodeSendOutcome {
        /// A server accepted the message.
        Sent => "sent",
        /// A quota of the user, the contact or the destination is used up.
        Quota => "quota",
        /// The limit of the process is reached.
        ProcessLimit => "process-limit",
        /// Codes are not sent to the region of the number.
        Region => "region",
        /// The mail server or the gateway refuses the recipient for good.
        Refused => "refused",
        /// No server accepted the message.
        Failed => "failed",
    }
}

/// The template of a registered route. Its parts are `'static`, so the path of a request cannot become the value of a
/// label.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct RouteTemplate {
    base: &'static str,
    path: &'static str,
}

impl RouteTemplate {
    /// The value for every path that matches no route.
    pub const UNMATCHED: Self = Self::new("", "unmatched");

    /// Returns the template of `path` under the base path that it is registered with.
    pub const fn new(base: &'static str, path: &'static str) -> Self {
        Self { base, path }
    }
}

impl std::fmt::Display for RouteTemplate {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}{}", self.base, self.path)
    }
}

/// An event that a metric counts or measures. It holds no id, no secret and no text that a caller chose.
#[derive(Debug, Clone, Copy)]
pub enum MetricEvent {
    /// A request was answered.
    Request {
        /// The request's method.
        method: RequestMethod,
        /// The matched route, not the path.
        route: RouteTemplate,
        /// The response's HTTP status.
        status: u16,
        /// The time until the response was ready, without the time to send it.
        took: Duration,
    },
    /// A connection was closed as soon as it was accepted.
    ConnectionRefused(ConnectionLimit),
    /// An open connection ended abnormally.
    ConnectionFailed(ConnectionError),
    /// A request was answered with 429.
    RequestRefused(RequestLimit),
    /// A renewal was answered.
    Renewal(RenewalOutcome),
    /// A request to send a one-time code was decided.
    CodeSend(CodeSendOutcome),
    /// A spent refresh token was presented outside the grace time, and its family was revoked.
    Replay,
    /// A credential was locked.
    Lock,
    /// A credential was unlocked.
    Unlock,
    /// An access token was signed.
    Signature {
        /// The duration of the computation alone.
        took: Duration,
    },
}

/// Records metrics. Synchronous; never fails and never blocks.
pub trait Telemetry: Send + Sync {
    /// Counts or measures one event.
    fn record(&self, measure: MetricEvent);
}
