//! IP access: the addresses from which SQL clients may reach the sandbox.

use secrecy::{ExposeSecret, SecretString};
use serde::Serialize;

use super::Adobe;
use crate::client::{json, operation};
use crate::error::{Error, Result};
use crate::wire::{Only, lenient, model};

operation! {
    /// Gets the addresses from which SQL clients may reach the sandbox. An empty list allows every address.
    ///
    /// Needs the Data Distiller add-on and a **user's token**: [`AccessToken`](super::AccessToken), not server-to-server.
    ///
    /// Source: Data Distiller Authorization API, "IP Access", `GET /security/ip-access`.
    GetIpAccess {}
    for Adobe, "adobe.ip_access.get", Safe: GET "security" / "ip-access" -> IpAccess
}

operation! {
    /// Sets the addresses from which SQL clients may reach the sandbox. It replaces the whole list.
    ///
    /// Needs what [`GetIpAccess`] needs. What is not an address is refused with 400.
    ///
    /// Source: Data Distiller Authorization API, "IP Access", `PUT /security/ip-access`.
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
    SetIpAccess {} without new
    state { body: SetBody }
    for Adobe, "adobe.ip_access.set", Idempotent: PUT "security" / "ip-access" -> IpAccess,
    json {body},
    with |this, request| request.check(this.check())
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
struct SetBody {
    ip_ranges: Vec<IpRange>,
}

impl SetIpAccess {
    /// These addresses and no others; at least one. To allow every address, send [`DeleteIpAccess`].
    pub fn new(ranges: impl IntoIterator<Item = IpRange>) -> Self {
        Self { body: SetBody { ip_ranges: ranges.into_iter().collect() } }
    }

    fn check(&self) -> Result<()> {
        if self.body.ip_ranges.is_empty() {
            return Err(Error::config(
                "an empty list would allow every address; send `DeleteIpAccess` to do that",
            ));
        }
        Ok(())
    }
}

operation! {
    /// Deletes all addresses from the list, so that SQL clients may reach the sandbox **from everywhere**.
    ///
    /// Needs what [`GetIpAccess`] needs. A second delete would not return the addresses that the first one deleted.
    ///
    /// Source: Data Distiller Authorization API, "IP Access", `DELETE /security/ip-access`.
    DeleteIpAccess {}
    for Adobe, "adobe.ip_access.delete", NotIdempotent: DELETE "security" / "ip-access" -> DeletedIpAccess,
    decode json::accepted
}

operation! {
    /// Checks whether SQL clients at an address, such as `192.0.2.9`, may reach the sandbox. It changes nothing.
    ///
    /// Needs what [`GetIpAccess`] needs. Source: Data Distiller Authorization API, "IP Validation",
    /// `POST /security/validate/ip-access`.
    ValidateIpAccess { ip_address: String }
    for Adobe, "adobe.ip_access.validate", Safe: POST "security" / "validate" / "ip-access" -> IpValidation,
    with |this, request| request.json(&Only("ipAddress", &this.ip_address))
}

model! {
    /// An address, or a range of addresses.
    #[derive(Clone, Debug, PartialEq, Eq)]
    #[non_exhaustive]
    pub struct IpRange {
        /// One address (`198.51.100.7`) or a range in CIDR notation (`192.0.2.0/24`).
        pub ip_range: String as "ipRange",
        /// What it is for.
        #[serde(skip_serializing_if = "Option::is_none")]
        pub description: Option<String>,
    }
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

model! {
    /// The addresses from which SQL clients may reach a sandbox.
    #[derive(Clone, Debug)]
    #[non_exhaustive]
    pub struct IpAccess {
        #[serde(skip_serializing)]
        ims_org: Option<SecretString> as "imsOrg",
        /// The sandbox.
        pub sandbox_name: Option<Box<str>> as "sandboxName",
        /// What is restricted; so far always `data_distiller`, connections by PSQL and JDBC.
        pub channel: Option<Box<str>>,
        /// The addresses that are allowed. If empty, every address is.
        pub allowed_ip_ranges: Vec<IpRange> as "allowedIpRanges" with lenient::exact_list,
    }
}

impl IpAccess {
    /// The organization's id. `Debug` does not show it.
    #[must_use]
    pub fn ims_org(&self) -> Option<&str> {
        self.ims_org.as_ref().map(ExposeSecret::expose_secret)
    }
}

model! {
    /// The addresses from which SQL clients could reach a sandbox until the deletion.
    #[derive(Clone, Debug)]
    #[non_exhaustive]
    pub struct DeletedIpAccess {
        #[serde(skip_serializing)]
        ims_org: Option<SecretString> as "imsOrg",
        /// The sandbox.
        pub sandbox_name: Option<Box<str>> as "sandboxName",
        /// What was restricted; so far always `data_distiller`, connections by PSQL and JDBC.
        pub channel: Option<Box<str>>,
        /// The list that was deleted.
        pub deleted_ip_ranges: Vec<IpRange> as "deletedIpRanges" with lenient::exact_list,
    }
}

impl DeletedIpAccess {
    /// The organization's id. `Debug` does not show it.
    #[must_use]
    pub fn ims_org(&self) -> Option<&str> {
        self.ims_org.as_ref().map(ExposeSecret::expose_secret)
    }
}

model! {
    /// Whether SQL clients at an address may reach the sandbox.
    #[derive(Clone, Debug, PartialEq, Eq)]
    #[non_exhaustive]
    pub struct IpValidation {
        /// Whether they may.
        pub is_allowed: Option<bool> as "isAllowed" with lenient::boolean,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use url::Url;

    use crate::adobe::tests::request_text;
    use crate::client::Endpoint as _;
    use crate::error::ErrorKind;

    #[test]
    fn addresses_are_fetched_set_deleted_and_validated() {
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
    fn an_empty_list_of_addresses_is_refused() {
        let base = Url::parse(crate::adobe::BASE_URL).unwrap();
        let error = SetIpAccess::new([]).to_request(&base).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Config);
    }
}
