"""The relational database: engine, transactions, audit log, migrations."""
