//! What the requests of this vendor share: the portal they go to, and how responses are read.

use bytes::Bytes;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use url::Url;

use super::fields::{RunId, TaskId};
use super::time::{Dated, ServerZone};
use crate::client::{Meta, json};
use crate::error::Result;
use crate::wire::{lenient, model};

/// What a base URL says about its portal.
pub(super) struct PortalUrl {
    /// The base URL without what people copy along: `/sharing/rest`, `/home/notebook/notebook.html`, `/admin`.
    pub(super) root: Url,
    /// Name of the administrator API below the root.
    pub(super) admin: &'static str,
}

impl PortalUrl {
    /// Reads a base URL. If it ends in `/portaladmin`, the administrator API is there; otherwise it is at `/admin`.
    pub(super) fn of(base: &Url) -> Self {
        let path = base.path().to_ascii_lowercase();
        let parts: Vec<_> = path.split('/').filter(|part| !part.is_empty()).collect();
        let is_page = parts.last().is_some_and(|last| last.rsplit('.').next() == Some("html"));
        // What the segment and those after it are: an API as a rule, or pages of the portal's site.
        let copied = |start: &usize| match parts.get(*start..).unwrap_or_default() {
            ["sharing" | "admin"] | ["sharing", "rest", ..] | ["admin", "system", ..] => true,
            ["portaladmin", ..] | ["home"] => true,
            ["home", "admin" | "portaladmin" | "sharing" | "home", ..] => false,
            ["home" | "apps", ..] => is_page,
            _ => false,
        };
        let root = (0..parts.len()).find(copied).unwrap_or(parts.len());
        let admin = match parts.get(root) {
            Some(&"portaladmin") => "portaladmin",
            _ => "admin",
        };
        let copied = parts.len() - root;
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

/// Where a request about notebooks goes below `/admin/notebooks`, for the dialect, which knows whether a Notebook Server has them.
#[derive(Clone)]
pub(super) struct NotebookPath {
    pub(super) below: Box<[Box<str>]>,
    /// As [`PortalUrl::admin`].
    pub(super) admin: &'static str,
}

/// Whether a URL is one of the administrator API. A user of the sharing API may be called `admin`.
pub(super) fn is_admin(url: &Url) -> bool {
    let parts = url.path_segments().into_iter().flatten();
    parts.take_while(|part| *part != "sharing").any(|part| matches!(part, "admin" | "portaladmin"))
}

/// Decodes a response with dates, in the zone of the server's clock.
pub(super) fn dated<T: DeserializeOwned + Dated>(meta: &Meta, body: &Bytes) -> Result<T> {
    let mut value: T = json::decode(meta, body)?;
    if let Some(zone) = meta.extension::<ServerZone>() {
        value.dates(&mut |date| date.read_in(zone));
    }
    Ok(value)
}

/// Outcome of a change.
///
/// The administrator API sends only a status, the sharing API only ids, and the response of the administrator API to
/// [`CreateTask`](super::CreateTask) is not documented: each member may be missing. A response that says that the change was not
/// made is an error.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize, Serialize)]
#[serde(from = "RawChange", rename_all = "camelCase")]
#[non_exhaustive]
pub struct Changed {
    /// `success`, or `success with warnings`, or `in progress`.
    pub status: Option<Box<str>>,
    /// The task, if the response names it.
    pub task_id: Option<TaskId>,
    /// The run, if the response names it.
    pub run_id: Option<RunId>,
}

model! {
    struct RawChange {
        /// Without a default: serde would read an empty list as a change without members.
        status: Option<Box<str>>,
        task_id: Option<Box<str>> as "taskId" with lenient::text,
        /// Inferred: the id of a response that is the whole task.
        id: Option<Box<str>> as "id" with lenient::text,
        run_id: Option<Box<str>> as "runId" with lenient::text,
        /// `false` is an error, which the dialect finds first.
        _success: Option<bool> as "success" with lenient::boolean,
    }
}

impl From<RawChange> for Changed {
    fn from(raw: RawChange) -> Self {
        Self {
            status: raw.status,
            task_id: raw.task_id.or(raw.id).map(|id| TaskId::from(String::from(id))),
            run_id: raw.run_id.map(|id| RunId::from(String::from(id))),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_portal_is_found_behind_every_address_people_copy() {
        for (base, root, admin) in [
            ("https://h/portal", "https://h/portal", "admin"),
            ("https://h/portal/", "https://h/portal", "admin"),
            ("https://h/portal/sharing/rest", "https://h/portal", "admin"),
            ("https://h/portal/sharing/rest/", "https://h/portal", "admin"),
            ("https://h/portal/sharing", "https://h/portal", "admin"),
            ("https://h/portal/home/", "https://h/portal", "admin"),
            ("https://h/portal/home/index.html", "https://h/portal", "admin"),
            ("https://h/portal/home/notebook/notebook.html", "https://h/portal", "admin"),
            ("https://h/portal/Home/Item.html", "https://h/portal", "admin"),
            ("https://h/portal/apps/mapviewer/index.html", "https://h/portal", "admin"),
            ("https://h/apps/portal", "https://h/apps/portal", "admin"),
            ("https://h/portal/sharing/rest/portals/self", "https://h/portal", "admin"),
            ("https://h/portal/portaladmin/system/", "https://h/portal", "portaladmin"),
            ("https://h/portal/admin/system/tasks", "https://h/portal", "admin"),
            ("https://h/home/sharing/rest", "https://h/home", "admin"),
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
            let portal = PortalUrl::of(&Url::parse(base).unwrap());
            assert_eq!((portal.root.as_str(), portal.admin), (root, admin), "{base}");
        }
    }

    #[test]
    fn a_user_called_admin_is_not_an_administrator_api() {
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
    fn a_change_has_three_shapes() {
        let read = |json| serde_json::from_str::<Changed>(json).unwrap();
        let admin = read(r#"{"status":"success with warnings"}"#);
        assert_eq!(admin.status.as_deref(), Some("success with warnings"));
        let sharing = read(r#"{"success":true,"taskId":"t1","runId":7}"#);
        assert_eq!((sharing.task_id, sharing.run_id), (Some("t1".into()), Some("7".into())));
        assert_eq!(read(r#"{"id":"t1","taskTitle":"x"}"#).task_id, Some("t1".into()));
        assert_eq!(read("{}"), Changed::default());
    }
}
