//! Data sources: list, get.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

use super::list::{End, ListQuery};
use super::tokens::DataSourceToken;
use super::{Mode, relations};
use crate::client::operation;
use crate::paging::Page;
use crate::wire::hal::{Embedded, Forms, Links};
use crate::wire::{RawJson, lenient, time};

operation! {
    /// Lists the data sources of the workspace. The response holds all of them.
    ///
    /// Source: Mode API reference, "Data Sources", `GET /{workspace}/data_sources`.
    ListDataSources {}
    pages { list: ListQuery = ListQuery::ending(End::AtOnce), item: DataSource, key: token }
    for Mode, "mode.data_sources.list", Safe: GET "data_sources" -> Page<DataSource>
}

operation! {
    /// Gets one data source.
    ///
    /// Source: Mode API reference, "Data Sources", `GET /{workspace}/data_sources/{data_source}`.
    GetDataSource { data_source: DataSourceToken }
    for Mode, "mode.data_sources.get", Safe: GET "data_sources" / {data_source} -> DataSource
}

/// One data source.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[non_exhaustive]
pub struct DataSource {
    /// Token.
    pub token: DataSourceToken,
    /// A number, as text: the id that [`CreateQuery`](super::CreateQuery) takes.
    #[serde(default, deserialize_with = "lenient::text")]
    pub id: Option<Box<str>>,
    /// Name.
    pub name: Option<Box<str>>,
    /// The name that people see.
    pub display_name: Option<Box<str>>,
    /// Description.
    pub description: Option<Box<str>>,
    /// Driver, for example `jdbc:postgresql`.
    pub adapter: Option<Box<str>>,
    /// Version of the driver.
    #[serde(default, deserialize_with = "lenient::text")]
    pub adapter_version: Option<Box<str>>,
    /// Type of database, for example `postgresql`.
    pub vendor: Option<Box<str>>,
    /// Who hosts it.
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
    /// Database user.
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
    /// Whether it is suspended until the next query.
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
    /// Settings of its type of database, as raw JSON.
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
    /// Links by relation; the documented ones have methods.
    #[serde(rename = "_links", default)]
    pub links: Links,
    /// Its forms, by name. Not documented.
    #[serde(rename = "_forms", default)]
    pub forms: Forms,
    /// Embedded resources.
    #[serde(rename = "_embedded", default)]
    pub embedded: Embedded,
}

relations! {
    DataSource {
        self_link = "self" "The data source itself.",
        creator_link = "creator" "Who created it.",
        account_link = "account" "The workspace.",
        permissions_link = "permissions" "Its permissions.",
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
