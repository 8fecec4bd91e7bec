/// The options of a service, where it differs from the default of its installation.
#[derive(Debug, Clone, Default)]
pub struct Options {
    pub(crate) is_replica: bool,
    pub(crate) mongodb_uri: Option<String>,
    pub(crate) kafka_brokers: Option<String>,
    pub(crate) settings: Vec<(String, String)>,
}

impl Options {
    /// Returns the options of another process of the same service, on ports of its own.
    #[must_use]
    pub fn replica() -> Self {
        Self {
            is_replica: true,
            ..Self::default()
        }
    }

    /// Sets the URI of MongoDB, such as the URI of a proxy.
    #[must_use]
    pub fn mongodb_uri(mut self, uri: impl Into<String>) -> Self {
        self.mongodb_uri = Some(uri.into());
        self
    }

    /// Sets the addresses of the brokers, such as the address of a proxy.
    #[must_use]
    pub fn kafka_brokers(mut self, brokers: impl Into<String>) -> Self {
        self.kafka_brokers = Some(brokers.into());
        self
    }

    /// Sets a setting by its name, such as `http.drain`; an empty value removes it.
    #[must_use]
    pub fn setting(mut self, name: &str, value: impl Into<String>) -> Self {
        self.settings.push((name.to_owned(), value.into()));
        self
    }
}
