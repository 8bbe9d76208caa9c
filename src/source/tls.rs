//! Every TLS session of a camera begins with its certificate.
//!
//! GLib resumes a TLS 1.3 session by address, name and port, and a resumed session shows no certificate: what one
//! camera was allowed (`tls: {insecure: true}`), another at the same door would get unasked, and trusting less would
//! mean nothing until the program ends. glib-networking 2.74 has no setting for one connection; its GnuTLS backend
//! takes a priority string for the process from the environment, and without tickets there is nothing to resume.

/// The variable, read once before the first handshake.
const VARIABLE: &str = "G_TLS_GNUTLS_PRIORITY";
/// glib-networking's own default, where the system sets no other.
const DEFAULT: &str = "NORMAL:%COMPAT";
/// GnuTLS: do not ask for session tickets.
const NO_TICKETS: &str = "%NO_TICKETS";

/// Has certificates looked at with every handshake, whatever else the user's own priorities say.
///
/// # Safety
/// Changes the environment: to be called while the process has one thread.
pub unsafe fn resume_no_sessions() {
    let priority = with_no_tickets(std::env::var(VARIABLE).ok().as_deref());
    // SAFETY: by contract nobody else reads or writes the environment.
    unsafe { std::env::set_var(VARIABLE, priority) };
}

fn with_no_tickets(priority: Option<&str>) -> String {
    let own = priority.filter(|own| !own.is_empty()).unwrap_or(DEFAULT);
    if own.split(':').any(|word| word == NO_TICKETS) { own.to_owned() } else { format!("{own}:{NO_TICKETS}") }
}

#[cfg(test)]
mod tests {
    use super::with_no_tickets;

    #[test]
    fn own_priorities_stay() {
        assert_eq!(with_no_tickets(None), "NORMAL:%COMPAT:%NO_TICKETS");
        assert_eq!(with_no_tickets(Some("")), "NORMAL:%COMPAT:%NO_TICKETS");
        assert_eq!(with_no_tickets(Some("SECURE256")), "SECURE256:%NO_TICKETS");
        assert_eq!(with_no_tickets(Some("NORMAL:%NO_TICKETS")), "NORMAL:%NO_TICKETS");
    }
}
