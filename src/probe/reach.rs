//! Is anything listening there? For the supervisor, while a camera is down.

use std::net::{TcpStream, ToSocketAddrs};
use std::time::Duration;

use super::failure::Failure;
use super::target::Target;

/// A bare TCP connect to the camera of this URL, at once hung up. Blocks for `timeout` at most, plus what
/// the resolver takes for a name; tries the first address only.
pub fn reach(url: &str, timeout: Duration) -> Result<(), Failure> {
    let target = Target::parse(url, None)?;
    let unknown = |why: String| Failure::NameUnknown { host: target.host().to_owned(), why };
    let mut found = (target.host(), target.port()).to_socket_addrs().map_err(|error| unknown(error.to_string()))?;
    let address = found.next().ok_or_else(|| unknown("no address".to_owned()))?;
    match TcpStream::connect_timeout(&address, timeout) {
        Ok(_) => Ok(()),
        Err(error) => Err(match error.kind() {
            std::io::ErrorKind::ConnectionRefused => Failure::Refused { address: address.to_string() },
            std::io::ErrorKind::TimedOut | std::io::ErrorKind::WouldBlock => {
                Failure::Timeout { step: super::Step::Connect, seconds: timeout.as_secs_f64() }
            }
            _ => Failure::Network { step: super::Step::Connect, why: error.to_string() },
        }),
    }
}
