//! `server.authentication`: a switch, or a table with an OpenID Connect provider besides the passwords.

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use url::{Host, Url};

use super::compile::{Context, mark_of};
use super::diagnostic::Problems;
use super::login::read_password;
use super::node::{Node, NodeValue};
use super::read::{Field, FromNode, Located, choice, quoted, table};
use crate::base::Secret;

/// What is asked of the provider besides `openid`.
const SCOPES: [&str; 1] = ["profile"];
/// The claim that is the user's name.
const USER_CLAIM: &str = "preferred_username";
/// The claim that lists the user's groups.
const GROUPS_CLAIM: &str = "groups";

/// What stands under `authentication`.
#[derive(Clone)]
pub(super) enum Authentication {
    /// `true` or `false`.
    Switch(bool),
    /// On, with more.
    Table(Box<WrittenAuthentication>),
}

table! {
    /// Who is asked, besides the users with passwords.
    WrittenAuthentication ("`authentication`") {
        /// Login by an OpenID Connect provider; in builds with the feature `oidc`.
        optional oidc: Oidc,
    }
}

table! {
    /// Login by an OpenID Connect provider: authorization code flow with PKCE. Users come to be at their first login, with what `grants` gives their groups.
    Oidc ("`oidc`") {
        /// The provider's issuer, as its discovery document names it. https, or http on this machine.
        required issuer: String,
        /// The name under which the provider knows this program.
        required client_id: String,
        /// File with the client's secret and nothing else; without it the client is a public one.
        optional client_secret_file: String,
        /// The page's address as browsers write it. The provider must know `PAGE_URL/api/v1/session/oidc/callback` as a redirect address.
        required page_url: String,
        /// What the login page calls the provider.
        optional name: String,
        /// Scopes that are asked for besides `openid`.
        optional scopes: Vec<Located<String>> = SCOPES,
        /// The claim that is the user's name here.
        optional user_claim: String = USER_CLAIM,
        /// The claim that lists the user's groups.
        optional groups_claim: String = GROUPS_CLAIM,
        /// What groups may do. The first that names one of the user's groups counts; who is in none is refused.
        required grants: Vec<Located<Grant>>,
    }
}

table! {
    /// What the members of a group may do.
    Grant ("this grant") {
        /// The group, as the claim names it.
        required group: String,
        /// The role.
        required role: GrantedRole,
        /// Wards that they may see; with `cameras` neither, all.
        optional wards: Vec<Located<String>>,
        /// Cameras that they may see besides.
        optional cameras: Vec<Located<String>>,
    }
}

/// A role, by its word.
#[derive(Clone, Copy)]
pub(super) struct GrantedRole(&'static str);

const ROLES: [(&str, GrantedRole); 4] = [
    ("viewer", GrantedRole("viewer")),
    ("operator", GrantedRole("operator")),
    ("engineer", GrantedRole("engineer")),
    ("administrator", GrantedRole("administrator")),
];

impl FromNode for GrantedRole {
    fn from_node(node: &Node, name: &str, problems: &mut Problems) -> Option<Self> {
        choice(node, name, &ROLES, problems)
    }
}

impl JsonSchema for GrantedRole {
    fn inline_schema() -> bool {
        true
    }
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "GrantedRole".into()
    }
    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({"enum": ROLES.map(|(word, _)| word)})
    }
}

impl FromNode for Authentication {
    fn from_node(node: &Node, name: &str, problems: &mut Problems) -> Option<Self> {
        match &node.value {
            NodeValue::Bool(value) => Some(Self::Switch(*value)),
            NodeValue::Map(_) => {
                WrittenAuthentication::from_node(node, name, problems).map(|table| Self::Table(Box::new(table)))
            }
            _ => {
                let message = format!("`{name}` must be `true`, `false` or keys with values, this is {}", node.sort());
                problems.error(node.mark, message, "write true or false, without quotes, or `oidc:` below it");
                None
            }
        }
    }
}

impl JsonSchema for Authentication {
    fn inline_schema() -> bool {
        true
    }
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "Authentication".into()
    }
    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        let table = generator.subschema_for::<WrittenAuthentication>();
        json_schema!({"anyOf": [{"type": "boolean"}, table]})
    }
}

