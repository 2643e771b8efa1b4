//! The page where a person signs in by OAuth 2, as the vendor's own Python client does with a name and a password: the implicit
//! grant. The page's format is not documented; it is what that client reads.

use serde_json::json;
use url::form_urlencoded;

use super::responses::ParsedRequest;
use super::state::State;
use super::tokens::{DEFAULT_MINUTES, MOST_MINUTES, known_user};
use crate::testing::kit::Response;

/// Where the form of the page is sent.
pub(super) const SIGN_IN: &str = "/enterprise/sharing/oauth2/signin";

/// A page that was sent, and has not been filled in yet.
pub(super) struct Page {
    id: String,
    redirect: String,
    state: Option<String>,
}

impl State {
    /// `oauth2/authorize`: the page.
    pub(super) fn sign_in_page(&mut self, call: &ParsedRequest) -> Response {
        let value = |name| call.parameter(name).filter(|value| !value.is_empty());
        if value("client_id").is_none() {
            return page("Error: Invalid client_id", "");
        }
        let Some(redirect) = value("redirect_uri") else {
            return page("Error: Invalid redirect_uri", "");
        };
        if value("response_type") != Some("token") {
            return page("Error: this fake only knows response_type=token", "");
        }
        let (redirect, state) = (redirect.to_owned(), value("state").map(str::to_owned));
        let id = self.new_id();
        let script = format!("<script>var oAuthInfo = {};</script>", json!({ "oauth_state": id }));
        self.sign_ins.push(Page { id, redirect, state });
        page("Sign in", &script)
    }

    /// Redirects with a token if name and password are right; otherwise it is the page again.
    pub(super) fn sign_in(&mut self, call: &ParsedRequest) -> Response {
        let form: Vec<(String, String)> = form_urlencoded::parse(&call.body).into_owned().collect();
        let field = |name: &str| {
            let found = form.iter().find(|(known, _)| known == name);
            found.map(|(_, value)| value.as_str())
        };
        let Some(user) = known_user(field("username"), field("password")) else {
            return page("Invalid username or password", "");
        };
        let asked = self.sign_ins.iter().position(|page| field("oauth_state") == Some(&page.id));
        let Some(asked) = asked.map(|asked| self.sign_ins.swap_remove(asked)) else {
            return page("Error: Invalid oauth_state", "");
        };
        let minutes = field("expiration").and_then(|minutes| minutes.parse().ok());
        let minutes = minutes.unwrap_or(DEFAULT_MINUTES).clamp(1, MOST_MINUTES);
        let (token, _) = self.mint(user, false, None, minutes);
        let mut result = form_urlencoded::Serializer::new(String::new());
        result.append_pair("access_token", &token);
        result.append_pair("expires_in", &(minutes * 60).to_string());
        result.append_pair("username", user);
        if let Some(state) = &asked.state {
            result.append_pair("state", state);
        }
        let mut response = Response::empty(302);
        response.header("location", &format!("{}#{}", asked.redirect, result.finish()));
        response
    }
}

fn page(heading: &str, script: &str) -> Response {
    let page = format!("<!DOCTYPE html><html><body><h1>{heading}</h1>{script}</body></html>");
    Response::new(200, "text/html;charset=UTF-8", page)
}
