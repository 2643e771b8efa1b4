//! What the requests of this vendor share: where they go, and how answers are read.

use bytes::Bytes;
use http::Method;
use serde::Deserialize;
use serde::de::DeserializeOwned;
use url::Url;

use super::fields::{RunId, TaskId};
use super::time::{Dated, ServerZone};
use crate::client::{ApiRequest, Endpoint, Meta, RequestBuilder};
use crate::error::Result;
use crate::wire::{json, lenient};

/// The two APIs of a portal.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Place {
    /// The administrator API.
    Admin,
    /// The sharing API.
    Sharing,
}

/// Starts a request of an operation.
pub(super) fn start<E: Endpoint>(
    method: Method,
    base: &Url,
    place: Place,
    path: &[&str],
) -> RequestBuilder {
    let portal = Portal::at(base);
    let below: &[&str] = match place {
        Place::Admin => &[portal.admin],
        Place::Sharing => &["sharing", "rest"],
    };
    let builder = ApiRequest::of::<E>(method, &portal.root, &[below, path].concat());
    match (place, path) {
        // The passcode of a backup stands in what tasks are run with, and comes back in answers.
        (
            Place::Admin,
            ["system", "tasks"] | ["system", "tasks", _] | ["system", "tasks", _, "update"],
        ) => builder.confidential(),
        _ => builder,
    }
}

/// A portal as its base URL names it.
pub(super) struct Portal {
    /// Without what people copy along: `/sharing/rest`, `/home/index.html`, `/admin`.
    pub(super) root: Url,
    /// What the administrator API is called below the root.
    admin: &'static str,
}

impl Portal {
    /// The portal of a base URL. One that ends in `/portaladmin` says that the administrator API is there; everywhere else it
    /// is at `/admin`.
    pub(super) fn at(base: &Url) -> Self {
        let path = base.path().to_ascii_lowercase();
        let parts: Vec<_> = path.split('/').filter(|part| !part.is_empty()).collect();
        let (copied, admin) = match parts[..] {
            [.., "sharing", "rest"] => (2, "admin"),
            [.., "home", page] if page.rsplit('.').next() == Some("html") => (2, "admin"),
            [.., "sharing" | "home" | "admin"] => (1, "admin"),
            [.., "portaladmin"] => (1, "portaladmin"),
            _ => (0, "admin"),
        };
        let mut kept = base.path().trim_end_matches('/');
        for _ in 0..copied {
            kept = kept.rsplit_once('/').map_or("", |(kept, _)| kept.trim_end_matches('/'));
        }
        let dropped = base.path().matches('/').count() - kept.matches('/').count();
        let mut root = base.clone();
        if let Ok(mut path) = root.path_segments_mut() {
            (0..dropped).for_each(|_| _ = path.pop());
        }
        Self { root, admin }
    }
}

/// Whether a path is one of the administrator API: a user of the sharing API may be called `admin`.
pub(super) fn is_admin(url: &Url) -> bool {
    let parts = url.path_segments().into_iter().flatten();
    parts.take_while(|part| *part != "sharing").any(|part| matches!(part, "admin" | "portaladmin"))
}

/// Reads an answer with dates, in the zone of the server's clock.
pub(super) fn dated<T: DeserializeOwned + Dated>(meta: &Meta, body: &Bytes) -> Result<T> {
    let mut answer: T = json::decode(meta, body)?;
    if let Some(zone) = meta.extension::<ServerZone>() {
        answer.dates(&mut |date| date.read_in(zone));
    }
    Ok(answer)
}

