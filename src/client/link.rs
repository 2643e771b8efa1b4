//! Where a link in a response may lead.

use url::{Host, Url};

use crate::error::{Error, ErrorKind, Result};
use crate::wire::hal::Link;

/// What a client does with the `next` links of a response. No policy ever sends a request to another origin.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum LinkPolicy {
    /// Follow links to the base URL's own scheme, host and port; refuse others with [`ErrorKind::CrossOrigin`].
    SameOrigin,
    /// Never follow: take only the link's query and apply it to the first request. For vendors whose links name
    /// hosts that clients must not call.
    QueryOnly,
}

impl LinkPolicy {
    /// The query members of a link, decoded once, as far as this policy lets the link be used at all.
    ///
    /// # Errors
    /// [`ErrorKind::CrossOrigin`] under [`SameOrigin`](Self::SameOrigin) for a link to another origin.
    pub fn query(self, base: &Url, link: &str) -> Result<Vec<(String, String)>> {
        match self {
            Self::SameOrigin => Ok(Self::query_of(resolve(base, link)?.as_str())),
            Self::QueryOnly => Ok(Self::query_of(link)),
        }
    }

    /// The query members of a link, decoded once: the text between `?` and `#`, whatever stands before it. That is all
    /// that [`QueryOnly`](Self::QueryOnly) uses.
    #[must_use]
    pub fn query_of(link: &str) -> Vec<(String, String)> {
        let link = link.split_once('#').map_or(link, |(link, _)| link);
        let query = link.split_once('?').map_or("", |(_, query)| query);
        url::form_urlencoded::parse(query.as_bytes()).into_owned().collect()
    }
}

/// The absolute URL of a link found in a response of `base`'s service.
///
/// # Errors
/// [`ErrorKind::CrossOrigin`] for another scheme, host or port, for a URL with a user name, and for text that is not a URL.
#[allow(
    clippy::disallowed_methods,
    reason = "the one place that resolves links, and it checks the origin"
)]
pub(super) fn resolve(base: &Url, link: &str) -> Result<Url> {
    let refused = |what: &str| {
        Error::new(
            ErrorKind::CrossOrigin,
            format!("a link {what}; it was not followed, for the credential would go with it"),
        )
    };
    let url = base.join(link).map_err(|_| refused("is not a URL"))?;
    if !same_origin(&url, base) {
        return Err(refused(&format!("leads to {}", url.origin().ascii_serialization())));
    }
    if !url.username().is_empty() || url.password().is_some() {
        return Err(refused("carries a user name"));
    }
    Ok(url)
}

impl Link {
    /// The absolute URL, if it stays with the vendor that `base` belongs to.
    ///
    /// # Errors
    /// [`ErrorKind::CrossOrigin`] if it leads elsewhere, [`ErrorKind::Unsupported`] if it is a template.
    pub fn resolve(&self, base: &Url) -> Result<Url> {
        if self.templated {
            let message = "the link is a template; send the request it stands for instead";
            return Err(Error::new(ErrorKind::Unsupported, message));
        }
        resolve(base, &self.href)
    }
}

/// The base URL under which a request would have been where its redirect leads: `None` if the redirect changes more than
/// the base.
pub(crate) fn moved_base(base: &Url, asked: &Url, led: &Url) -> Option<String> {
    let below = asked.path().strip_prefix(base.path().trim_end_matches('/'))?;
    let path = led.path().strip_suffix(below).filter(|_| !below.is_empty())?;
    Some(format!("{}{path}", led.origin().ascii_serialization()))
}

/// Whether two URLs have scheme, host and port in common.
pub(crate) fn same_origin(one: &Url, other: &Url) -> bool {
    one.scheme() == other.scheme()
        && one.host() == other.host()
        && one.port_or_known_default() == other.port_or_known_default()
}

/// Whether what is sent to this URL stays on this machine or inside TLS.
pub(crate) fn is_private(url: &Url) -> bool {
    url.scheme() == "https" || is_loopback(url)
}

