//! How a networked sink proves who it is, and whom it trusts: login, authorities, client certificate.
//!
//! Secrets come from a file or an environment variable, never from the pipeline file. Both are read at every
//! connection, so that a changed password needs no restart. Certificates are checked by rustls, always.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::{ClientConfig, RootCertStore};
use schemars::JsonSchema;
use serde::Deserialize;

use super::ParamError;
use crate::base::{Error, ErrorKind, Result, Secret};
use crate::config::read_password;

/// Parameters of every networked sink. Paths count from the pipeline file's folder.
#[derive(Debug, Clone, Default, Deserialize, JsonSchema)]
#[serde(default)]
pub(super) struct Access {
    /// Login name.
    pub(super) username: Option<String>,
    /// File that holds the password and nothing else; read at every connection.
    password_file: Option<PathBuf>,
    /// Environment variable that holds the password.
    password_env: Option<String>,
    /// PEM file of the authorities that are trusted, instead of the system's.
    ca_file: Option<PathBuf>,
    /// PEM file of this side's certificate, for servers that want one.
    cert_file: Option<PathBuf>,
    /// PEM file of the key that belongs to `cert_file`.
    key_file: Option<PathBuf>,
}

impl Access {
    /// The parameters that hold a path.
    pub(super) const PATHS: &'static [&'static str] = &["password_file", "ca_file", "cert_file", "key_file"];

    /// What is wrong with the parameters, for a sink that uses TLS or not.
    pub(super) fn mistakes(&self, tls: bool) -> Vec<ParamError> {
        let mut mistakes = Vec::new();
        let mut wrong = |param: &str, message: &str, help: &str| mistakes.push(ParamError::new(param, message, help));
        if self.password_file.is_some() && self.password_env.is_some() {
            wrong("password_env", "this sink has both `password_file` and `password_env`", "keep one of them");
        }
        let password = self.password_file.as_ref().map(|_| "password_file");
        if let Some(param) = password.or(self.password_env.as_ref().map(|_| "password_env"))
            && self.username.is_none()
        {
            wrong(param, "there is a password but no user", "add `username:`");
        }
        if self.cert_file.is_some() != self.key_file.is_some() {
            let param = if self.cert_file.is_some() { "cert_file" } else { "key_file" };
            wrong(param, "a certificate needs its key, and a key its certificate", "give both, or neither");
        }
        let files = [("ca_file", &self.ca_file), ("cert_file", &self.cert_file), ("key_file", &self.key_file)];
        for (param, _) in files.into_iter().filter(|(_, file)| file.is_some() && !tls) {
            wrong(
                param,
                &format!("`{param}` would be ignored: the connection has no TLS"),
                "switch TLS on, or remove it",
            );
        }
        mistakes
    }

    /// The password as it is now; `None` when none is configured.
    ///
    /// # Errors
    /// A file or variable that cannot be read.
    pub(super) fn password(&self) -> Result<Option<Secret>> {
        read_secret(self.password_file.as_ref(), self.password_env.as_ref())
    }

    /// User and password; `None` without a user.
    ///
    /// # Errors
    /// As [`Access::password`].
    pub(super) fn login(&self) -> Result<Option<(String, Secret)>> {
        let Some(user) = self.username.clone() else { return Ok(None) };
        Ok(Some((user, self.password()?.unwrap_or_else(|| Secret::new("")))))
    }

    /// The file of a parameter, for a client library that reads such files itself.
    #[cfg(feature = "kafka")]
    pub(super) fn file(&self, param: &str) -> Option<&PathBuf> {
        match param {
            "ca_file" => self.ca_file.as_ref(),
            "cert_file" => self.cert_file.as_ref(),
            "key_file" => self.key_file.as_ref(),
            _ => None,
        }
    }

    /// How TLS is spoken: with the system's authorities or those of `ca_file`, and the client certificate if any.
    ///
    /// # Errors
    /// `Config` naming the file that cannot be used.
    pub(super) fn tls(&self) -> Result<ClientConfig> {
        let mut roots = RootCertStore::empty();
        match &self.ca_file {
            Some(path) => {
                for certificate in certificates(path)? {
                    roots.add(certificate).map_err(|e| bad_file(path, &e.to_string()))?;
                }
            }
            None => {
                roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
            }
        }
        // Named, so that no other crate's choice of a process-wide provider matters.
        let builder = ClientConfig::builder_with_provider(Arc::new(rustls::crypto::ring::default_provider()))
            .with_safe_default_protocol_versions()
            .map_err(|e| Error::new(ErrorKind::Internal, format!("TLS: {e}")))?
            .with_root_certificates(roots);
        let (Some(certificate), Some(key)) = (&self.cert_file, &self.key_file) else {
            return Ok(builder.with_no_client_auth());
        };
        let private = PrivateKeyDer::from_pem_file(key).map_err(|e| bad_file(key, &e.to_string()))?;
        let chain = certificates(certificate)?;
        builder.with_client_auth_cert(chain, private).map_err(|e| bad_file(key, &e.to_string()))
    }
}

/// The secret in a file or an environment variable; `None` when neither is named.
///
/// # Errors
/// `Config` when it cannot be read.
pub(super) fn read_secret(file: Option<&PathBuf>, variable: Option<&String>) -> Result<Option<Secret>> {
    if let Some(path) = file {
        let secret = read_password(path).map_err(|why| {
            Error::new(ErrorKind::Config, format!("{} {why}", path.display()))
                .help("it holds the secret and nothing else")
        })?;
        return Ok(Some(secret));
    }
    let Some(name) = variable else { return Ok(None) };
    match std::env::var(name) {
        Ok(value) if !value.is_empty() => Ok(Some(Secret::new(value))),
        _ => Err(Error::new(ErrorKind::Config, format!("the environment variable `{name}` is not set"))
            .help("set it for this program")),
    }
}

fn certificates(path: &PathBuf) -> Result<Vec<CertificateDer<'static>>> {
    let read = CertificateDer::pem_file_iter(path).map_err(|e| bad_file(path, &e.to_string()))?;
    let all: Vec<_> = read.collect::<std::result::Result<_, _>>().map_err(|e| bad_file(path, &e.to_string()))?;
    if all.is_empty() {
        return Err(bad_file(path, "there is no certificate in it"));
    }
    Ok(all)
}

fn bad_file(path: &Path, why: &str) -> Error {
    Error::new(ErrorKind::Config, format!("{}: {why}", path.display())).help("name a PEM file")
}