/// An OpenID Connect provider, and what its users may do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OidcPlan {
    /// Its issuer, as written: tokens and the discovery document must name exactly this.
    pub issuer: String,
    /// The name under which it knows this program.
    pub client_id: String,
    /// The client's secret; a public client has none.
    pub client_secret: Option<Secret>,
    /// The page's address for browsers, without a slash at its end.
    pub page_url: String,
    /// What the login page calls it.
    pub name: Option<String>,
    /// Scopes besides `openid`.
    pub scopes: Vec<String>,
    /// The claim that is the user's name.
    pub user_claim: String,
    /// The claim that lists the user's groups.
    pub groups_claim: String,
    /// What groups may do, in order.
    pub grants: Vec<GrantPlan>,
}

/// What the members of a group may do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GrantPlan {
    /// The group.
    pub group: String,
    /// The role's word.
    pub role: &'static str,
    /// Wards; `None` does not narrow.
    pub wards: Option<Vec<String>>,
    /// Cameras; `None` does not narrow.
    pub cameras: Option<Vec<String>>,
}

/// Whether anybody is asked, and the provider if there is one.
pub(super) fn authentication(context: &mut Context<'_>, field: &Field<Authentication>) -> (bool, Option<OidcPlan>) {
    match field.get() {
        None => (true, None),
        Some(Authentication::Switch(on)) => (*on, None),
        Some(Authentication::Table(table)) => {
            let Some(written) = table.oidc.located() else { return (true, None) };
            if cfg!(not(feature = "oidc")) {
                let help = "build it with `cargo build --release --features oidc`, or remove `oidc`";
                context.problems.error(written.mark, "this program was built without the feature `oidc`", help);
            }
            (true, provider(context, &written.value))
        }
    }
}

fn provider(context: &mut Context<'_>, written: &Oidc) -> Option<OidcPlan> {
    let issuer = address(context, &written.issuer, "issuer");
    let page_url = address(context, &written.page_url, "page_url");
    let secret =
        written.client_secret_file.located().and_then(|file| match read_password(&context.path(&file.value)) {
            Ok(secret) => Some(secret),
            Err(why) => {
                let message = format!("`client_secret_file`: {} {why}", quoted(&file.value));
                context.problems.error(
                    file.mark,
                    message,
                    "name a file that holds the client's secret and nothing else",
                );
                None
            }
        });
    if let Some(grants) = written.grants.located().filter(|grants| grants.value.is_empty()) {
        context.problems.error(grants.mark, "`grants` is empty: nobody could log in", "add a group with its role");
    }
    let words = |field: &Field<Vec<Located<String>>>| -> Option<Vec<String>> {
        Some(field.get()?.iter().map(|word| word.value.clone()).collect())
    };
    let grant = |grant: &Located<Grant>| {
        Some(GrantPlan {
            group: grant.value.group.get()?.clone(),
            role: grant.value.role.get()?.0,
            wards: words(&grant.value.wards),
            cameras: words(&grant.value.cameras),
        })
    };
    Some(OidcPlan {
        issuer: issuer?,
        client_id: written.client_id.get()?.clone(),
        client_secret: secret,
        page_url: page_url?.trim_end_matches('/').to_owned(),
        name: written.name.get().cloned(),
        scopes: words(&written.scopes).unwrap_or_else(|| SCOPES.map(str::to_owned).to_vec()),
        user_claim: written.user_claim.get().map_or(USER_CLAIM, String::as_str).to_owned(),
        groups_claim: written.groups_claim.get().map_or(GROUPS_CLAIM, String::as_str).to_owned(),
        grants: written.grants.get()?.iter().filter_map(grant).collect(),
    })
}

/// An address that nobody on the way can read or change.
fn address(context: &mut Context<'_>, field: &Field<String>, name: &str) -> Option<String> {
    let written = field.get()?;
    let mark = mark_of(field).unwrap_or_default();
    let url = match Url::parse(written) {
        Ok(url) if matches!(url.scheme(), "http" | "https") && url.query().is_none() && url.fragment().is_none() => url,
        _ => {
            let message = format!("`{name}` cannot be {}", quoted(written));
            context.problems.error(mark, message, "write an address such as https://login.example.org");
            return None;
        }
    };
    let is_here = match url.host() {
        Some(Host::Domain(name)) => name == "localhost",
        Some(Host::Ipv4(ip)) => ip.is_loopback(),
        Some(Host::Ipv6(ip)) => ip.is_loopback(),
        None => false,
    };
    if url.scheme() == "http" && !is_here {
        let message = format!("`{name}` is not encrypted: anybody on the way could log in");
        context.problems.error(mark, message, "write https://; http is for this machine only");
        return None;
    }
    Some(written.clone())
}
