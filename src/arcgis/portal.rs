//! The portal itself, and its token service.

use super::ArcGis;
use crate::client::operation;
use crate::wire::{lenient, model, open_enum};

operation! {
    /// Gets the portal, as the caller sees it. It says which administrator API there is:
    ///
    /// ```no_run
    /// # async fn program() -> scheduled_runs::Result<()> {
    /// use scheduled_runs::arcgis;
    ///
    /// let builder = || {
    ///     arcgis::Client::builder().credential(arcgis::GenerateToken::new("admin", "password"))
    /// };
    /// let root = "https://gis.example.com/portal";
    /// let portal = builder().base_url(root).build()?.send(arcgis::GetPortal::new()).await?;
    ///
    /// let client = builder().base_url(format!("{root}/{}", portal.admin_path())).build()?;
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// Source: ArcGIS REST API, "Portal Self", `GET /sharing/rest/portals/self`.
    GetPortal {}
    for ArcGis, "arcgis.portal.get", Safe: GET "sharing" / "rest" / "portals" / "self" -> Portal
}

operation! {
    /// Gets what a portal says without a sign-in: where its tokens come from. Use it without a credential to check a base URL.
    ///
    /// Source: ArcGIS REST API, "Info", `GET /sharing/rest/info`.
    GetInfo {}
    for ArcGis, "arcgis.info.get", Safe: GET "sharing" / "rest" / "info" -> Info
}

open_enum! {
    /// Kind of a portal's installation. Source: the vendor's own client, which knows one value.
    DeploymentType {
        /// ArcGIS Enterprise on Kubernetes.
        Kubernetes = "ArcGISEnterpriseOnKubernetes",
    }
}

model! {
    /// A portal.
    #[derive(Clone, Debug, PartialEq, Eq)]
    #[non_exhaustive]
    pub struct Portal {
        /// Id of the organisation.
        pub id: Option<Box<str>> as "id" with lenient::text,
        /// Name of the organisation.
        pub name: Option<Box<str>> as "name" with lenient::text,
        /// Kind of its installation.
        pub deployment_type: Option<DeploymentType> as "portalDeploymentType",
    }
}

impl Portal {
    /// Name of the administrator API below the portal's root: `admin` on Kubernetes, which has scheduled tasks there, otherwise
    /// `portaladmin`, which does not document any.
    ///
    /// Source: the vendor's own client decides in the same way.
    #[must_use]
    pub fn admin_path(&self) -> &'static str {
        match self.deployment_type {
            Some(DeploymentType::Kubernetes) => "admin",
            _ => "portaladmin",
        }
    }
}

model! {
    /// What a portal says without a sign-in.
    #[derive(Clone, Debug, PartialEq, Eq)]
    #[non_exhaustive]
    pub struct Info {
        /// URL of the portal that this server belongs to.
        pub owning_system_url: Option<Box<str>> as "owningSystemUrl" with lenient::text,
        /// Version, with the build number.
        pub full_version: Option<Box<str>> as "fullVersion" with lenient::text,
        /// Its token service. Missing if the server has no sign-in.
        pub auth_info: Option<AuthInfo> as "authInfo" with lenient::object,
    }
}

model! {
    /// The token service of a portal.
    #[derive(Clone, Debug, PartialEq, Eq)]
    #[non_exhaustive]
    pub struct AuthInfo {
        /// URL from which [`GenerateToken`](super::GenerateToken) fetches tokens. If it is not below the base URL, pass it to
        /// [`token_url`](super::GenerateToken::token_url).
        pub token_services_url: Option<Box<str>> as "tokenServicesUrl" with lenient::text,
        /// Whether calls need a token.
        pub is_token_based_security: Option<bool> as "isTokenBasedSecurity" with lenient::boolean,
    }
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