/// Whether this URL leads to this machine.
pub(crate) fn is_loopback(url: &Url) -> bool {
    match url.host() {
        Some(Host::Domain(name)) => {
            let name = name.trim_end_matches('.');
            name == "localhost" || name.ends_with(".localhost")
        }
        Some(Host::Ipv4(address)) => address.is_loopback(),
        Some(Host::Ipv6(address)) => address.is_loopback(),
        None => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn base() -> Url {
        Url::parse("https://api.example.com/data/query").unwrap()
    }

    #[test]
    fn a_redirect_of_the_whole_service_tells_its_new_base() {
        for (asked, led, told) in [
            ("/data/query/runs/7", "/v2/query/runs/7", Some("https://api.example.com/v2/query")),
            ("/data/query/runs/7", "/runs/7?x=1", Some("https://api.example.com")),
            ("/data/query/runs/7", "/login", None),
            ("/data/query", "/login", None),
            ("/token", "/v2/token", None),
        ] {
            let url = |path| resolve(&base(), path).unwrap();
            assert_eq!(moved_base(&base(), &url(asked), &url(led)).as_deref(), told, "{led}");
        }
    }

    #[test]
    fn links_to_the_own_origin_are_resolved() {
        for (link, url) in [
            ("/other?x=1", "https://api.example.com/other?x=1"),
            ("?page=2", "https://api.example.com/data/query?page=2"),
            ("runs/7", "https://api.example.com/data/runs/7"),
            ("HTTPS://API.EXAMPLE.COM/a", "https://api.example.com/a"),
            ("https://api.example.com:443/a", "https://api.example.com/a"),
        ] {
            assert_eq!(resolve(&base(), link).unwrap().as_str(), url);
        }
    }

    #[test]
    fn links_to_anywhere_else_are_refused() {
        for link in [
            "https://evil.example/",
            "//evil.example/",
            r"\\evil.example\",
            "https://api.example.com@evil.example/",
            "https://api.example.com:444/",
            "http://api.example.com/",
            "javascript:alert(1)",
            "\t//evil.example/",
            "https://user:pw@api.example.com/",
            "https://user@api.example.com/",
            "https://:pw@api.example.com/",
            "https://[",
            "data:text/plain,x",
        ] {
            let error = resolve(&base(), link).expect_err(link);
            assert_eq!(error.kind(), ErrorKind::CrossOrigin, "{link:?}");
        }
    }

    #[test]
    fn a_template_and_a_link_to_another_origin_are_refused() {
        let mut templated = Link::new("/x{?page}");
        templated.templated = true;
        assert_eq!(templated.resolve(&base()).unwrap_err().kind(), ErrorKind::Unsupported);
        let foreign = Link::new("//evil.example/x").resolve(&base()).unwrap_err();
        assert_eq!(foreign.kind(), ErrorKind::CrossOrigin);
        let own = Link::new("/y").resolve(&base()).unwrap();
        assert_eq!(own.as_str(), "https://api.example.com/y");
    }

    #[test]
    fn query_only_takes_the_query_and_nothing_else() {
        let query = |link| LinkPolicy::QueryOnly.query(&base(), link).unwrap();
        assert_eq!(
            query("https://evil.example/q?orderby=-created&start=2019-08-01T00:14:21.748Z#x"),
            [
                ("orderby".into(), "-created".into()),
                ("start".into(), "2019-08-01T00:14:21.748Z".into()),
            ]
        );
        // Members are split at the first equals sign: filters come unescaped.
        assert_eq!(query("?property=active==true"), [("property".into(), "active==true".into())]);
        assert!(query("no query at all").is_empty());
        assert!(LinkPolicy::SameOrigin.query(&base(), "https://evil.example/?start=1").is_err());
    }

    #[test]
    fn only_tls_and_this_machine_are_private() {
        for (url, private) in [
            ("https://api.example.com", true),
            ("http://127.0.0.1:80", true),
            ("http://127.9.9.9", true),
            ("http://[::1]:8080", true),
            ("http://localhost", true),
            ("http://a.localhost.", true),
            ("http://api.example.com", false),
            ("http://10.0.0.1", false),
            ("http://localhost.example.com", false),
        ] {
            assert_eq!(is_private(&Url::parse(url).unwrap()), private, "{url}");
        }
    }
}
