//! Data sources: list, get.

use chrono::{DateTime, Utc};
use serde::Deserialize;

use super::list::{End, list};
use super::{id, relations, request};
use crate::wire::hal::{Embedded, Links};
use crate::wire::{RawJson, json, lenient, time};

list! {
    /// Lists the data sources of the workspace. They all come at once.
    ///
    /// Source: Mode API reference, "Data Sources", `GET /{workspace}/data_sources`. Safe to repeat.
    ListDataSources {} "All data sources."
    GET ["data_sources"] -> DataSource, "mode.data_sources.list", End::AtOnce
}

impl Default for ListDataSources {
    fn default() -> Self {
        Self::new()
    }
}

request! {
    /// Gets one data source.
    ///
    /// Source: Mode API reference, "Data Sources", `GET /{workspace}/data_sources/{data_source}`. Safe to repeat.
    GetDataSource { data_source: DataSourceToken } "This data source."
    GET ["data_sources", data_source] -> DataSource = json::decode, "mode.data_sources.get", Safe
}

id! {
    /// Token of a data source.
    DataSourceToken
}

/// One data source.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[non_exhaustive]
pub struct DataSource {
    /// Token.
    pub token: DataSourceToken,
    /// A number, as text: what [`CreateQuery`](super::CreateQuery) takes.
    #[serde(default, deserialize_with = "lenient::text")]
    pub id: Option<Box<str>>,
    /// Name.
    pub name: Option<Box<str>>,
    /// Name as people see it.
    pub display_name: Option<Box<str>>,
    /// Description.
    pub description: Option<Box<str>>,
    /// Driver, for example `jdbc:postgresql`.
    pub adapter: Option<Box<str>>,
    /// Version of the driver.
    #[serde(default, deserialize_with = "lenient::text")]
    pub adapter_version: Option<Box<str>>,
    /// Kind of database, for example `postgresql`.
    pub vendor: Option<Box<str>>,
    /// Who runs it.
    pub provider: Option<Box<str>>,
    /// Name of the database.
    pub database: Option<Box<str>>,
    /// Host.
    pub host: Option<Box<str>>,
    /// Port.
    #[serde(default, deserialize_with = "lenient::count")]
    pub port: Option<u64>,
    /// Whether it is reached over TLS.
    #[serde(default, deserialize_with = "lenient::boolean")]
    pub ssl: Option<bool>,
    /// User at the database.
    pub username: Option<Box<str>>,
    /// Warehouse, for databases that have them.
    #[serde(default, deserialize_with = "lenient::text")]
    pub warehouse: Option<Box<str>>,
    /// Whether it is reached through Mode's bridge.
    #[serde(default, deserialize_with = "lenient::boolean")]
    pub bridged: Option<bool>,
    /// Whether it is public.
    #[serde(default, deserialize_with = "lenient::boolean")]
    pub public: Option<bool>,
    /// Whether it sleeps until it is asked.
    #[serde(default, deserialize_with = "lenient::boolean")]
    pub asleep: Option<bool>,
    /// Whether queries may be sent to it.
    #[serde(default, deserialize_with = "lenient::boolean")]
    pub queryable: Option<bool>,
    /// Whether it is deleted.
    #[serde(default, deserialize_with = "lenient::boolean")]
    pub soft_deleted: Option<bool>,
    /// What members may do with it, for example `View` or `Query`.
    pub default_access_level: Option<Box<str>>,
    /// Settings of its kind of database, as they came.
    pub custom_attributes: Option<RawJson>,
    /// Number of the workspace, as text.
    #[serde(default, deserialize_with = "lenient::text")]
    pub account_id: Option<Box<str>>,
    /// Username of the workspace.
    pub account_username: Option<Box<str>>,
    /// When it was created. UTC.
    #[serde(default, deserialize_with = "time::lenient_utc")]
    pub created_at: Option<DateTime<Utc>>,
    /// When it was last changed. UTC.
    #[serde(default, deserialize_with = "time::lenient_utc")]
    pub updated_at: Option<DateTime<Utc>>,
    /// Links by name; the documented ones have methods.
    #[serde(rename = "_links", default)]
    pub links: Links,
    /// Resources that came with it.
    #[serde(rename = "_embedded", default)]
    pub embedded: Embedded,
}

relations! {
    DataSource {
        self_link = "self" "The data source itself.",
        creator_link = "creator" "Who made it.",
        account_link = "account" "The workspace.",
        permissions_link = "permissions" "Who may do what with it.",
        web_link = "web" "Its page for people.",
        web_home_link = "web_home" "Its reports, for people.",
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::mode::tests::request_text;

    #[test]
    fn data_sources_are_listed_and_got() {
        assert_eq!(request_text(&ListDataSources::new()), "GET /acme/data_sources");
        assert_eq!(request_text(&GetDataSource::new("d1")), "GET /acme/data_sources/d1");
    }
}
