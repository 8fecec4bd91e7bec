/// How a service differs from the usual one of its installation.
#[derive(Debug, Clone, Default)]
pub struct Options {
    pub(crate) is_replica: bool,
    pub(crate) mongodb_uri: Option<String>,
    pub(crate) kafka_brokers: Option<String>,
    pub(crate) settings: Vec<(String, String)>,
}

impl Options {
    /// Another process of the same service, on ports of its own.
    #[must_use]
    pub fn replica() -> Self {
        Self {
            is_replica: true,
            ..Self::default()
        }
    }

    /// Reaches MongoDB by this URI, such as that of a proxy before it.
    #[must_use]
    pub fn mongodb_uri(mut self, uri: impl Into<String>) -> Self {
        self.mongodb_uri = Some(uri.into());
        self
    }

    /// Reaches Kafka by these brokers, such as a proxy before them.
    #[must_use]
    pub fn kafka_brokers(mut self, brokers: impl Into<String>) -> Self {
        self.kafka_brokers = Some(brokers.into());
        self
    }

    /// Gives a setting by its name, such as `http.drain`; an empty value takes it away.
    #[must_use]
    pub fn setting(mut self, name: &str, value: impl Into<String>) -> Self {
        self.settings.push((name.to_owned(), value.into()));
        self
    }
}
