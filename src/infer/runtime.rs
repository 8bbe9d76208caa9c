//! Finds and loads ONNX Runtime, once per process.
//!
//! The library is loaded at run time, so that the program starts, and can say what is missing, on a
//! machine without it. A file that is no library, or no ONNX Runtime, is an error and nothing worse.

use std::ffi::{CStr, c_char};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use ort::environment::Environment;
use ort::logging::LogLevel;

use crate::base::{Error, ErrorKind, Result};

const FILE_NAME: &str = "libonnxruntime.so";
/// Environment variable that names the library; the one that other programs use, too.
const PATH_VARIABLE: &str = "ORT_DYLIB_PATH";
/// Where distributions install libraries.
const SYSTEM_FOLDERS: [&str; 7] = [
    "/usr/local/lib",
    "/usr/local/lib64",
    "/usr/lib",
    "/usr/lib64",
    "/usr/lib/x86_64-linux-gnu",
    "/usr/lib/aarch64-linux-gnu",
    "/opt/onnxruntime/lib",
];

/// The loaded library.
#[derive(Debug)]
pub struct Runtime {
    /// The file.
    pub path: PathBuf,
    /// Its version, such as `1.32.0`.
    pub version: String,
    pub(super) environment: Environment,
}

static LOADED: OnceLock<Runtime> = OnceLock::new();
static LOADING: Mutex<()> = Mutex::new(());

/// Loads ONNX Runtime: `explicit`, else `$ORT_DYLIB_PATH`, else the program's own `lib` folder, a
/// `.vantage/lib` above the program or the working directory, else the system's library folders.
/// Later calls give the library that the first successful one loaded, whatever they name.
///
/// # Errors
/// `Missing` when no usable library is found; the message names every place looked at.
pub fn load(explicit: Option<&Path>) -> Result<&'static Runtime> {
    let _one_at_a_time = LOADING.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some(runtime) = LOADED.get() {
        return Ok(runtime);
    }
    let path = find(explicit)?;
    let version = version_of(&path)?;
    let runtime = Runtime { environment: environment(&path)?, version, path };
    tracing::debug!(path = %runtime.path.display(), version = runtime.version, "ONNX Runtime loaded");
    Ok(LOADED.get_or_init(|| runtime))
}

fn missing(what: impl Into<String>) -> Error {
    Error::new(ErrorKind::Missing, what).help(format!(
        "run `make setup` to install ONNX Runtime, or set {PATH_VARIABLE} to its {FILE_NAME}; `vantage doctor` checks it"
    ))
}

fn find(explicit: Option<&Path>) -> Result<PathBuf> {
    let named = match explicit {
        Some(path) => Some(path.to_owned()),
        None => std::env::var_os(PATH_VARIABLE).filter(|value| !value.is_empty()).map(PathBuf::from),
    };
    if let Some(path) = named {
        return if path.is_file() {
            Ok(std::path::absolute(&path).unwrap_or(path))
        } else {
            Err(missing(format!("ONNX Runtime not found: {} is no file", path.display())))
        };
    }
    let places = places(std::env::current_exe().ok().as_deref(), std::env::current_dir().ok().as_deref());
    places.iter().find(|path| path.is_file()).cloned().ok_or_else(|| {
        let places: Vec<String> = places.iter().map(|path| path.display().to_string()).collect();
        missing(format!("ONNX Runtime not found; looked at {}", places.join(", ")))
    })
}

/// Candidate files, best first, without duplicates.
fn places(program: Option<&Path>, working_directory: Option<&Path>) -> Vec<PathBuf> {
    let mut places = Vec::new();
    let mut add = |folder: PathBuf| {
        let path = folder.join(FILE_NAME);
        if !places.contains(&path) {
            places.push(path);
        }
    };
    let program_folder = program.and_then(Path::parent);
    if let Some(prefix) = program_folder.and_then(Path::parent) {
        add(prefix.join("lib"));
    }
    for start in [program_folder, working_directory].into_iter().flatten() {
        start.ancestors().for_each(|folder| add(folder.join(".vantage/lib")));
    }
    SYSTEM_FOLDERS.iter().for_each(|folder| add(PathBuf::from(folder)));
    places
}

/// `OrtApiBase` of `onnxruntime_c_api.h`: two functions, of which we call the second.
#[repr(C)]
struct ApiBase {
    get_api: *const std::ffi::c_void,
    version: Option<unsafe extern "C" fn() -> *const c_char>,
}

