//! Real footage beside the repository, when it is there.

use std::path::{Path, PathBuf};

use crate::program::{assert_balanced, run, tiny};

fn footage() -> Option<PathBuf> {
    let shared = std::env::var("VANTAGE_SHARED").unwrap_or_else(|_| "../shared".to_owned());
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join(shared).join("data/footage");
    if folder.is_dir() {
        return Some(folder);
    }
    eprintln!("skipped: there is no {}", folder.display());
    None
}

#[test]
fn every_clip_ends_with_balanced_books_or_a_reason() {
    let Some(footage) = footage() else { return };
    let model = tiny();
    for part in ["malformed", "derived"] {
        let mut files: Vec<PathBuf> =
            std::fs::read_dir(footage.join(part)).unwrap().map(|e| e.unwrap().path()).collect();
        files.sort();
        for file in files {
            let name = file.file_name().unwrap().to_str().unwrap().to_owned();
            let mut arguments = vec!["bench", file.to_str().unwrap(), "--model", model.to_str().unwrap(), "--json"];
            if [".264", ".h264", ".h265", ".mjpeg"].iter().any(|end| name.ends_with(end)) {
                arguments.extend(["--assume-fps", "25"]);
            }
            let said = run(&arguments);
            if !said.stdout.is_empty() {
                assert_balanced(&said.json()["accounting"]);
            }
            if !said.status.success() {
                assert!(said.stderr.contains("error:") && said.stderr.contains(&name), "{name}: {}", said.stderr);
            }
            if said.stdout.is_empty() {
                assert!(part == "malformed" && !said.status.success(), "{name}: {}", said.stderr);
                continue;
            }
            let frames = said.json()["accounting"]["frames"].clone();
            if part == "derived" {
                assert!(said.status.success(), "{name}: {}", said.stderr);
                assert!(frames["detected"].as_u64().unwrap() > 0, "{name}: {frames}");
                assert_eq!(frames["dropped"]["corrupt"], 0, "{name} is clean: {frames}");
            }
        }
    }
}
