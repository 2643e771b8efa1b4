//! A request, parsed.

use std::marker::PhantomData;

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, percent_decode_str, utf8_percent_encode};
use serde_json::{Map, Value};
use url::form_urlencoded;
use wiremock::Request;
use wiremock::http::HeaderMap;

use super::FakeState;

/// All but the characters that a part of a path may have.
const SEGMENT: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'_').remove(b'.').remove(b'~');

/// A text as a part of a path.
pub(in crate::testing) fn segment(text: &str) -> String {
    utf8_percent_encode(text, SEGMENT).to_string()
}

/// A request that a fake server has seen. Headers, and so credentials, are not kept.
#[derive(Clone, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub struct SeenRequest {
    /// In capitals.
    pub method: String,
    /// As sent and below the base path, such as `/schedules/nightly-orders/runs`; in full if it is elsewhere.
    pub path: String,
    /// As sent, without the question mark; empty if there was none.
    pub query: String,
    /// Empty if there was none.
    pub body: String,
}

/// A request to the fake of one vendor.
pub struct ParsedRequest<S> {
    pub method: String,
    /// As sent.
    pub path: String,
    /// As sent; empty if there is none.
    raw_query: String,
    /// Decoded, in the order sent.
    pub query: Vec<(String, String)>,
    pub headers: HeaderMap,
    pub body: Vec<u8>,
    vendor: PhantomData<fn() -> S>,
}

/// A request for an OAuth 2.0 token by client credentials: the parameters of its form.
#[derive(Default)]
pub struct TokenForm {
    grant: Option<String>,
    pub id: Option<String>,
    pub secret: Option<String>,
    pub scope: Option<String>,
}

/// `error` and `error_description` of OAuth 2.0.
pub(in crate::testing) type OAuthError = (&'static str, &'static str);

impl<S: FakeState> ParsedRequest<S> {
    pub(super) fn read(request: &Request) -> Self {
        Self {
            method: request.method.as_str().to_owned(),
            path: request.url.path().to_owned(),
            raw_query: request.url.query().unwrap_or_default().to_owned(),
            query: request.url.query_pairs().into_owned().collect(),
            headers: request.headers.clone(),
            body: request.body.clone(),
            vendor: PhantomData,
        }
    }

    pub(super) fn is_for_token(&self) -> bool {
        S::TOKEN_PATHS.contains(&self.path.as_str())
    }

    pub(super) fn seen(&self) -> SeenRequest {
        let below = self.path.strip_prefix(S::BASE_PATH).filter(|below| below.starts_with('/'));
        SeenRequest {
            method: self.method.clone(),
            path: below.unwrap_or(&self.path).to_owned(),
            query: S::without_secrets(&self.raw_query),
            body: S::without_secrets(&String::from_utf8_lossy(&self.body)),
        }
    }

    /// The parts of the path below `base`, decoded; `None` if it is not below it.
    pub fn parts(&self, base: &str) -> Option<Vec<String>> {
        let below = self.path.strip_prefix(base)?.strip_prefix('/')?;
        let decode = |part| percent_decode_str(part).decode_utf8_lossy().into_owned();
        Some(below.split('/').map(decode).collect())
    }

    /// The value of a header; an empty one counts as missing.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name)?.to_str().ok().filter(|value| !value.is_empty())
    }

    /// The credential in a header such as `Authorization: Bearer …`. The scheme is compared without case.
    pub fn credential(&self, header: &str, scheme: &str) -> Option<&str> {
        let (given, credential) = self.header(header)?.split_once(' ')?;
        given.eq_ignore_ascii_case(scheme).then(|| credential.trim())
    }

    /// The media type of the body, in lower case. Parameters such as `charset` are left out.
    pub fn media_type(&self) -> String {
        let value = self.header("content-type").unwrap_or_default();
        value.split(';').next().unwrap_or_default().trim().to_ascii_lowercase()
    }

    pub fn parameter(&self, name: &str) -> Option<&str> {
        let found = self.query.iter().find(|(known, _)| known == name);
        found.map(|(_, value)| value.as_str())
    }

    /// The parameters, in the order sent. Refuses each that is repeated.
    pub fn parameters(&self) -> Result<Vec<(&str, &str)>, S::Refusal> {
        let mut parameters: Vec<(&str, &str)> = Vec::new();
        for (name, value) in &self.query {
            if parameters.iter().any(|(known, _)| known == name) {
                return Err(S::bad_request(&format!("parameter {name} is repeated")));
            }
            parameters.push((name, value));
        }
        Ok(parameters)
    }

    /// Refuses all parameters but these, and each that is repeated.
    pub fn check_parameters(&self, known: &[&str]) -> Result<(), S::Refusal> {
        match self.parameters()?.iter().find(|(name, _)| !known.contains(name)) {
            Some((name, _)) => Err(S::bad_request(&format!("unknown parameter {name}"))),
            None => Ok(()),
        }
    }

    pub fn no_body(&self) -> Result<(), S::Refusal> {
        if self.body.is_empty() {
            return Ok(());
        }
        Err(S::bad_request("this request has no body"))
    }

    /// Neither parameters nor a body.
    pub fn bare(&self) -> Result<(), S::Refusal> {
        self.check_parameters(&[])?;
        self.no_body()
    }

    /// A body that is one JSON object, and no parameters.
    pub fn object(&self) -> Result<Map<String, Value>, S::Refusal> {
        self.check_parameters(&[])?;
        serde_json::from_slice(&self.body)
            .map_err(|_| S::bad_request("the body must be one JSON object"))
    }

    /// The form of a request for a token by client credentials.
    pub fn token_form(&self) -> Result<TokenForm, OAuthError> {
        if self.method != "POST" {
            return Err(("invalid_request", "method must be POST"));
        }
        if !self.raw_query.is_empty() {
            // Some vendors accept them, and write them to their logs.
            return Err(("invalid_request", "parameters belong in the body"));
        }
        if self.media_type() != "application/x-www-form-urlencoded" {
            return Err(("invalid_request", "content-type must be a form"));
        }
        let mut form = TokenForm::default();
        for (name, value) in form_urlencoded::parse(&self.body) {
            let field = match name.as_ref() {
                "grant_type" => &mut form.grant,
                "client_id" => &mut form.id,
                "client_secret" => &mut form.secret,
                "scope" => &mut form.scope,
                _ => return Err(("invalid_request", "unknown parameter")),
            };
            if field.replace(value.into_owned()).is_some() {
                return Err(("invalid_request", "parameter is repeated"));
            }
        }
        if form.grant.as_deref() != Some("client_credentials") {
            return Err(("unsupported_grant_type", "invalid grant_type parameter"));
        }
        Ok(form)
    }
}
