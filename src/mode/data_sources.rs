//! Data sources: list, get.

use chrono::{DateTime, Utc};

use super::list::{End, ListQuery};
use super::tokens::DataSourceToken;
use super::{Mode, relations};
use crate::client::operation;
use crate::paging::Page;
use crate::wire::hal::{Embedded, Forms, Links};
use crate::wire::{RawJson, lenient, model, time};

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

model! {
    /// One data source.
    #[derive(Clone, Debug, PartialEq, Eq)]
    #[non_exhaustive]
    pub struct DataSource {
        /// Token.
        pub token: DataSourceToken,
        /// A number, as text: the id that [`CreateQuery`](super::CreateQuery) takes.
        pub id: Option<Box<str>> as "id" with lenient::text,
        /// Name.
        pub name: Option<Box<str>>,
        /// The name that people see.
        pub display_name: Option<Box<str>>,
        /// Description.
        pub description: Option<Box<str>>,
        /// Driver, for example `jdbc:postgresql`.
        pub adapter: Option<Box<str>>,
        /// Version of the driver.
        pub adapter_version: Option<Box<str>> as "adapter_version" with lenient::text,
        /// Type of database, for example `postgresql`.
        pub vendor: Option<Box<str>>,
        /// Who hosts it.
        pub provider: Option<Box<str>>,
        /// Name of the database.
        pub database: Option<Box<str>>,
        /// Host.
        pub host: Option<Box<str>>,
        /// Port.
        pub port: Option<u64> as "port" with lenient::count,
        /// Whether it is reached over TLS.
        pub ssl: Option<bool> as "ssl" with lenient::boolean,
        /// Database user.
        pub username: Option<Box<str>>,
        /// Warehouse, for databases that have them.
        pub warehouse: Option<Box<str>> as "warehouse" with lenient::text,
        /// Whether it is reached through Mode's bridge.
        pub bridged: Option<bool> as "bridged" with lenient::boolean,
        /// Whether it is public.
        pub public: Option<bool> as "public" with lenient::boolean,
        /// Whether it is suspended until the next query.
        pub asleep: Option<bool> as "asleep" with lenient::boolean,
        /// Whether queries may be sent to it.
        pub queryable: Option<bool> as "queryable" with lenient::boolean,
        /// Whether it is deleted.
        pub soft_deleted: Option<bool> as "soft_deleted" with lenient::boolean,
        /// What members may do with it, for example `View` or `Query`.
        pub default_access_level: Option<Box<str>>,
        /// Settings of its type of database, as raw JSON.
        pub custom_attributes: Option<RawJson>,
        /// Number of the workspace, as text.
        pub account_id: Option<Box<str>> as "account_id" with lenient::text,
        /// Username of the workspace.
        pub account_username: Option<Box<str>>,
        /// When it was created. UTC.
        pub created_at: Option<DateTime<Utc>> as "created_at" with time::lenient_utc,
        /// When it was last changed. UTC.
        pub updated_at: Option<DateTime<Utc>> as "updated_at" with time::lenient_utc,
        /// Links by relation; the documented ones have methods.
        pub links: Links as "_links" default,
        /// Its forms, by name. Not documented.
        pub forms: Forms as "_forms" default,
        /// Embedded resources.
        pub embedded: Embedded as "_embedded" default,
    }
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
