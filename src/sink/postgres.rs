//! Events in a PostgreSQL table: one row a record, columns to ask by and the whole event as `jsonb`.
//!
//! A batch is one statement and one transaction, confirmed by its commit. `(id, revision)` is the primary key and
//! conflicts are ignored, so that a repeat changes nothing: each record is there exactly once. The table is made and
//! brought up to date at the first connection.

use std::path::Path;

use rustls::ClientConfig;
use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::{Map, Value};
use tokio_postgres::error::SqlState;
use tokio_postgres::{Client, Config, NoTls, Statement};
use tokio_postgres_rustls::MakeRustlsConnect;

use super::access::Access;
use super::{Delivery, Outcome, ParamError, Parcel, Sink, SinkKind, TIMEOUT, attempt, params};
use crate::base::{Result, with_causes};
use crate::scene::StoredEvent;

pub(super) const KIND: SinkKind = SinkKind {
    name: "postgres",
    summary: "rows in a PostgreSQL table",
    validate,
    connect,
    schema: params::schema::<Params>,
    paths: Access::PATHS,
};

#[derive(Debug, Clone, Deserialize, JsonSchema)]
struct Params {
    /// Name or address of the server.
    host: String,
    /// Its port.
    #[serde(default = "default_port")]
    port: u16,
    /// The database.
    database: String,
    /// The table; it is created in `schema` when it is missing.
    #[serde(default = "default_table")]
    table: String,
    /// The schema that the table is in.
    #[serde(default = "default_schema")]
    schema: String,
    /// Whether the connection is encrypted and the server's certificate checked.
    #[serde(default = "yes")]
    tls: bool,
    #[serde(flatten)]
    access: Access,
}

fn default_port() -> u16 {
    5432
}
fn default_table() -> String {
    "vantage_events".to_owned()
}
fn default_schema() -> String {
    "public".to_owned()
}
fn yes() -> bool {
    true
}

fn validate(given: &Map<String, Value>) -> Vec<ParamError> {
    let params: Params = match params::parse(given) {
        Ok(params) => params,
        Err(mistakes) => return mistakes,
    };
    let mut mistakes = params.access.mistakes(params.tls);
    for (param, name) in [("table", &params.table), ("schema", &params.schema)] {
        let good = name.starts_with(|c: char| c.is_ascii_lowercase() || c == '_')
            && name.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_')
            && name.len() <= 48;
        if !good {
            let message = format!("`{param}` cannot be \"{name}\"");
            mistakes.push(ParamError::new(param, message, "lower-case letters, digits and `_`, at most 48"));
        }
    }
    for (param, text) in [("host", &params.host), ("database", &params.database)] {
        if text.is_empty() {
            mistakes.push(ParamError::new(param, format!("`{param}` is empty"), "name it"));
        }
    }
    mistakes
}

fn connect(given: &Map<String, Value>, _base: &Path) -> Result<Box<dyn Sink>> {
    let params: Params = params::parse(given).map_err(|mistakes| params::error(KIND.name, &mistakes))?;
    if params.tls {
        params.access.tls()?;
    }
    Ok(Box::new(Postgres { params, session: None }))
}

struct Postgres {
    params: Params,
    session: Option<Session>,
}

struct Session {
    client: Client,
    insert: Statement,
}

impl Sink for Postgres {
    fn kind(&self) -> &'static str {
        KIND.name
    }

    fn deliver<'a>(&'a mut self, batch: &'a [Parcel]) -> Delivery<'a> {
        Box::pin(async {
            let place = self.params.place();
            let outcome = attempt(&place, self.insert(batch)).await;
            if !outcome.is_settled() {
                self.session = None;
            }
            outcome
        })
    }
}

impl Postgres {
    async fn insert(&mut self, batch: &[Parcel]) -> std::result::Result<Outcome, Outcome> {
        if self.session.is_none() {
            self.session = Some(self.params.open().await?);
        }
        let Some(Session { client, insert }) = &self.session else { return Ok(Outcome::retry("not connected")) };
        let rows = json(batch.iter().map(|parcel| &parcel.stored)).map_err(|reason| Outcome::Fatal { reason })?;
        match client.execute(insert, &[&rows]).await {
            Ok(_) => return Ok(Outcome::Done),
            Err(e) if !refuses_data(&e) => return Err(self.params.failure(&e)),
            Err(_) => {}
        }
        // Something in the batch is not for this database: one by one shows what.
        let mut reasons = Vec::new();
        for Parcel { stored, .. } in batch {
            let row = json(std::iter::once(stored)).map_err(|reason| Outcome::Fatal { reason })?;
            match client.execute(insert, &[&row]).await {
                Ok(_) => {}
                Err(e) if refuses_data(&e) => reasons.push((stored.position, with_causes(&e))),
                Err(e) => return Err(self.params.failure(&e)),
            }
        }
        Ok(Outcome::Reject { reasons })
    }
}

fn json<'a>(batch: impl Iterator<Item = &'a StoredEvent>) -> std::result::Result<String, String> {
    serde_json::to_string(&batch.collect::<Vec<_>>()).map_err(|e| e.to_string())
}

