//! Stills read back, for sinks that send them inside their messages.

use std::fs::File;
use std::io::{ErrorKind, Read};
use std::path::Path;

use super::query::Reader;
use crate::scene::StillFile;
use crate::scene::still::is_whole_jpeg;

impl Reader {
    /// The still of that name, when it is there and has at most `most_bytes`. Stills get their names when they are whole,
    /// so a file that is found is one; what a power cut emptied counts as missing.
    #[must_use]
    pub fn still(&self, name: &str, most_bytes: u64) -> StillFile {
        match read(&self.file.with_file_name("media"), name, most_bytes) {
            Ok(file) => file,
            Err(error) => {
                if error.kind() != ErrorKind::NotFound {
                    tracing::warn!(still = name, %error, "a still cannot be read");
                }
                StillFile::Missing
            }
        }
    }
}

fn read(media: &Path, name: &str, most_bytes: u64) -> std::io::Result<StillFile> {
    // Names come from events, which whoever can write the database can write.
    if name.is_empty() || name.starts_with('.') || name.contains(['/', '\\', '\0']) {
        return Err(std::io::Error::new(ErrorKind::InvalidInput, "not a plain file name"));
    }
    let file = File::open(media.join(name))?;
    let bytes = file.metadata()?.len();
    if bytes > most_bytes {
        return Ok(StillFile::TooLarge);
    }
    let mut jpeg = Vec::with_capacity(usize::try_from(bytes).unwrap_or(0));
    file.take(most_bytes).read_to_end(&mut jpeg)?;
    Ok(if is_whole_jpeg(&jpeg) { StillFile::Found(jpeg) } else { StillFile::Missing })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whole_files_within_the_limit_are_found_and_nothing_outside_of_the_folder() {
        let folder = tempfile::tempdir().unwrap();
        let media = folder.path().join("media");
        std::fs::create_dir(&media).unwrap();
        let jpeg = [0xff, 0xd8, 1, 2, 3, 0xff, 0xd9];
        std::fs::write(media.join("a.1.jpg"), jpeg).unwrap();
        std::fs::write(media.join("a.2.jpg"), [0; 7]).unwrap();
        std::fs::write(folder.path().join("secret.jpg"), jpeg).unwrap();
        assert_eq!(read(&media, "a.1.jpg", 7).unwrap(), StillFile::Found(jpeg.to_vec()));
        assert_eq!(read(&media, "a.1.jpg", 6).unwrap(), StillFile::TooLarge);
        assert_eq!(read(&media, "a.2.jpg", 7).unwrap(), StillFile::Missing, "a power cut emptied it");
        assert_eq!(read(&media, "a.3.jpg", 7).unwrap_err().kind(), ErrorKind::NotFound);
        for name in ["../secret.jpg", "/etc/passwd", "", ".a.1.jpg.tmp"] {
            assert_eq!(read(&media, name, 7).unwrap_err().kind(), ErrorKind::InvalidInput, "{name}");
        }
    }
}
