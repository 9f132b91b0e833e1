-- What the processes of the exchange may do in its database. Run it as the owner of the tables, who
-- also runs `farmgate migrate`, after each migration; it may be run again. The processes sign in as a
-- member of `farmgate_server`:
--
--   CREATE USER exchange PASSWORD '...' IN ROLE farmgate_server;
DO $$
BEGIN
  IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = 'farmgate_server') THEN
    CREATE ROLE farmgate_server NOLOGIN;
  END IF;
END
$$;

REVOKE CREATE ON SCHEMA public FROM PUBLIC;
GRANT USAGE ON SCHEMA public TO farmgate_server;
GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA public TO farmgate_server;
GRANT USAGE ON ALL SEQUENCES IN SCHEMA public TO farmgate_server;

-- What may only grow: who holds the server's password changes no line that was written.
REVOKE UPDATE, DELETE ON audit_log, journal_groups FROM farmgate_server;
REVOKE INSERT, UPDATE, DELETE ON alembic_version FROM farmgate_server;
REVOKE DELETE ON journal_leases FROM farmgate_server;
