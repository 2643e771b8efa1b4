//! IP access: from which addresses SQL clients may reach the sandbox.

use bytes::Bytes;
use http::Method;
use secrecy::{ExposeSecret, SecretString};
use serde::{Deserialize, Serialize};
use url::Url;

use super::Adobe;
use crate::client::{ApiRequest, Endpoint, Idempotency, Meta};
use crate::error::{Error, Result};
use crate::wire::{json, lenient};

const PATH: [&str; 2] = ["security", "ip-access"];

/// Gets the addresses from which SQL clients may reach the sandbox. An empty list lets every address in.
///
/// Needs the Data Distiller add-on and a **user's token**: [`AccessToken`](super::AccessToken), not server-to-server.
///
/// Source: Data Distiller Authorization API, "IP Access", `GET /security/ip-access`. Safe to repeat.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[must_use = "a request does nothing until it is sent"]
pub struct GetIpAccess;

impl GetIpAccess {
    /// The addresses of the client's sandbox.
    pub fn new() -> Self {
        Self
    }
}

impl Endpoint for GetIpAccess {
    type Api = Adobe;
    type Output = IpAccess;
    const OPERATION: &'static str = "adobe.ip_access.get";
    const IDEMPOTENCY: Idempotency = Idempotency::Safe;

    fn to_request(&self, base: &Url) -> Result<ApiRequest> {
        ApiRequest::of::<Self>(Method::GET, base, &PATH).finish()
    }

    #[inline]
    fn decode(&self, meta: &Meta, body: &Bytes) -> Result<IpAccess> {
        json::decode(meta, body)
    }
}

/// Sets the addresses from which SQL clients may reach the sandbox: the whole list, what is left out is gone.
///
/// Needs what [`GetIpAccess`] needs. An address that is none is refused with 400.
///
/// Source: Data Distiller Authorization API, "IP Access", `PUT /security/ip-access`. Repeating it does no harm: the second
/// time writes the same list once more.
///
/// ```
/// use scheduled_runs::adobe::{IpRange, SetIpAccess};
///
/// let office = IpRange::new("192.0.2.0/24").description("office");
/// let request = SetIpAccess::new([office, IpRange::new("198.51.100.7")]);
/// # use scheduled_runs::client::Endpoint as _;
/// # let sent = request.to_request(&"https://host".parse().unwrap())?;
/// # assert_eq!(sent.method(), "PUT");
/// # assert_eq!(sent.url().path(), "/security/ip-access");
/// # Ok::<_, scheduled_runs::Error>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
#[must_use = "a request does nothing until it is sent"]
pub struct SetIpAccess {
    body: SetBody,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
struct SetBody {
    ip_ranges: Vec<IpRange>,
}

impl SetIpAccess {
    /// These addresses and no others; at least one. (None would let every address in: [`DeleteIpAccess`] says so.)
    pub fn new(ranges: impl IntoIterator<Item = IpRange>) -> Self {
        Self { body: SetBody { ip_ranges: ranges.into_iter().collect() } }
    }
}

impl Endpoint for SetIpAccess {
    type Api = Adobe;
    type Output = IpAccess;
    const OPERATION: &'static str = "adobe.ip_access.set";
    const IDEMPOTENCY: Idempotency = Idempotency::Idempotent;

    fn to_request(&self, base: &Url) -> Result<ApiRequest> {
        let builder = ApiRequest::of::<Self>(Method::PUT, base, &PATH).json(&self.body);
        if self.body.ip_ranges.is_empty() {
            let message =
                "an empty list would let every address in; send `DeleteIpAccess` to do that";
            return builder.fail(Error::config(message)).finish();
        }
        builder.finish()
    }

    #[inline]
    fn decode(&self, meta: &Meta, body: &Bytes) -> Result<IpAccess> {
        json::decode(meta, body)
    }
}

/// Deletes all addresses of the list, so that SQL clients may reach the sandbox **from everywhere**.
///
/// Needs what [`GetIpAccess`] needs. Source: Data Distiller Authorization API, "IP Access", `DELETE /security/ip-access`.
/// Not repeated once it may have arrived: the second time would not say what the first one deleted.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[must_use = "a request does nothing until it is sent"]
pub struct DeleteIpAccess;

impl DeleteIpAccess {
    /// The addresses of the client's sandbox.
    pub fn new() -> Self {
        Self
    }
}

impl Endpoint for DeleteIpAccess {
    type Api = Adobe;
    type Output = DeletedIpAccess;
    const OPERATION: &'static str = "adobe.ip_access.delete";
    const IDEMPOTENCY: Idempotency = Idempotency::NotIdempotent;

    fn to_request(&self, base: &Url) -> Result<ApiRequest> {
        ApiRequest::of::<Self>(Method::DELETE, base, &PATH).finish()
    }

