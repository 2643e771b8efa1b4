//! The portal itself: what it is, and who gives out its tokens.

use serde::Deserialize;

use super::request::request;
use crate::wire::{json, lenient, open_enum};

request! {
    /// Gets the portal, as the caller sees it. It tells which administrator API there is:
    ///
    /// ```no_run
    /// # async fn program() -> scheduled_runs::Result<()> {
    /// use scheduled_runs::arcgis;
    ///
    /// let builder = || arcgis::Client::builder().credential(arcgis::GenerateToken::new("admin", "password"));
    /// let root = "https://gis.example.com/portal";
    /// let portal = builder().base_url(root).build()?.send(arcgis::GetPortal::new()).await?;
    ///
    /// let client = builder().base_url(format!("{root}/{}", portal.admin_path())).build()?;
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// Source: ArcGIS REST API, "Portal Self", `GET /sharing/rest/portals/self`. Safe to repeat.
    #[derive(Default)]
    GetPortal {} "The caller's portal."
    GET Sharing ["portals", "self"] -> Portal = json::decode, "arcgis.portal.get", Safe
}

request! {
    /// Gets what a portal tells everybody: where its tokens come from. Use it without a credential to see whether a base URL
    /// is right.
    ///
    /// Source: ArcGIS REST API, "Info", `GET /sharing/rest/info`. Safe to repeat.
    #[derive(Default)]
    GetInfo {} "What the portal tells."
    GET Sharing ["info"] -> Info = json::decode, "arcgis.info.get", Safe
}

open_enum! {
    /// How a portal was installed. Source: the vendor's own client, which knows one value.
    DeploymentType {
        /// ArcGIS Enterprise on Kubernetes.
        Kubernetes = "ArcGISEnterpriseOnKubernetes",
    }
}

/// A portal.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub struct Portal {
    /// Id of the organisation.
    #[serde(default, deserialize_with = "lenient::text")]
    pub id: Option<Box<str>>,
    /// Its name.
    #[serde(default, deserialize_with = "lenient::text")]
    pub name: Option<Box<str>>,
    /// How it was installed.
    #[serde(rename = "portalDeploymentType")]
    pub deployment_type: Option<DeploymentType>,
}

impl Portal {
    /// What the administrator API is called below the portal's root: `admin` on Kubernetes, which has scheduled tasks there,
    /// else `portaladmin`, whose docs know none.
    ///
    /// Source: the vendor's own client, which decides in the same way.
    #[must_use]
    pub fn admin_path(&self) -> &'static str {
        match self.deployment_type {
            Some(DeploymentType::Kubernetes) => "admin",
            _ => "portaladmin",
        }
    }
}

/// What a portal tells everybody.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub struct Info {
    /// The portal that this server belongs to.
    #[serde(default, deserialize_with = "lenient::text")]
    pub owning_system_url: Option<Box<str>>,
    /// Version, with its build number.
    #[serde(default, deserialize_with = "lenient::text")]
    pub full_version: Option<Box<str>>,
    /// Where tokens come from. A server without sign-in leaves it out.
    pub auth_info: Option<AuthInfo>,
}

/// Where tokens come from.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub struct AuthInfo {
    /// Where [`GenerateToken`](super::GenerateToken) asks for them; if it is not below the base URL, pass it to
    /// [`token_url`](super::GenerateToken::token_url).
    #[serde(default, deserialize_with = "lenient::text")]
    pub token_services_url: Option<Box<str>>,
    /// Whether calls need a token.
    #[serde(default, deserialize_with = "lenient::boolean")]
    pub is_token_based_security: Option<bool>,
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::arcgis::tests::request_text;

    #[test]
    fn a_portal_says_which_administrator_api_it_has() {
        assert_eq!(request_text(&GetPortal::new()), "GET /sharing/rest/portals/self?f=json");
        assert_eq!(request_text(&GetInfo::new()), "GET /sharing/rest/info?f=json");
        for (json, path) in [
            (r#"{"id":"0123","portalDeploymentType":"ArcGISEnterpriseOnKubernetes"}"#, "admin"),
            (r#"{"id":"0123","portalDeploymentType":"ArcGISEnterprise"}"#, "portaladmin"),
            (r#"{"portalDeploymentType":null}"#, "portaladmin"),
            ("{}", "portaladmin"),
        ] {
            assert_eq!(serde_json::from_str::<Portal>(json).unwrap().admin_path(), path, "{json}");
        }
    }
}