/// Asks the library for its version, and thereby whether it is ONNX Runtime at all and new enough:
/// `ort` itself would panic on some of the wrong ones.
fn version_of(path: &Path) -> Result<String> {
    let unusable = |why: &str| missing(format!("{} is not a usable ONNX Runtime: {why}", path.display()));
    // SAFETY: loading runs the library's initialisers. The operator, or the installation, chose the file.
    let library = unsafe { libloading::Library::new(path) }.map_err(|error| unusable(&error.to_string()))?;
    // SAFETY: this is the signature of the symbol since the first release (onnxruntime_c_api.h).
    let base = unsafe { library.get::<unsafe extern "C" fn() -> *const ApiBase>(b"OrtGetApiBase\0") }
        .map_err(|_| unusable("it has no OrtGetApiBase"))?;
    // SAFETY: the function takes nothing and returns a pointer to a static or null.
    let base = unsafe { base().as_ref() }.ok_or_else(|| unusable("OrtGetApiBase gave nothing"))?;
    let version = base.version.ok_or_else(|| unusable("it has no version"))?;
    // SAFETY: the function takes nothing and returns a static, zero-terminated string or null.
    let text = unsafe { version() };
    if text.is_null() || base.get_api.is_null() {
        return Err(unusable("it has no version"));
    }
    // SAFETY: not null, zero-terminated, and the library is still loaded.
    let text = unsafe { CStr::from_ptr(text) }.to_string_lossy().into_owned();
    let mut numbers = text.split('.').map(|part| part.parse::<u32>().unwrap_or(0));
    let version = (numbers.next().unwrap_or(0), numbers.next().unwrap_or(0));
    if version < (1, ort::MINOR_VERSION) {
        return Err(unusable(&format!("version {text}, at least 1.{} is needed", ort::MINOR_VERSION)));
    }
    // Unloading it only to load it again would run its destructors for nothing.
    std::mem::forget(library);
    Ok(text)
}

fn environment(path: &Path) -> Result<Environment> {
    let failed = |why: String| missing(format!("{}: ONNX Runtime does not start: {why}", path.display()));
    let environment = ort::init_from(path)
        .map_err(|error| failed(error.to_string()))?
        .with_name("vantage")
        .with_telemetry(false)
        .with_logger(Arc::new(log))
        .build()
        .map_err(|error| failed(error.to_string()))?;
    // The builder starts at "verbose", and every message is formatted before we could drop it.
    environment.set_log_level(LogLevel::Warning);
    Ok(environment)
}

/// The runtime's warnings are about graph details that a user cannot change: debug output.
fn log(level: LogLevel, category: &str, _id: &str, location: &str, message: &str) {
    match level {
        LogLevel::Verbose | LogLevel::Info => tracing::trace!(target: "onnxruntime", category, location, "{message}"),
        LogLevel::Warning => tracing::debug!(target: "onnxruntime", category, location, "{message}"),
        LogLevel::Error | LogLevel::Fatal => tracing::warn!(target: "onnxruntime", category, location, "{message}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_go_from_the_program_to_the_system() {
        let places = places(Some(Path::new("/opt/vantage/bin/vantage")), Some(Path::new("/home/a")));
        let at = |path: &str| places.iter().position(|p| p == Path::new(path)).unwrap_or_else(|| panic!("{path}"));
        let order = [
            at("/opt/vantage/lib/libonnxruntime.so"),
            at("/opt/vantage/bin/.vantage/lib/libonnxruntime.so"),
            at("/opt/vantage/.vantage/lib/libonnxruntime.so"),
            at("/home/a/.vantage/lib/libonnxruntime.so"),
            at("/usr/lib/libonnxruntime.so"),
        ];
        assert!(order.is_sorted(), "{places:?}");
    }

    #[test]
    fn what_is_no_runtime_is_an_error() {
        let folder = tempfile::tempdir().unwrap();
        let garbage = folder.path().join(FILE_NAME);
        std::fs::write(&garbage, b"not a library").unwrap();
        for path in [garbage.as_path(), folder.path(), Path::new("/nonexistent/libonnxruntime.so")] {
            let error = find(Some(path)).and_then(|path| version_of(&path)).unwrap_err();
            assert_eq!(error.kind(), ErrorKind::Missing, "{error:?}");
            assert!(error.to_string().contains(&path.display().to_string()), "{error}");
            assert!(error.advice().unwrap().contains("make setup"));
        }
    }

    #[test]
    fn another_library_is_refused() {
        // The C library is loaded in every process, and is no ONNX Runtime.
        let error = version_of(Path::new("libc.so.6")).unwrap_err();
        assert!(error.to_string().contains("OrtGetApiBase"), "{error}");
    }
}
