//! Connection parameters: what SQL clients need to reach Query Service, including the client's own token.

use std::fmt;

use secrecy::{ExposeSecret, SecretString};
use serde::Deserializer;

use super::Adobe;
use crate::client::operation;
use crate::wire::{lenient, model};

operation! {
    /// Gets what SQL clients need to connect as this client. The response holds the token that the request was sent with.
    ///
    /// For credentials that do not expire with the token see [`CreateAccount`](super::CreateAccount).
    ///
    /// Source: Query Service API, "Connection parameters", `GET /connection_parameters`.
    GetConnectionParameters {}
    for Adobe, "adobe.connection_parameters.get", Safe: GET "connection_parameters" -> ConnectionParameters,
    with |_, request| request.confidential()
}

model! {
    /// What SQL clients need to connect. All of it is secret: `Debug` shows no field. It is serialised without the tokens.
    ///
    /// [`Response::body`](crate::Response::body) has the body unchanged, with the tokens: do not print it.
    #[derive(Clone)]
    #[non_exhaustive]
    pub struct ConnectionParameters {
        /// Host of the database.
        pub host: Option<Box<str>>,
        /// Port of the database.
        pub port: Option<u16> as "port" with port_number,
        /// Name of the database, such as `prod:all`.
        pub db_name: Option<Box<str>> as "dbName",
        /// User: the organization id.
        pub username: Option<Box<str>>,
        #[serde(skip_serializing)]
        token: Option<SecretString>,
        #[serde(skip_serializing)]
        compressed_token: Option<SecretString> as "compressedToken",
        /// Version of the API.
        pub version: Option<u64> as "version" with lenient::count,
        websocket_host: Option<Box<str>> as "websocketHost",
        /// As the API reference spells it.
        websoket_host: Option<Box<str>> as "websoketHost",
    }
}

impl ConnectionParameters {
    /// Password: the token that the request was sent with. It is valid as long as that one, about 24 hours.
    #[must_use]
    pub fn token(&self) -> Option<&str> {
        self.token.as_ref().map(ExposeSecret::expose_secret)
    }

    /// The same token in the form that some SQL clients need, such as Tableau.
    #[must_use]
    pub fn compressed_token(&self) -> Option<&str> {
        self.compressed_token.as_ref().map(ExposeSecret::expose_secret)
    }

    /// Host for SQL clients that connect by WebSocket.
    #[must_use]
    pub fn websocket_host(&self) -> Option<&str> {
        self.websocket_host.as_deref().or(self.websoket_host.as_deref())
    }
}

impl fmt::Debug for ConnectionParameters {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("ConnectionParameters([redacted])")
    }
}

fn port_number<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<u16>, D::Error> {
    Ok(lenient::count(deserializer)?.and_then(|port| port.try_into().ok()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::adobe::tests::request_text;

    #[test]
    fn connection_parameters_are_requested() {
        assert_eq!(request_text(&GetConnectionParameters::new()), "GET /connection_parameters");
    }

    #[test]
    fn either_spelling_of_the_web_socket_host_and_the_port_is_read() {
        let read = |json: &str| serde_json::from_str::<ConnectionParameters>(json).unwrap();
        for spelling in ["websocketHost", "websoketHost"] {
            let read = read(&format!(r#"{{"{spelling}":"ws.example.com"}}"#));
            assert_eq!(read.websocket_host(), Some("ws.example.com"));
        }
        for (port, number) in [("80", Some(80)), ("\"5432\"", Some(5432)), ("65536", None)] {
            assert_eq!(read(&format!(r#"{{"port":{port}}}"#)).port, number);
        }
    }
}