/// Classes 22 (data exception) and 23 (constraint violation) of PostgreSQL's appendix A: the row, not the server.
fn refuses_data(error: &tokio_postgres::Error) -> bool {
    error.code().is_some_and(|code| code.code().starts_with("22") || code.code().starts_with("23"))
}

impl Params {
    fn place(&self) -> String {
        format!("postgres {}:{}/{}", self.host, self.port, self.database)
    }

    fn failure(&self, error: &tokio_postgres::Error) -> Outcome {
        let reason = format!("{}: {}", self.place(), with_causes(error));
        let lasting = [
            &SqlState::INVALID_PASSWORD,
            &SqlState::INVALID_AUTHORIZATION_SPECIFICATION,
            &SqlState::INSUFFICIENT_PRIVILEGE,
            &SqlState::INVALID_CATALOG_NAME,
            &SqlState::INVALID_SCHEMA_NAME,
        ];
        if error.code().is_some_and(|code| lasting.contains(&code)) {
            Outcome::later(reason)
        } else {
            Outcome::retry(reason)
        }
    }

    async fn open(&self) -> std::result::Result<Session, Outcome> {
        let login = self.access.login().map_err(|e| Outcome::later(e.to_string()))?;
        let mut config = Config::new();
        config.host(&self.host).port(self.port).dbname(&self.database).application_name("vantage");
        config.connect_timeout(TIMEOUT);
        if let Some((user, password)) = &login {
            config.user(user).password(password.expose());
        }
        let client = if self.tls {
            config.ssl_mode(tokio_postgres::config::SslMode::Require);
            let tls: ClientConfig = self.access.tls().map_err(|e| Outcome::later(e.to_string()))?;
            let (client, connection) =
                config.connect(MakeRustlsConnect::new(tls)).await.map_err(|e| self.failure(&e))?;
            drive(connection);
            client
        } else {
            let (client, connection) = config.connect(NoTls).await.map_err(|e| self.failure(&e))?;
            drive(connection);
            client
        };
        self.migrate(&client).await.map_err(|e| self.failure(&e))?;
        let insert = client.prepare(&self.insert_statement()).await.map_err(|e| self.failure(&e))?;
        Ok(Session { client, insert })
    }

    /// Brings the table to the newest shape. An advisory lock keeps several programs apart that start together.
    async fn migrate(&self, client: &Client) -> std::result::Result<(), tokio_postgres::Error> {
        let Self { schema, table, .. } = self;
        client
            .batch_execute(&format!(
                "BEGIN;
                 SELECT pg_advisory_xact_lock(hashtext('{schema}.{table}'));
                 CREATE TABLE IF NOT EXISTS {schema}.{table} (
                     id            uuid        NOT NULL,
                     revision      integer     NOT NULL,
                     phase         text        NOT NULL,
                     camera        text        NOT NULL,
                     sequence      bigint      NOT NULL,
                     rule          text        NOT NULL,
                     kind          text        NOT NULL,
                     severity      text        NOT NULL,
                     time          timestamptz NOT NULL,
                     time_source   text        NOT NULL,
                     class         text,
                     track         bigint,
                     summary       text        NOT NULL,
                     event         jsonb       NOT NULL,
                     received      timestamptz NOT NULL DEFAULT now(),
                     PRIMARY KEY (id, revision)
                 );
                 CREATE INDEX IF NOT EXISTS {table}_time ON {schema}.{table} (time);
                 CREATE INDEX IF NOT EXISTS {table}_camera ON {schema}.{table} (camera, sequence);
                 CREATE INDEX IF NOT EXISTS {table}_kind ON {schema}.{table} (kind, time);
                 COMMIT;"
            ))
            .await
    }

    fn insert_statement(&self) -> String {
        let Self { schema, table, .. } = self;
        format!(
            "INSERT INTO {schema}.{table} (id, revision, phase, camera, sequence, rule, kind, severity, time,
                 time_source, class, track, summary, event)
             SELECT (e->>'id')::uuid, (e->>'revision')::integer, e->>'phase', e->>'camera', (e->>'sequence')::bigint,
                 e->>'rule', e->>'kind', e->>'severity', (e->'time'->>'utc')::timestamptz, e->'time'->>'source',
                 e->>'class', (e->>'track')::bigint, e->'explanation'->>'summary', e
             FROM jsonb_array_elements($1::text::jsonb) WITH ORDINALITY AS rows(e, place)
             ORDER BY place
             ON CONFLICT (id, revision) DO NOTHING"
        )
    }
}

/// Lets the connection work on its own; it ends with its client.
fn drive<S, T>(connection: tokio_postgres::Connection<S, T>)
where
    S: tokio::io::AsyncRead + tokio::io::AsyncWrite + Unpin + Send + 'static,
    T: tokio_postgres::tls::TlsStream + Unpin + Send + 'static,
{
    tokio::spawn(async move {
        if let Err(error) = connection.await {
            tracing::debug!(%error, "postgres connection ended");
        }
    });
}
