//! The HTTP port: where it listens, how it is encrypted, who is asked.

use std::net::SocketAddr;

use super::compile::{Context, mark_of};
use super::conditions;
use super::oidc::{self, Authentication};
use super::plan::{ServerPlan, ServerTls};
use super::raw::default;
use super::read::{Field, quoted, table};

table! {
    /// The HTTP port: the operations centre's page and its API, health and metrics. Other machines reach it only with `tls` and `authentication`.
    Server ("`server`") {
        /// Address and port.
        optional listen: String = default::LISTEN,
        /// Whether the page and its API are served; without them there are health and metrics only.
        optional page: bool = true,
        /// Whether the page and its API ask who is there. Without it everybody who reaches the port is administrator. A table instead of `true` adds an OpenID Connect provider to the users with passwords.
        optional authentication: Authentication = true,
        /// Encrypts the port.
        optional tls: WrittenTls,
        /// Allows an address that other machines can reach without `tls` and `authentication`.
        optional insecure_listen: bool = false,
        /// What the map page is drawn on.
        optional map: Map,
        /// Name of the site, which the page shows.
        optional site_name: String,
        /// IANA name of the time zone in which the page shows times; that of the browser when not given.
        optional time_zone: String,
    }
}

table! {
    /// The port's certificate: its own, or one that the program makes for itself.
    WrittenTls ("`tls`") {
        /// PEM file of the certificate, followed by those that vouch for it.
        optional certificate: String,
        /// PEM file of its private key.
        optional key: String,
        /// Makes a certificate at the first start and keeps it in the store's folder; browsers warn of it.
        optional self_signed: bool = false,
    }
}

table! {
    /// What the map page is drawn on.
    Map ("`map`") {
        /// GeoJSON file with outlines: streets, wards, water.
        optional outline: String,
        /// PMTiles file with a street map.
        optional tiles: String,
    }
}

/// Compiles the section; none when its address cannot be read.
pub(super) fn server(context: &mut Context<'_>, server: &Server) -> Option<ServerPlan> {
    if matches!(server.listen, Field::Bad) {
        return None;
    }
    let written = server.listen.get().map_or(default::LISTEN, String::as_str);
    let mark = mark_of(&server.listen).unwrap_or_default();
    let Ok(listen) = written.parse::<SocketAddr>() else {
        let message = format!("`listen` cannot be {}", quoted(written));
        context.problems.error(mark, message, "write an address and a port, such as 127.0.0.1:9090 or [::1]:9090");
        return None;
    };
    let map = server.map.get();
    let (authentication, oidc) = oidc::authentication(context, &server.authentication);
    let plan = ServerPlan {
        listen,
        page: server.page.or(true),
        authentication,
        oidc,
        tls: server.tls.get().and_then(|tls| encryption(context, tls, mark_of(&server.tls).unwrap_or_default())),
        insecure_listen: server.insecure_listen.or(false),
        map_outline: map.and_then(|map| file(context, &map.outline, "outline")),
        map_tiles: map.and_then(|map| file(context, &map.tiles, "tiles")),
        site_name: server.site_name.get().cloned(),
        time_zone: conditions::named_zone(context, &server.time_zone)
            .flatten()
            .and_then(|zone| zone.iana_name().map(str::to_owned)),
    };
    // A section that cannot be read counts as meant: one mistake is told once.
    let exposure = plan.exposure().filter(|_| !server.tls.is_given() || plan.tls.is_some());
    if let Some(message) = exposure.filter(|_| !plan.insecure_listen) {
        let help = "listen on 127.0.0.1 behind a proxy, or give the port `tls` and leave `page` and `authentication` on, \
                    or add `insecure_listen: true`";
        context.problems.error(mark, message, help);
    }
    if let Some(flag) = server.insecure_listen.located().filter(|flag| flag.value && plan.exposure().is_none()) {
        let message = format!("`insecure_listen` changes nothing: {listen} is safe already");
        context.problems.error(flag.mark, message, "remove it");
    }
    if !plan.page {
        let without = "it belongs to the page, and `page` is false: remove one of them";
        for (name, mark) in [
            ("authentication", mark_of(&server.authentication)),
            ("map", mark_of(&server.map)),
            ("site_name", mark_of(&server.site_name)),
            ("time_zone", mark_of(&server.time_zone)),
        ] {
            if let Some(mark) = mark {
                context.problems.error(mark, format!("`{name}` would be ignored"), without);
            }
        }
    }
    Some(plan)
}

fn encryption(context: &mut Context<'_>, tls: &WrittenTls, mark: super::text::Mark) -> Option<ServerTls> {
    let self_signed = tls.self_signed.or(false);
    let certificate = file(context, &tls.certificate, "certificate");
    let key = file(context, &tls.key, "key");
    match (tls.certificate.is_given(), tls.key.is_given(), self_signed) {
        (true, true, false) => Some(ServerTls::Files { certificate: certificate?, key: key? }),
        (false, false, true) => Some(ServerTls::SelfSigned),
        (true, true, true) => {
            let message = "`self_signed` would be ignored: there is a certificate";
            context.problems.error(mark, message, "remove one of them");
            None
        }
        _ => {
            let help = "give `certificate` and `key`, or `self_signed: true`";
            context.problems.error(mark, "`tls` does not say which certificate to use", help);
            None
        }
    }
}

/// A file that must be there.
fn file(context: &mut Context<'_>, field: &Field<String>, name: &str) -> Option<std::path::PathBuf> {
    let path = context.path_of(field)?;
    if let Err(why) = std::fs::metadata(&path) {
        let mark = mark_of(field).unwrap_or_default();
        context.problems.error(
            mark,
            format!("`{name}`: {} cannot be read: {why}", path.display()),
            "name a file that exists",
        );
        return None;
    }
    Some(path)
}