    #[inline]
    fn decode(&self, meta: &Meta, body: &Bytes) -> Result<DeletedIpAccess> {
        json::decode(meta, body)
    }
}

/// Asks whether SQL clients at one address may reach the sandbox.
///
/// Needs what [`GetIpAccess`] needs. Source: Data Distiller Authorization API, "IP Validation",
/// `POST /security/validate/ip-access`. It changes nothing, so it is safe to repeat.
#[derive(Clone, Debug, PartialEq, Eq)]
#[must_use = "a request does nothing until it is sent"]
pub struct ValidateIpAccess {
    body: ValidateBody,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
struct ValidateBody {
    ip_address: String,
}

impl ValidateIpAccess {
    /// This address, for example `192.0.2.9`.
    pub fn new(ip_address: impl Into<String>) -> Self {
        Self { body: ValidateBody { ip_address: ip_address.into() } }
    }
}

impl Endpoint for ValidateIpAccess {
    type Api = Adobe;
    type Output = IpValidation;
    const OPERATION: &'static str = "adobe.ip_access.validate";
    const IDEMPOTENCY: Idempotency = Idempotency::Safe;

    fn to_request(&self, base: &Url) -> Result<ApiRequest> {
        ApiRequest::of::<Self>(Method::POST, base, &["security", "validate", "ip-access"])
            .json(&self.body)
            .finish()
    }

    #[inline]
    fn decode(&self, meta: &Meta, body: &Bytes) -> Result<IpValidation> {
        json::decode(meta, body)
    }
}

/// An address, or a range of addresses.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub struct IpRange {
    /// One address (`198.51.100.7`) or a range in CIDR notation (`192.0.2.0/24`).
    pub ip_range: String,
    /// What it is for.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub description: Option<String>,
}

impl IpRange {
    /// One address (`198.51.100.7`) or a range in CIDR notation (`192.0.2.0/24`).
    #[must_use]
    pub fn new(ip_range: impl Into<String>) -> Self {
        Self { ip_range: ip_range.into(), description: None }
    }

    /// Sets what it is for.
    #[must_use]
    pub fn description(mut self, text: impl Into<String>) -> Self {
        self.description = Some(text.into());
        self
    }
}

/// From which addresses SQL clients may reach a sandbox.
#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub struct IpAccess {
    ims_org: Option<SecretString>,
    /// The sandbox.
    pub sandbox_name: Option<Box<str>>,
    /// What is restricted: so far always `data_distiller`, connections by PSQL and JDBC.
    pub channel: Option<Box<str>>,
    /// Who may come in; empty means everyone.
    #[serde(default, deserialize_with = "lenient::list")]
    pub allowed_ip_ranges: Vec<IpRange>,
}

impl IpAccess {
    /// The organization's id. `Debug` does not show it.
    #[must_use]
    pub fn ims_org(&self) -> Option<&str> {
        self.ims_org.as_ref().map(ExposeSecret::expose_secret)
    }
}

/// From which addresses SQL clients could reach a sandbox until now.
#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub struct DeletedIpAccess {
    ims_org: Option<SecretString>,
    /// The sandbox.
    pub sandbox_name: Option<Box<str>>,
    /// What was restricted: so far always `data_distiller`, connections by PSQL and JDBC.
    pub channel: Option<Box<str>>,
    /// The list that was deleted.
    #[serde(default, deserialize_with = "lenient::list")]
    pub deleted_ip_ranges: Vec<IpRange>,
}

impl DeletedIpAccess {
    /// The organization's id. `Debug` does not show it.
    #[must_use]
    pub fn ims_org(&self) -> Option<&str> {
        self.ims_org.as_ref().map(ExposeSecret::expose_secret)
    }
}

/// Whether SQL clients at an address may reach the sandbox.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub struct IpValidation {
    /// Whether they may.
    #[serde(default, deserialize_with = "lenient::boolean")]
    pub is_allowed: Option<bool>,
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::adobe::tests::request_text;
    use crate::error::ErrorKind;

    #[test]
    fn addresses_are_got_set_deleted_and_validated() {
        assert_eq!(request_text(&GetIpAccess::new()), "GET /security/ip-access");
        assert_eq!(request_text(&DeleteIpAccess::new()), "DELETE /security/ip-access");
        let ranges =
            [IpRange::new("192.0.2.0/24").description("office"), IpRange::new("198.51.100.7")];
        assert_eq!(
            request_text(&SetIpAccess::new(ranges)),
            concat!(
                "PUT /security/ip-access\ncontent-type: application/json\n\n",
                r#"{"ipRanges":[{"ipRange":"192.0.2.0/24","description":"office"},"#,
                r#"{"ipRange":"198.51.100.7"}]}"#
            )
        );
        assert_eq!(
            request_text(&ValidateIpAccess::new("192.0.2.9")),
            concat!(
                "POST /security/validate/ip-access\ncontent-type: application/json\n\n",
                r#"{"ipAddress":"192.0.2.9"}"#
            )
        );
    }

    #[test]
    fn nobody_opens_a_sandbox_by_an_empty_list() {
        let base = Url::parse(crate::adobe::BASE_URL).unwrap();
        let error = SetIpAccess::new([]).to_request(&base).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Config);
    }
}
