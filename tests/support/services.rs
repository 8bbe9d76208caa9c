//! Real brokers and a real database, started by the project's own script in a folder of the test's own.
#![allow(dead_code, clippy::unwrap_used, clippy::expect_used, clippy::disallowed_methods)]

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::process::Command;

/// Some of the services; all are stopped, and their data removed, with it.
pub struct Services {
    folder: tempfile::TempDir,
    certificate: &'static str,
    variables: HashMap<String, String>,
}

impl Services {
    /// Starts the named services; a missing package is a failure, since `make test` installs all.
    pub fn start(names: &[&str]) -> Self {
        Self::showing("server", names)
    }

    /// The same, with another certificate at the TLS ports: `expired` or `elsewhere`.
    pub fn showing(certificate: &'static str, names: &[&str]) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let mut services = Self { folder, certificate, variables: HashMap::new() };
        services.call("start", names);
        services
    }

    /// Starts those again that were stopped: same port, same data.
    pub fn start_again(&mut self, name: &str) {
        self.call("start", &[name]);
    }

    /// Stops one and keeps its data.
    pub fn stop(&mut self, name: &str) {
        self.call("stop", &[name]);
    }

    fn dir(&self) -> PathBuf {
        self.folder.path().join("services")
    }

    fn call(&mut self, what: &str, names: &[&str]) {
        let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("scripts/services.sh");
        // To a file: the services keep their standard output open, and a pipe would not end before them.
        let said = self.folder.path().join("said");
        let out = std::fs::File::create(&said).unwrap();
        let status = Command::new(script)
            .arg(what)
            .arg("--dir")
            .arg(self.dir())
            .args(["--certificate", self.certificate])
            .args(names)
            .stdout(out.try_clone().unwrap())
            .stderr(out)
            .status()
            .unwrap();
        let said = std::fs::read_to_string(said).unwrap();
        assert!(status.success(), "services.sh {what} {names:?}: {said}");
        let pairs = said.lines().filter_map(|line| line.split_once('='));
        self.variables.extend(pairs.map(|(name, value)| (name.to_owned(), value.to_owned())));
    }

    /// A variable of `DIR/env`.
    pub fn get(&self, name: &str) -> &str {
        self.variables.get(name).unwrap_or_else(|| panic!("services.sh says nothing of {name}"))
    }

    /// A port of `DIR/env`.
    pub fn port(&self, name: &str) -> u16 {
        self.get(name).parse().unwrap()
    }

    /// A file among the certificates.
    pub fn pem(&self, name: &str) -> String {
        format!("{}/{name}", self.get("CERTS"))
    }

    /// A file with the password of every service.
    pub fn password_file(&self) -> String {
        let path = self.folder.path().join("password");
        std::fs::write(&path, "secret\n").unwrap();
        path.display().to_string()
    }
}

impl Drop for Services {
    fn drop(&mut self) {
        let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("scripts/services.sh");
        let _ = Command::new(script).arg("stop").arg("--dir").arg(self.dir()).status();
    }
}
