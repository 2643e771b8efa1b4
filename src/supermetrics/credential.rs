//! The credential: an API key.

use std::fmt;

use async_trait::async_trait;
use bytes::Bytes;
use http::Method;
use secrecy::SecretString;
use serde_json::Value;
use url::Url;

use super::Supermetrics;
use crate::client::{
    ApiRequest, Bearer, Credential, CredentialContext, Endpoint, Idempotency, Meta, json,
};
use crate::error::{Error, Result};

/// An API key, sent as `Authorization: Bearer …`, or [in the parameters](Self::in_parameters).
///
/// Keys begin with `api_`. An OAuth token, which begins with `otok_`, is sent the same way; to renew tokens, use
/// [`CachedToken`](crate::client::CachedToken) with your own [`TokenSource`](crate::client::TokenSource). Source:
/// Supermetrics API, "Authentication".
///
/// ```
/// use scheduled_runs::supermetrics::{ApiKey, Client};
///
/// let client = Client::builder().credential(ApiKey::new("api_..."));
/// ```
#[derive(Clone)]
pub struct ApiKey {
    key: Bearer,
    in_parameters: bool,
}

impl ApiKey {
    /// The key, without the word `Bearer`.
    #[must_use]
    pub fn new(key: impl Into<SecretString>) -> Self {
        Self { key: Bearer::new(key), in_parameters: false }
    }

    /// Sends the key as the parameter `api_key` instead of a header: for a proxy that removes the header.
    ///
    /// The key is added to the object in `json=`, to a JSON body, or, if a request has neither, to the query. The
    /// vendor's responses may then contain it, in links to further pages; this crate never follows or stores those
    /// links. Servers on the way may log whole URLs, and the key with them, so use the header wherever it works.
    #[must_use]
    pub fn in_parameters(mut self) -> Self {
        self.in_parameters = true;
        self
    }
}

impl fmt::Debug for ApiKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("ApiKey([redacted])")
    }
}

#[async_trait]
impl Credential for ApiKey {
    fn check(&self) -> Result<()> {
        let key = self.key.value();
        if key.is_empty() {
            return Err(Error::config("the API key is empty"));
        }
        // Such a key is the same in a URL and in JSON, so that it is found and hidden in every form of a request.
        let allowed = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_');
        if self.in_parameters && !(key.len() <= 255 && key.bytes().all(allowed)) {
            return Err(Error::config(
                "an API key that is sent in the parameters must be 1 to 255 letters, digits, `-` or `_`",
            ));
        }
        self.key.check()
    }

    async fn apply(&self, request: &mut ApiRequest, _: &CredentialContext<'_>) -> Result<()> {
        if !self.in_parameters {
            return self.key.put(request);
        }
        let key = self.key.value();
        request.hide(key);
        let parameters = request.url().query_pairs().find(|(name, _)| name == "json");
        if let Some(object) = parameters.and_then(|(_, json)| with_key(&json, key)) {
            request.set_query("json", &object);
        } else if let Some(object) =
            str::from_utf8(request.body()).ok().and_then(|body| with_key(body, key))
        {
            request.set_body(object);
        } else {
            request.set_query("api_key", key);
        }
        Ok(())
    }
}

/// The JSON object with the key as its first member. `None` if the text is not an object.
fn with_key(json: &str, key: &str) -> Option<String> {
    let members = json.trim_start().strip_prefix('{')?;
    let comma = if members.trim_start().starts_with('}') { "" } else { "," };
    Some(format!(r#"{{"api_key":"{key}"{comma}{members}"#))
}

/// Checks that the key works.
///
/// The shape of the response is not documented: it is returned unchanged, as `null` if it is empty.
///
/// Source: the vendor's n8n connector, `GET /me` at the root of the host, whatever the base URL.
///
/// Operation `supermetrics.me.get`. Send it with [`Client::send`](crate::Client::send). Safe to retry.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[must_use = "a request does nothing until it is sent"]
pub struct GetMe {}

impl GetMe {
    /// The request, which has no settings.
    pub fn new() -> Self {
        Self {}
    }
}

// Not an `operation!`: it is sent to the root of the host instead of the base URL.
impl Endpoint for GetMe {
    type Api = Supermetrics;
    type Output = Value;
    const OPERATION: &'static str = "supermetrics.me.get";
    const IDEMPOTENCY: Idempotency = Idempotency::Safe;

    #[inline]
    fn to_request(&self, base: &Url) -> Result<ApiRequest> {
        let root = Url::parse(&base.origin().ascii_serialization())
            .map_err(|_| Error::config("the base URL has no host"))?;
        ApiRequest::of::<Self>(Method::GET, &root, &["me"]).finish()
    }

    #[inline]
    fn decode(&self, meta: &Meta, body: &Bytes) -> Result<Value> {
        if body.trim_ascii().is_empty() { Ok(Value::Null) } else { json::decode(meta, body) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_key_is_checked_at_the_root_of_the_host() {
        for base in ["https://api.example.com/enterprise/v2", "https://api.example.com"] {
            let request = GetMe::new().to_request(&Url::parse(base).unwrap()).unwrap();
            assert_eq!(request.text("https://api.example.com", ""), "GET /me");
        }
    }

    #[test]
    fn a_key_becomes_a_member_of_an_object_and_of_nothing_else() {
        for (json, object) in [
            (r#"{"a":1}"#, Some(r#"{"api_key":"k","a":1}"#)),
            ("{}", Some(r#"{"api_key":"k"}"#)),
            (" { } ", Some(r#"{"api_key":"k" } "#)),
            ("", None),
            ("[1]", None),
            ("a=b", None),
        ] {
            assert_eq!(with_key(json, "k").as_deref(), object, "{json}");
        }
    }
}