/// What became of a change.
///
/// The administrator API answers with a status alone, the sharing API with ids alone, and what the administrator API answers
/// to [`CreateTask`](super::CreateTask) is not documented: each member may be missing. An answer that says the change was
/// not made is an error instead.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(from = "Wire")]
#[non_exhaustive]
pub struct Changed {
    /// `success`, or `success with warnings`, or `in progress`.
    pub status: Option<Box<str>>,
    /// The task, where the answer names it.
    pub task_id: Option<TaskId>,
    /// The run, where the answer names it.
    pub run_id: Option<RunId>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Wire {
    /// Without a default, so that a list is not read as a change of which nothing is known.
    status: Option<Box<str>>,
    #[serde(default, deserialize_with = "lenient::text")]
    task_id: Option<Box<str>>,
    /// Inferred: an answer that is the whole task names itself so.
    #[serde(default, deserialize_with = "lenient::text")]
    id: Option<Box<str>>,
    #[serde(default, deserialize_with = "lenient::text")]
    run_id: Option<Box<str>>,
    /// False is an error before it comes here.
    #[serde(rename = "success", default, deserialize_with = "lenient::boolean")]
    _success: Option<bool>,
}

impl From<Wire> for Changed {
    fn from(wire: Wire) -> Self {
        Self {
            status: wire.status,
            task_id: wire.task_id.or(wire.id).map(|id| TaskId::from(&*id)),
            run_id: wire.run_id.map(|id| RunId::from(&*id)),
        }
    }
}

/// Declares a request that is no more than a method and a path:
/// `Name { part: Id } "What new() takes." METHOD Place [segments] -> Output = decode, "operation", Idempotency`.
macro_rules! request {
    (
        $(#[$meta:meta])*
        $name:ident { $($part:ident: $id:ty),* } $new:literal
        $method:ident $place:ident [$($segment:expr),+] -> $output:ty = $decode:path, $operation:literal, $idempotency:ident
    ) => {
        $(#[$meta])*
        #[derive(Clone, Debug, PartialEq, Eq)]
        #[must_use = "a request does nothing until it is sent"]
        pub struct $name {
            $($part: $id),*
        }

        impl $name {
            #[doc = $new]
            pub fn new($($part: impl Into<$id>),*) -> Self {
                Self { $($part: $part.into()),* }
            }
        }

        impl $crate::client::Endpoint for $name {
            type Api = $crate::arcgis::ArcGis;
            type Output = $output;
            const OPERATION: &'static str = $operation;
            const IDEMPOTENCY: $crate::client::Idempotency = $crate::client::Idempotency::$idempotency;

            fn to_request(&self, base: &url::Url) -> $crate::error::Result<$crate::client::ApiRequest> {
                use $crate::arcgis::request::{Place, start};

                let Self { $($part),* } = self;
                let path: &[&str] = &[$(AsRef::<str>::as_ref($segment)),+];
                start::<Self>(http::Method::$method, base, Place::$place, path).finish()
            }

            #[inline]
            fn decode(
                &self,
                meta: &$crate::client::Meta,
                body: &bytes::Bytes,
            ) -> $crate::error::Result<$output> {
                $decode(meta, body)
            }
        }
    };
}

pub(super) use request;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_portal_is_found_behind_whatever_address_people_copy() {
        for (base, root, admin) in [
            ("https://h/portal", "https://h/portal", "admin"),
            ("https://h/portal/", "https://h/portal", "admin"),
            ("https://h/portal/sharing/rest", "https://h/portal", "admin"),
            ("https://h/portal/sharing/rest/", "https://h/portal", "admin"),
            ("https://h/portal/sharing", "https://h/portal", "admin"),
            ("https://h/portal/home/", "https://h/portal", "admin"),
            ("https://h/portal/home/index.html", "https://h/portal", "admin"),
            ("https://h/home/signin.html", "https://h/", "admin"),
            ("https://h/index.html", "https://h/index.html", "admin"),
            ("https://h/gis/admin", "https://h/gis", "admin"),
            ("https://h/Portal/PortalAdmin/", "https://h/Portal", "portaladmin"),
            ("https://h:7443/arcgis/portaladmin", "https://h:7443/arcgis", "portaladmin"),
            ("https://www.arcgis.com", "https://www.arcgis.com/", "admin"),
            ("https://www.arcgis.com/sharing/rest", "https://www.arcgis.com/", "admin"),
            ("https://h/home/admin", "https://h/home", "admin"),
            ("https://h/a%2Fb//home//", "https://h/a%2Fb", "admin"),
            ("https://h/rest", "https://h/rest", "admin"),
        ] {
            let portal = Portal::at(&Url::parse(base).unwrap());
            assert_eq!((portal.root.as_str(), portal.admin), (root, admin), "{base}");
        }
    }

    #[test]
    fn a_user_called_admin_is_no_administrator_api() {
        for (url, admin) in [
            ("https://h/gis/admin/system/tasks", true),
            ("https://h/portaladmin/system", true),
            ("https://h/portal/sharing/rest/community/users/admin/tasks", false),
            ("https://h/portal", false),
        ] {
            assert_eq!(is_admin(&Url::parse(url).unwrap()), admin, "{url}");
        }
    }

    #[test]
    fn a_change_is_told_in_three_ways() {
        let read = |json| serde_json::from_str::<Changed>(json).unwrap();
        let admin = read(r#"{"status":"success with warnings"}"#);
        assert_eq!(admin.status.as_deref(), Some("success with warnings"));
        let sharing = read(r#"{"success":true,"taskId":"t1","runId":7}"#);
        assert_eq!((sharing.task_id, sharing.run_id), (Some("t1".into()), Some("7".into())));
        assert_eq!(read(r#"{"id":"t1","taskTitle":"x"}"#).task_id, Some("t1".into()));
        assert_eq!(read("{}"), Changed::default());
    }
}
