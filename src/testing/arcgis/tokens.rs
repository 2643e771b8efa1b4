//! Tokens: who may call, and how tokens are handed out.

use chrono::{DateTime, TimeDelta, Utc};
use serde_json::{Value, json};

use super::FakeArcGis;
use super::checks::{Sent, cannot_be};
use super::portal::USERS;
use super::responses::{Api, Refusal, Reply, data};
use super::state::State;

/// Default lifetime of a token, in minutes.
pub(super) const DEFAULT_MINUTES: i64 = 120;
/// A longer lifetime is silently reduced to this.
pub(super) const MOST_MINUTES: i64 = 20_160;
/// The address of all callers of the fake.
const ADDRESS: &str = "127.0.0.1";

/// A token that was handed out.
pub(super) struct Token {
    pub(super) text: String,
    pub(super) user: &'static str,
    /// Made for an app, not for a person.
    pub(super) app: bool,
    /// The `Referer` it works with, if it is bound to one.
    pub(super) referer: Option<String>,
    pub(super) expires: DateTime<Utc>,
}

/// The caller of a request.
pub(super) struct Caller {
    pub(super) user: &'static str,
    /// May do what administrators may.
    pub(super) administrator: bool,
}

impl State {
    /// Checks the token in a header, in the parameters, or in both; they must be the same.
    pub(super) fn caller(&self, sent: &Sent<'_>, api: Api) -> Result<Caller, Refusal> {
        let form = sent.form_token.as_deref();
        let mut given = sent.header_tokens.iter().copied().chain(form);
        let first = given.next().filter(|token| !token.is_empty());
        let first = first.ok_or_else(Refusal::token_required)?;
        let only_in_header = sent.call.method == "POST" && sent.form_token.is_none();
        if self.strict && api != Api::Sharing && only_in_header {
            return Err(Refusal::token_required());
        }
        let known = self.tokens.iter().find(|token| token.text == first);
        let valid = known.filter(|token| {
            token.expires > Utc::now()
                && (token.referer.is_none()
                    || token.referer.as_deref() == sent.call.header("referer"))
                && given.all(|other| other == first)
        });
        let token = valid.ok_or_else(Refusal::invalid_token)?;
        let administrator = token.user == FakeArcGis::USERNAME && !token.app;
        Ok(Caller { user: token.user, administrator })
    }

    /// Hands out a token that lasts this many minutes; returns it with its expiry.
    pub(super) fn mint(
        &mut self,
        user: &'static str,
        app: bool,
        referer: Option<String>,
        minutes: i64,
    ) -> (String, DateTime<Utc>) {
        let expires = self.kit.now() + TimeDelta::minutes(minutes);
        let text = format!("fake-{}..{}", self.new_id(), self.new_id());
        self.tokens.push(Token { text: text.clone(), user, app, referer, expires });
        (text, expires)
    }

    /// `generateToken` and `oauth2/token`.
    pub(super) fn token_request(&mut self, sent: &Sent<'_>) -> Reply {
        sent.check_form(self.strict)?;
        if sent.call.method != "POST" {
            return Err(Refusal::error(405, "Tokens are handed out by POST."));
        }
        // Clients of OAuth 2 do not know `f`.
        if sent.parts.iter().any(|part| part == "oauth2") {
            return self.app_token(sent);
        }
        sent.check(Api::Sharing, self.strict)?;
        self.user_token(sent)
    }

    fn user_token(&mut self, sent: &Sent<'_>) -> Reply {
        sent.only(&["username", "password", "client", "referer", "ip", "expiration"])?;
        let minutes = minutes(sent)?;
        let referer = match sent.required("client")? {
            "referer" => Some(sent.required("referer")?.to_owned()),
            "ip" if sent.required("ip")? == ADDRESS => None,
            // All calls come from another address, so the token never matches.
            "ip" => Some(String::new()),
            "requestip" => None,
            other => return Err(cannot_be("client", other)),
        };
        let user = known_user(sent.field("username"), sent.field("password"));
        let user = user.ok_or_else(|| Refusal::bad_request("username or password is wrong"))?;
        let (token, expires) = self.mint(user, false, referer, minutes);
        let expires = expires.timestamp_millis();
        let expires =
            if self.expires_as_text { Value::from(expires.to_string()) } else { expires.into() };
        Ok(data(json!({ "token": token, "expires": expires, "ssl": false })))
    }

    /// For an app, which has the tasks of its owner but fewer rights.
    fn app_token(&mut self, sent: &Sent<'_>) -> Reply {
        // The last one has no effect; Esri's own client sends it.
        sent.only(&["client_id", "client_secret", "grant_type", "expiration", "redirect_uri"])?;
        let minutes = minutes(sent)?;
        if sent.field("grant_type") != Some("client_credentials") {
            return Err(Refusal::oauth("unsupported_grant_type", "only apps get tokens here"));
        }
        if sent.field("client_id") != Some(FakeArcGis::CLIENT_ID) {
            return Err(Refusal::oauth("invalid_client_id", "there is no such client_id"));
        }
        if sent.field("client_secret") != Some(FakeArcGis::CLIENT_SECRET) {
            return Err(Refusal::oauth("invalid_client_secret", "the client_secret is wrong"));
        }
        let (token, _) = self.mint(FakeArcGis::USERNAME, true, None, minutes);
        Ok(data(json!({ "access_token": token, "expires_in": minutes * 60, "ssl": false })))
    }
}

/// The user of this name, if the password is right.
pub(super) fn known_user(name: Option<&str>, password: Option<&str>) -> Option<&'static str> {
    let user = USERS.into_iter().find(|user| name == Some(*user));
    user.filter(|_| password == Some(FakeArcGis::PASSWORD))
}

/// The requested lifetime of a token.
fn minutes(sent: &Sent<'_>) -> Result<i64, Refusal> {
    match sent.number("expiration")? {
        None => Ok(DEFAULT_MINUTES),
        Some(minutes) if minutes < 1 => Err(cannot_be("expiration", &minutes.to_string())),
        Some(minutes) => Ok(minutes.min(MOST_MINUTES)),
    }
}
