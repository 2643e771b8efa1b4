//! Connection parameters: what SQL clients need to reach Query Service, the caller's own token among it.

use std::fmt;

use bytes::Bytes;
use http::Method;
use secrecy::{ExposeSecret, SecretString};
use serde::{Deserialize, Deserializer};
use url::Url;

use super::Adobe;
use crate::client::{ApiRequest, Endpoint, Idempotency, Meta};
use crate::error::Result;
use crate::wire::{json, lenient};

/// Gets what SQL clients need to connect as this client. The answer holds the token that asked for it.
///
/// For credentials that do not expire with the token see [`CreateAccount`](super::CreateAccount).
///
/// Source: Query Service API, "Connection parameters", `GET /connection_parameters`. Safe to repeat.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[must_use = "a request does nothing until it is sent"]
pub struct GetConnectionParameters;

impl GetConnectionParameters {
    /// Those of this client.
    pub fn new() -> Self {
        Self
    }
}

impl Endpoint for GetConnectionParameters {
    type Api = Adobe;
    type Output = ConnectionParameters;
    const OPERATION: &'static str = "adobe.connection_parameters.get";
    const IDEMPOTENCY: Idempotency = Idempotency::Safe;

    fn to_request(&self, base: &Url) -> Result<ApiRequest> {
        let builder = ApiRequest::of::<Self>(Method::GET, base, &["connection_parameters"]);
        builder.confidential().finish()
    }

    #[inline]
    fn decode(&self, meta: &Meta, body: &Bytes) -> Result<ConnectionParameters> {
        json::decode(meta, body)
    }
}

/// What SQL clients need to connect. All of it is secret: `Debug` shows no field.
///
/// [`Response::body`](crate::Response::body) has the answer as it came, with the tokens: do not print it.
#[derive(Clone, Deserialize)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub struct ConnectionParameters {
    /// Host of the database.
    pub host: Option<Box<str>>,
    /// Port of the database.
    #[serde(default, deserialize_with = "port")]
    pub port: Option<u16>,
    /// Name of the database, for example `prod:all`.
    pub db_name: Option<Box<str>>,
    /// User: the organization id.
    pub username: Option<Box<str>>,
    token: Option<SecretString>,
    compressed_token: Option<SecretString>,
    /// Version of the API.
    #[serde(default, deserialize_with = "lenient::count")]
    pub version: Option<u64>,
    websocket_host: Option<Box<str>>,
    /// The reference leaves a letter out.
    websoket_host: Option<Box<str>>,
}

impl ConnectionParameters {
    /// Password: the token that the request was sent with. It ends when that does, about 24 hours after it was made.
    #[must_use]
    pub fn token(&self) -> Option<&str> {
        self.token.as_ref().map(ExposeSecret::expose_secret)
    }

    /// The same token in the form that some clients need, such as Tableau.
    #[must_use]
    pub fn compressed_token(&self) -> Option<&str> {
        self.compressed_token.as_ref().map(ExposeSecret::expose_secret)
    }

    /// Host for clients that connect by web socket.
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

fn port<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<u16>, D::Error> {
    Ok(lenient::count(deserializer)?.and_then(|port| port.try_into().ok()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::adobe::tests::request_text;

    #[test]
    fn connection_parameters_are_asked_for() {
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
