//! Where the bytes come from: the official address, a mirror on the web, or a folder.

use std::path::PathBuf;

use url::Url;

use super::catalog::{Entry, MODEL_FILE};
use crate::base::{Error, ErrorKind, Result, redact_url};

/// Where to pull from.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum Origin {
    /// The address in the catalogue.
    #[default]
    Official,
    /// Below this address: the file's official name, or a models folder of Vantage.
    Mirror(Url),
    /// In this folder, likewise.
    Folder(PathBuf),
}

impl Origin {
    /// Reads `--from`: an address that begins with `http://` or `https://`, or a folder.
    ///
    /// # Errors
    /// `Usage` for another kind of address, or one that is none.
    pub fn parse(text: &str) -> Result<Self> {
        let wrong = |why: &str| {
            Error::new(ErrorKind::Usage, format!("{}: {why}", redact_url(text)))
                .help("give an address that begins with https:// or http://, or a folder")
        };
        if !text.contains("://") {
            return Ok(Self::Folder(PathBuf::from(text)));
        }
        let mut url = Url::parse(text).map_err(|error| wrong(&error.to_string()))?;
        if !matches!(url.scheme(), "http" | "https") {
            return Err(wrong("models are pulled by https and http"));
        }
        // Joining replaces what stands after the last slash.
        if !url.path().ends_with('/') {
            url.set_path(&format!("{}/", url.path()));
        }
        Ok(Self::Mirror(url))
    }

    /// The addresses to try in turn; none for a folder.
    pub(super) fn addresses(&self, entry: &Entry) -> Vec<Url> {
        match self {
            Self::Official => vec![entry.url.clone()],
            Self::Mirror(base) => below(entry).iter().filter_map(|path| base.join(path).ok()).collect(),
            Self::Folder(_) => Vec::new(),
        }
    }

    /// The file, when it is to come from a folder.
    ///
    /// # Errors
    /// `NotFound` when the folder holds none of the names.
    pub(super) fn file(&self, entry: &Entry) -> Result<Option<PathBuf>> {
        let Self::Folder(folder) = self else { return Ok(None) };
        let names = below(entry);
        match names.iter().map(|name| folder.join(name)).find(|path| path.is_file()) {
            Some(path) => Ok(Some(path)),
            None => Err(Error::new(
                ErrorKind::NotFound,
                format!("{}: neither {} is there", folder.display(), names.join(" nor ")),
            )
            .help(format!("put the file from {} into this folder", entry.url))),
        }
    }
}

/// Where a mirror may keep an entry's file, relative to its base.
fn below(entry: &Entry) -> [String; 2] {
    [entry.file_name().to_owned(), format!("{}/{MODEL_FILE}", entry.name)]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_and_folders_are_told_apart() {
        let mirror = |text: &str| match Origin::parse(text).unwrap() {
            Origin::Mirror(url) => url.to_string(),
            other => panic!("{other:?}"),
        };
        assert_eq!(mirror("http://mirror/models"), "http://mirror/models/");
        assert_eq!(mirror("https://mirror:8443/"), "https://mirror:8443/");
        assert_eq!(Origin::parse("/srv/models").unwrap(), Origin::Folder("/srv/models".into()));
        assert_eq!(Origin::parse("models").unwrap(), Origin::Folder("models".into()));
        for bad in ["ftp://mirror/", "https://", "file:///srv"] {
            assert_eq!(Origin::parse(bad).unwrap_err().kind(), ErrorKind::Usage, "{bad}");
        }
    }
}
