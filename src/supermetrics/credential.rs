//! Who calls Supermetrics: an API key.

use std::fmt;

use async_trait::async_trait;
use bytes::Bytes;
use http::Method;
use secrecy::SecretString;
use serde_json::Value;
use url::Url;

use super::Supermetrics;
use crate::client::{
    ApiRequest, Bearer, Credential, CredentialContext, Endpoint, Idempotency, Meta,
};
use crate::error::{Error, Result};
use crate::wire::json;

/// An API key, sent as `Authorization: Bearer …`, or on request [in the parameters](Self::in_parameters).
///
/// Keys begin with `api_`. An OAuth token, which begins with `otok_`, is sent the same way; one that is to be renewed
/// is a [`CachedToken`](crate::client::CachedToken) around a source of yours. Source: Supermetrics API,
/// "Authentication".
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

    /// Sends the key as the parameter `api_key` and no header: for a proxy that takes the header away.
    ///
    /// It goes into the object in `json=`, into a JSON body, or where a request has neither, beside the other query
    /// members. The vendor's answers may hold it then, in links to further pages; this crate never follows or stores
    /// those. Whoever logs whole URLs on the way has the key, so that the header is better wherever it works.
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
        // Such a key needs no encoding wherever it is put, so that it is found and hidden in every form of a request.
        let plain = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_');
        if self.in_parameters && !(!key.is_empty() && key.len() <= 255 && key.bytes().all(plain)) {
            return Err(Error::config(
                "an API key in the parameters is 1 to 255 letters, digits, `-` and `_`",
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

/// A JSON object with the key as its first member; `None` if the text is none.
fn with_key(json: &str, key: &str) -> Option<String> {
    let members = json.trim_start().strip_prefix('{')?;
    let comma = if members.trim_start().starts_with('}') { "" } else { "," };
    Some(format!(r#"{{"api_key":"{key}"{comma}{members}"#))
}

/// Asks whether the key works.
///
/// The answer's shape is not documented: it is given as it came, `null` where it is empty.
///
/// Source: the vendor's n8n connector, `GET /me` at the root of the host, whatever the base URL. Safe to repeat.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[must_use = "a request does nothing until it is sent"]
pub struct GetMe {}

impl GetMe {
    /// Asks.
    pub fn new() -> Self {
        Self {}
    }
}

impl Endpoint for GetMe {
    type Api = Supermetrics;
    type Output = Value;
    const OPERATION: &'static str = "supermetrics.me.get";
    const IDEMPOTENCY: Idempotency = Idempotency::Safe;

    fn to_request(&self, base: &Url) -> Result<ApiRequest> {
        let root = Url::parse(&base.origin().ascii_serialization())
            .map_err(|_| Error::config("the base URL names no host"))?;
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
    fn whether_the_key_works_is_asked_at_the_root_of_the_host() {
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
